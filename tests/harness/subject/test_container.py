"""An application's container: awaited, looked at, and ended with all that it brought."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.errors import WorldError
from brownout.harness.subject.compose_project import Joined, overlay, read_project
from brownout.harness.subject.container import ContainerOrder, SubjectContainer
from brownout.harness.worlds import left_subject
from brownout.harness.worlds.catalog import COMPOSE
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE
from support.docker_cli import docker, labelled

pytestmark = [pytest.mark.docker, pytest.mark.slow]

PATIENCE_S = 60.0
SERVES = """
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("serving with", os.environ["API_KEY"], flush=True)
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204); self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("", int(os.environ["PORT"])), Answers).serve_forever()
"""
CRASHES = "print('no database', flush=True); raise SystemExit(3)"
SILENT = "import time; print('warming up', flush=True); time.sleep(600)"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the name of a stack, whose client network is there; nothing of it stays."""
    made = tmp_path / f"run-{secrets.token_hex(4)}"
    made.mkdir()
    docker("network", "create", "--internal", f"{made.name}-clients")
    yield made
    assert labelled(f"brownout.subject={made.name}") == []
    docker("network", "rm", f"{made.name}-clients")


def container(folder: Path, program: str, *, ready_within_s: float = PATIENCE_S) -> SubjectContainer:
    """A subject with a volume of a name and one of none, of an image that does nothing by itself."""
    file = folder / "compose.yaml"
    file.write_text(
        f"services:\n  web:\n    image: {IDENTITY_IMAGE}\n    entrypoint: [python3, /app.py]\n    restart: always\n"
        "    environment: {API_KEY: 'value-of-the-key'}\n    volumes: ['rows:/rows', /nameless, './app.py:/app.py:ro']\n"
        "    networks: [inner]\nvolumes:\n  rows:\nnetworks:\n  inner: {internal: true}\n",
        encoding="utf-8",
    )
    (folder / "app.py").write_text(program, encoding="utf-8")
    project, port = read_project(file), ephemeral_port()
    joined = Joined(folder.name, "me@here", f"{folder.name}-clients", port, 8080, {"PORT": "8080"})
    order = ContainerOrder(
        file=file,
        service="web",
        over=overlay(project, "web", joined),
        ready=f"http://127.0.0.1:{port}/",
        ready_within_s=ready_within_s,
        stop_within_s=2.0,
        record=folder,
        environment=dict(os.environ),
        secrets=project.secrets_of("web", ("KEY",)),
    )
    return SubjectContainer(order, folder)


def lived(subject: SubjectContainer, life: Callable[[], Awaitable[None]]) -> None:
    """Starts it, and stops it twice whatever happened meanwhile."""

    async def whole() -> None:
        subject.start()
        try:
            await life()
        finally:
            await subject.stop()
            await subject.stop()

    asyncio.run(whole())


def test_it_is_ready_ends_when_asked_and_its_output_is_masked(folder: Path) -> None:
    """Though its file has it on an internal network only, where no port can be published."""
    subject = container(folder, SERVES)

    async def life() -> None:
        await subject.await_ready(PATIENCE_S)
        subject.look()
        assert subject.ended is None
        assert len(labelled(f"brownout.subject={folder.name}")) == 4  # a container, two networks and a volume
        mounts = docker("inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", f"brownout-{folder.name}-subject-web-1")
        volumes.update(mounts.split())

    volumes: set[str] = set()
    lived(subject, life)
    assert (subject.over["how"], subject.over["code"]) == ("SIGTERM", 0)
    assert (folder / "subject.log").read_text(encoding="utf-8") == "serving with [masked]\n"
    assert len(volumes) == 2  # one of them without a name or a label
    assert not volumes & set(docker("volume", "ls", "-q").split())


def test_one_that_ends_or_is_never_ready_is_an_error_with_its_last_words(folder: Path) -> None:
    """Its file has the engine start it again for ever; in a run its end is an end."""
    crashed = container(folder, CRASHES)

    async def life() -> None:
        with pytest.raises(WorldError, match="ended with code 3 before it was ready") as raised:
            await crashed.await_ready(PATIENCE_S)
        assert "no database" in raised.value.hint

    lived(crashed, life)
    assert crashed.ended is not None
    silent = container(folder, SILENT, ready_within_s=20.0)

    async def waits() -> None:
        with pytest.raises(WorldError, match="was not ready within") as raised:
            await silent.await_ready(8.0)
        assert "warming up" in raised.value.hint

    lived(silent, waits)
    assert silent.over["how"] == "SIGKILL"  # it is the first process of its container, which no SIGTERM ends by itself


def test_what_outlives_its_run_is_removed_as_the_guardian_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that carries the label goes, and a stop that comes late finds nothing more to do."""
    monkeypatch.setattr(left_subject, "PATIENCE_S", 0.0)
    subject = container(folder, SERVES)

    async def life() -> None:
        await subject.await_ready(PATIENCE_S)
        await left_subject.end_left_subject(COMPOSE, folder)
        assert labelled(f"brownout.subject={folder.name}") == []

    lived(subject, life)
    assert subject.over["how"] == "itself"

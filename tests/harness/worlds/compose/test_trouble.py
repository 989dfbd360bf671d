"""Whatever is wrong with Docker ends in one message that says what to do, and leaves nothing behind. Needs no engine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.cli import main
from brownout.harness.doctor import docker as doctor_docker
from brownout.harness.doctor.checks import checks
from brownout.harness.doctor.findings import Check
from brownout.harness.errors import StackGone
from brownout.harness.injection.ledger import Ledger
from brownout.harness.operate.orphans import take_down_orphans
from brownout.harness.worlds.catalog import COMPOSE
from brownout.harness.worlds.compose import cli as compose_cli
from brownout.harness.worlds.compose.stack import RECORD_NAME, bring_up
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.live.served_file import write_served
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.server.clock import Clock
from brownout.identity.server.shared_spec import SPEC_NAME
from brownout.identity.server.spec_file import ServedStack
from support.stub_engine import OLD, Answers, stub_docker, stub_engine

Engine = Callable[[Answers], None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder and a working folder of the test's own."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Has an engine answer as the test says, beside a Compose that is in order. Nothing comes late from this engine."""
    monkeypatch.setattr("brownout.harness.worlds.compose.engine.SETTLE_S", 0.04)
    program = stub_docker(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with ExitStack() as running:
        yield lambda answers: monkeypatch.setenv("DOCKER_HOST", running.enter_context(stub_engine(answers)))


def up() -> Result:
    return CliRunner().invoke(main, ["up", "--world", "compose"])


def require_trouble(told: Result, problem: str, fix: str) -> None:
    """One message with a fix, the exit code of a harness error, and no stack in the ledger or on the disk."""
    assert told.exit_code == 4, told.output
    assert problem in told.output
    assert "  -> " in told.output
    assert fix in told.output.split("  -> ", 1)[1]
    assert "Traceback" not in told.output
    stacks = ledger_path().parent / "stacks"
    assert not stacks.exists() or list(stacks.iterdir()) == []
    assert not Path("stack.json").exists()


def test_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A socket that is not there."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    require_trouble(up(), "no Docker engine answers: No such file or directory", "start it")


def test_an_engine_that_does_not_listen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A socket that a dead engine left."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    require_trouble(up(), "no Docker engine answers: Connection refused", "start it")


def test_an_engine_that_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is not in the group docker is advised to join it, not to start the engine."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("DOCKER_HOST", "unix:///var/run/docker.sock")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    require_trouble(up(), "no Docker engine answers: Permission denied", "group docker")


def test_an_old_engine(engine: Engine) -> None:
    """An engine from before Docker 20.10."""
    engine(Answers(api_version=OLD))
    require_trouble(up(), "Docker stub is too old", "20.10")


def test_missing_images(engine: Engine) -> None:
    """Each image that is missing is named, with the command that builds it."""
    engine(Answers(has_images=False))
    told = up()
    require_trouble(told, "images are missing: brownout/identity", "`brownout images --offline`")
    assert "toxiproxy" in told.output


def test_no_docker_command(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An engine without the command line."""
    engine(Answers())
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    require_trouble(up(), "the command `docker` is not installed", "install Docker")


@pytest.mark.parametrize(("version", "problem"), [("", "no Compose plugin"), ("2.19.1", "Compose 2.19.1 is too old")])
def test_compose_missing_or_old(engine: Engine, tmp_path: Path, version: str, problem: str) -> None:
    """No plugin, and one from before 2.20."""
    engine(Answers())
    stub_docker(tmp_path / "bin", version=version)
    require_trouble(up(), problem, "Compose 2.20")


@pytest.mark.parametrize("version", ["2.20.0", "v5.0.2", "dev"])
def test_compose_that_will_do(tmp_path: Path, version: str) -> None:
    """The oldest that is good enough, newer ones, and one built from source that has no number."""
    stub_docker(tmp_path / "bin", version=version)
    assert compose_cli.version() == version


@pytest.mark.parametrize(
    ("says", "problem", "fix"),
    [
        ("Bind for 127.0.0.1:21000 failed: port is already allocated", "a port of the stack is taken", "other ports"),
        ("listen tcp4 127.0.0.1:21000: bind: address already in use", "a port of the stack is taken", "other ports"),
        ("failed to copy: write /var/lib/x: no space left on device", "the disk is full", "docker system df"),
        ("Error response from daemon: No such image: brownout/identity", "an image is missing", "images --offline"),
        ("Cannot connect to the Docker daemon. Is it running?", "no Docker engine answers", "brownout doctor"),
        ("could not find an available, non-overlapping IPv4 address pool", "no addresses left", "network prune"),
        ("all predefined address pools have been fully subnetted", "no addresses left", "network prune"),
        ("something new", "docker compose create failed:\nsomething new", "brownout doctor"),
    ],
)
def test_what_compose_says(engine: Engine, tmp_path: Path, says: str, problem: str, fix: str) -> None:
    """An error of Compose is quoted with its meaning and a hint, and the stack is taken down."""
    answers = Answers()
    engine(answers)
    stub_docker(tmp_path / "bin", says={"create": says})
    told = up()
    require_trouble(told, problem, fix)
    assert says in told.output
    assert any("containers/json" in asked for asked in answers.asked)


def test_a_taken_port_is_tried_elsewhere(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may take a port between the look and the engine's bind: other ports are chosen, three times.

    Each attempt has a compose file, although the one before took its own away.
    """
    engine(Answers())
    log = tmp_path / "calls"
    program = stub_docker(tmp_path / "bin", says={"create": "port is already allocated"})
    program.write_text(program.read_text().replace("case", f'echo "$(test -f "$5" && echo with file) $*" >> "{log}"\ncase', 1))
    told = up()
    require_trouble(told, "a port of the stack is taken", "other ports")
    created = [line for line in log.read_text().splitlines() if " create " in line]
    assert [line.startswith("with file compose ") for line in created] == [True] * 3


def test_an_engine_that_was_stopped_loses_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`down` on a stack whose engine is stopped says so and keeps everything, so that it can be run again."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    folder = stack_dir("up-1")
    record = '{"schema": "brownout/world/v1", "world": "compose", "stack": "up-1", "project": "p",'
    (folder / RECORD_NAME).write_text(f'{record} "first_port": 21000, "last_port": 21010}}')
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack("up-1", folder=folder, world=COMPOSE, run_owned=False)
        ledger.let_go("up-1")
    for arguments in (("down",), ("down", "--all")):
        told = CliRunner().invoke(main, arguments)
        assert told.exit_code == 4, told.output
        assert "no Docker engine answers" in told.output
    with Ledger(ledger_path()) as ledger:
        assert [row.id for row in ledger.stacks()] == ["up-1"]
    assert (folder / RECORD_NAME).exists()


def test_down_all_without_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where Docker is installed and does not run, `down --all` says that containers were not looked for, and is content."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    told = CliRunner().invoke(main, ["down", "--all"])
    assert told.exit_code == 0, told.output
    assert "containers that no ledger knows were not looked for" in told.output


def test_down_all_without_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no Docker nothing is said about it."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert take_down_orphans(()).notes == ()


def test_a_compose_that_hangs_is_ended(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is killed with all that it started, and the message says so."""
    engine(Answers())
    program = stub_docker(tmp_path / "bin")
    program.write_text(f"#!/bin/sh\necho $$ > '{tmp_path}/pid'\nsleep 60 & wait\n")
    monkeypatch.setattr(compose_cli, "TIMEOUT_S", 0.5)
    begun_s = time.monotonic()
    require_trouble(up(), "did not end in 0.5 s", "brownout doctor")
    assert time.monotonic() - begun_s < 30
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/cmdline").exists()


def test_a_folder_with_a_stack_is_refused(tmp_path: Path) -> None:
    """A folder with a record of a stack is never taken for another."""
    folder = stack_dir("up-1")
    (folder / RECORD_NAME).write_text("{}")
    with pytest.raises(Exception, match="is up in"):
        bring_up(replace(build_stack(seed=1), edge=True), folder, epoch_s=0.0, rate=1.0)


def test_the_doctor_names_each_trouble(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--world compose` what is missing is a trouble with its fix; for the other worlds it is none."""
    engine(Answers(has_images=False))
    stub_docker(tmp_path / "bin", version="2.1.0")
    monkeypatch.setattr(doctor_docker, "check_disk", lambda: Check("engine's disk", True, "has room"))
    found = {check.name: check for check in doctor_docker.docker_checks(required=True)}
    assert [name for name, check in found.items() if not check.ok] == ["Compose", "images"]
    assert "2.20" in found["Compose"].fix
    assert "brownout images --offline" in found["images"].fix
    assert all(check.ok and not check.fix for check in doctor_docker.docker_checks(required=False))


def test_the_doctor_without_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Docker is in order, unless the compose world is named."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    plain, wanted = (doctor_docker.docker_checks(required=required) for required in (False, True))
    assert plain == (Check("Docker", True, "not found (only the compose world needs it)"),)
    assert wanted == (Check("Docker", False, "not found", "install Docker 20.10 or newer"),)
    named = [check for check in checks(leftovers=lambda: ((), ()), world="compose") if check.name == "Docker"]
    assert named == list(wanted)


@pytest.mark.parametrize(("free", "ok"), [(500_000_000, False), (5_000_000_000, True)])
def test_a_full_disk_of_the_engine_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, ok: bool) -> None:
    """The room is that of the disk on which the engine keeps its data."""
    monkeypatch.setattr("brownout.harness.worlds.compose.engine.DockerEngine.__init__", lambda self: None)
    monkeypatch.setattr("brownout.harness.worlds.compose.engine.DockerEngine.close", lambda self: None)
    monkeypatch.setattr("brownout.harness.worlds.compose.engine.DockerEngine.data_folder", str(tmp_path))
    monkeypatch.setattr(doctor_docker.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    found = doctor_docker.check_disk()
    assert (found.ok, bool(found.fix)) == (ok, not ok)


def test_nobody_else_waits_for_the_docker_library() -> None:
    """Neither the command line nor the processes world nor the doctor's module imports the docker library."""
    code = (
        "import sys\nfrom brownout.harness import cli\nfrom brownout.harness.doctor import checks\n"
        "from brownout.harness.operate import orphans, stacks\nfrom brownout.harness.worlds.processes import world\n"
        "sys.exit(any(name.partition('.')[0] == 'docker' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("whole", [False, True])
def test_a_stack_of_another_version_is_taken_down(engine: Engine, *, whole: bool) -> None:
    """A stack whose specification cannot be read any more, or one with other ports than it would have now, is removed by
    its label, and the message says why.
    """
    answers = Answers()
    engine(answers)
    folder = stack_dir("up-1")
    record = '{"schema": "brownout/world/v1", "world": "compose", "stack": "up-1", "project": "p",'
    (folder / RECORD_NAME).write_text(f'{record} "first_port": 21000, "last_port": 21010}}')
    (folder / SPEC_NAME).write_text('{"stack": {}}')
    if whole:
        write_served(folder / SPEC_NAME, ServedStack(build_stack(seed=1), Clock.starting_now(0.0, 1.0)))
    with pytest.raises(StackGone, match="another version of Brownout and has been taken down"):
        ComposeWorld.attach(folder)
    assert any("containers/json" in asked for asked in answers.asked)
    assert not (folder / RECORD_NAME).exists()

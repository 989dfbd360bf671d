"""Files that the machine gives a stack while its containers wait for them."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.worlds.compose import stack as compose_stack
from brownout.harness.worlds.compose.engine import Containers, DockerEngine
from brownout.harness.worlds.compose.layout import SPEC_FOLDER
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.stack_spec import build_stack
from support.containers import ContainerStack

pytestmark = [pytest.mark.docker, pytest.mark.slow]
FILES = 40
CONTENT = b'{"whole": true}' * 100
# Looks without pause, and reads each file at the first sight of it.
READER = f"""
import pathlib, sys, time
until = time.monotonic() + 60
for number in range({FILES}):
    path = pathlib.Path("{SPEC_FOLDER}", f"told-{{number}}")
    while not path.exists():
        if time.monotonic() > until:
            sys.exit(f"{{path}} never came")
    if path.stat().st_size != {len(CONTENT)} or len(path.read_bytes()) != {len(CONTENT)}:
        sys.exit(f"{{path}} was not whole")
print("all whole")
"""


def test_a_file_is_whole_and_readable_when_it_is_there(stack: ContainerStack) -> None:
    """A node that reads what it waited for at the very moment it appears reads all of it, with its own user's rights."""
    running = compose_stack.read_compose_stack(stack.world.folder)
    told: list[tuple[int, str]] = []
    reader = stack.container("sydney-host").id
    reading = threading.Thread(
        target=lambda: told.append(stack.engine.containers.run_in(reader, ["python3", "-I", "-c", READER]))
    )
    reading.start()
    try:
        for number in range(FILES):
            compose_stack.share(stack.engine, running, f"told-{number}", CONTENT)
    finally:
        reading.join()
    assert told == [(0, "all whole\n")]


def test_a_file_is_replaced_as_a_whole(stack: ContainerStack) -> None:
    """What is told again under the same name takes the place of what was told before."""
    running = compose_stack.read_compose_stack(stack.world.folder)
    for content in (b"first", b"second"):
        compose_stack.share(stack.engine, running, "told-again", content)
    code, said = stack.engine.containers.run_in(stack.container("sydney-host").id, ["cat", f"{SPEC_FOLDER}/told-again"])
    assert (code, said) == (0, "second")


def test_a_node_that_ends_at_its_start_is_named_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that cannot read its specification ends the start with its name and traceback; nothing is left running."""
    world = ComposeWorld(build_stack(seed=1), folder=tmp_path / "c-mistold", epoch_s=time.time(), rate=1.0)
    monkeypatch.setattr(world, "ready_timeout_s", 10.0)
    put_file = Containers.put_file

    def misspelt(containers: Containers, container: str, folder: str, name: str, content: bytes, *, uid: int) -> None:
        wrong = b'{"no": "clock"}' if name == compose_stack.GO_NAME else content
        put_file(containers, container, folder, name, wrong, uid=uid)

    monkeypatch.setattr(Containers, "put_file", misspelt)
    with pytest.raises(WorldError, match=r"(?s)sydney\.\w+ ended at its start.*TypeError"):
        asyncio.run(world.start())
    engine = DockerEngine()
    try:
        assert engine.containers.find("c-mistold", "sydney-host") is None
    finally:
        engine.close()

"""Files that the machine gives a stack while its containers wait for them."""

from __future__ import annotations

import threading

import pytest
from containers import Containers

from harness.worlds import compose_stack
from harness.worlds.compose_plan import SPEC_FOLDER

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


def test_a_file_is_whole_and_readable_when_it_is_there(stack: Containers) -> None:
    """A node that reads what it waited for at the very moment it appears reads all of it, with its own user's rights."""
    standing = compose_stack.read_standing(stack.world.folder)
    told: list[tuple[int, str]] = []
    reader = stack.container("sydney-host").id
    reading = threading.Thread(target=lambda: told.append(stack.engine.run_in(reader, ["python3", "-I", "-c", READER])))
    reading.start()
    try:
        for number in range(FILES):
            compose_stack.share(stack.engine, standing, f"told-{number}", CONTENT)
    finally:
        reading.join()
    assert told == [(0, "all whole\n")]


def test_a_file_is_replaced_as_a_whole(stack: Containers) -> None:
    """What is told again under the same name takes the place of what was told before."""
    standing = compose_stack.read_standing(stack.world.folder)
    for content in (b"first", b"second"):
        compose_stack.share(stack.engine, standing, "told-again", content)
    code, said = stack.engine.run_in(stack.container("sydney-host").id, ["cat", f"{SPEC_FOLDER}/told-again"])
    assert (code, said) == (0, "second")

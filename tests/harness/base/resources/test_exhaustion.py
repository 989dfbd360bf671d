"""What ran out, by what programs say and have."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from brownout.harness.base.resources.exhaustion import name_of, out_of_files, ran_out_of


@pytest.fixture
def crowded() -> Iterator[int]:
    """A process that waits with as many open files as it may have."""
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()  # it runs: what it opens to start is closed again
        resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (3, 3))
        yield child.pid
    finally:
        child.communicate(b"\n")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("accept tcp 127.0.0.1:21000: accept4: too many open files", ("open files",)),
        ("OSError: [Errno 23] Too many open files in system: 'x'", ("open files",)),
        ("dial tcp 127.0.0.1:1: connect: cannot assign requested address", ("ephemeral ports",)),
        ("[Errno 28] No space left on device; sqlite3: database or disk is full", ("disk space",)),
        ("OSError: [Errno 12] Cannot allocate memory", ("memory",)),
        ("dial tcp 127.0.0.1:1: connect: connection refused", ()),
    ],
)
def test_errors_of_every_program_are_recognised(text: str, what: tuple[str, ...]) -> None:
    """Python's, SQLite's and Go's words; a refusal is not a shortage."""
    assert ran_out_of(text) == what


def test_a_process_with_all_its_files_open_is_seen(crowded: int) -> None:
    """Programs that cannot accept a connection often log nothing, so files are counted."""
    assert out_of_files(crowded) == "3 of 3 open files"
    assert name_of(crowded).startswith("python")


def test_a_process_with_room_has_not_run_out() -> None:
    """This one's limit was checked; one that has ended tells nothing."""
    assert out_of_files(os.getpid()) == ""
    assert out_of_files(2**22 + 1) == ""
    assert name_of(2**22 + 1) == f"process {2**22 + 1}"

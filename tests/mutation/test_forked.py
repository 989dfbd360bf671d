"""Work in a forked process: how it ended is told apart, and what does not end is ended."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mutation.forked import OUTPUT, ended_in_fork, limited
from support.brownout_command import eventually
from support.places import ROOT, TESTS


def crash() -> int:
    """Raises, as a test's process may."""
    raise SystemExit("over")


def looping() -> int:
    """Uses the processor without an end."""
    return sum(1 for _ in itertools.count())


def looping_test() -> int:
    """The same, where a shorter limit came into force first."""
    limited(-1.0)
    return looping()


def has_ended(pid: str) -> bool:
    """Whether the process is gone, or waits for its parent alone."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(
    ("work", "limit_s", "cpu_s", "code"),
    [
        (lambda: 0, 60.0, None, 0),
        (lambda: 77, 60.0, None, 77),
        (crash, 60.0, None, 3),
        (lambda: os.kill(os.getpid(), signal.SIGKILL) or 0, 60.0, None, -signal.SIGKILL),
        (looping, 60.0, 1, None),
        (looping_test, 60.0, 60, None),
        (signal.pause, 0.1, None, None),
    ],
)
def test_how_it_ended_is_told(
    tmp_path: Path, work: Callable[[], int], limit_s: float, cpu_s: int | None, code: int | None
) -> None:
    """Its exit code, or its signal; None for what used up its time, real or of the processor."""
    assert ended_in_fork(work, limit_s, tmp_path, cpu_s) == code


def test_what_it_prints_and_makes_is_in_its_folder_and_what_it_started_ends(tmp_path: Path) -> None:
    """The process that forked keeps its own."""

    def work() -> int:
        started = subprocess.Popen(["sleep", "60"])
        os.write(1, f"{started.pid} {tempfile.gettempdir()}".encode())
        return 0

    before = tempfile.gettempdir()
    assert ended_in_fork(work, 60.0, tmp_path) == 0
    pid, folder = (tmp_path / OUTPUT).read_text().split()
    assert (folder, tempfile.gettempdir()) == (str(tmp_path), before)
    eventually(lambda: has_ended(pid), 10.0, what="the process that it started ends")


def test_workers_end_with_the_tester() -> None:
    """Also when it is killed, which it cannot tell them."""
    program = (
        "import os, signal\n"
        "from mutation.__main__ import _pool\n"
        "with _pool(1, []) as pool:\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    # The worker has what it prints open too, so it is asked for its line alone.
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=subprocess.PIPE) as tester:
        assert tester.stdout is not None
        worker = tester.stdout.readline().decode().strip()
    assert worker, "a worker was there"
    eventually(lambda: has_ended(worker), 10.0, what="the worker ends")

"""Tests in a forked process: with a folder and a process group of its own, and limits of real and of processor time."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support.places import ROOT

OUTPUT = "told.txt"
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")  # of what came before
FILE_MAX_BYTES = 256 * 2**20  # a mutant may write without end: one filled a file system in memory with 8 GB
_POLL_S = 0.01


def ended_in_fork(work: Callable[[], int], limit_s: float, folder: Path, cpu_s: int | None = None) -> int | None:
    """The exit code of `work`, negative for a signal; None when it had not ended after `limit_s`, or `cpu_s` of the processor.

    What it prints is in the empty folder that it is given for temporary files. What it started is ended with it.
    """
    child = os.fork()
    if child == 0:
        _run(work, folder, cpu_s)
    try:
        code = _ended(child, limit_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # whatever a test has started
    return None if code == -signal.SIGXCPU else code


def _run(work: Callable[[], int], folder: Path, cpu_s: int | None) -> None:
    """In the forked process; never returns."""
    code: int = 3
    try:
        os.setpgid(0, 0)
        if cpu_s is not None:
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX_BYTES, FILE_MAX_BYTES))
        redirected(folder)
        code = work()
    except BaseException:  # the process must not go on as a copy of the tester
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def limited(cpu_s: float | None) -> None:
    """From here on this process may use five seconds of the processor and four times as much as that."""
    if cpu_s is not None:
        soft = int(sum(os.times()[:2]) + 5 + 4 * cpu_s) + 1
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def redirected(folder: Path) -> None:
    """From here on this process prints into the folder and has its temporary files there."""
    told = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(told, 1)
    os.dup2(told, 2)
    os.close(told)
    os.chdir(ROOT)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None


def _ended(child: int, limit_s: float) -> int | None:
    """The exit code, None when it has not ended in time and was killed."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None

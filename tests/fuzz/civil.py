"""What every command owes its user, whatever it is fed: an exit code of the table, an error in words, an end.

A command is called in this process. A broken promise is named in a few words, which also tell one kind from another.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from click.testing import CliRunner, Result

from brownout.harness.cli import main

LIMIT_S = 20.0  # no command here takes a second; a machine with much else to do may
LONGEST_LINE = 2_000
_FRAME = re.compile(r'File ".*?/(?:brownout|wt/\w+)/(.*?)", line \d+, in (\w+)')


class Hangs(BaseException):
    """Not an Exception, so that no command takes it for an error of its own."""


@contextmanager
def ends_within(limit_s: float) -> Iterator[None]:
    """Raises Hangs in the block once it has taken longer; only in the main thread."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def spends_within(limit_s: float) -> Iterator[None]:
    """The same by the processor's time, for what waits for nothing: a busy machine makes no hang of it."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def told_by(arguments: list[str], home: Path, work: Path) -> Result | None:
    """What the command says, with its state in `home`; None when it does not end."""
    here = Path.cwd()
    os.chdir(work)
    try:
        with ends_within(LIMIT_S):
            return CliRunner(env={"BROWNOUT_HOME": str(home)}).invoke(main, arguments)
    except Hangs:
        return None
    finally:
        os.chdir(here)


def broken_promise(told: Result | None, allowed: tuple[int, ...] = (0, 2)) -> str:
    """What the command owed and did not do, "" when nothing."""
    if told is None:
        return f"no end within {LIMIT_S:g} s"
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        return f"raised {type(told.exception).__name__}: {str(told.exception)[:60]}"
    if "Traceback (most recent call last)" in told.output:
        return f"traceback {_kind(told.output)}"
    if told.exit_code not in allowed:
        return f"exit code {told.exit_code}: {told.output.strip()[-80:]}"
    if told.exit_code in (2, 4, 5) and not told.stderr.strip():
        return f"exit code {told.exit_code} without a word"
    longest = max(map(len, told.output.splitlines()), default=0)
    return f"a line of {longest} characters" if told.exit_code and longest > LONGEST_LINE else ""


def _kind(output: str) -> str:
    """The exception and where it came from."""
    frames = _FRAME.findall(output)
    where = "/".join(frames[-1]) if frames else "?"
    last = next(
        (line for line in reversed(output.splitlines()) if re.match(r"[\w.]+(Error|Exception|Exit|Iteration)\b", line)), "?"
    )
    return f"{last.partition(':')[0]} in {where}"


def alone() -> bool:
    """Whether nothing started a thread that outlives its command."""
    return threading.active_count() == 1


Attempt = Callable[[int], str]

"""The halt: a file in the state folder. While it is there, no fault is put in place, and what is in place is undone.

Theory. The file is the whole switch. `brownout halt` writes it, and so can a person with `touch` or a monitoring system with
`echo reason > HALT`, also where nothing of ours answers any more. No process is told of it; each one looks:

- the ledger, before an intent and before each single change of an apply, so no fault of any command or run gets past it;
- a run in a live world and a load by hand, several times a second: they end, and a run reverts its faults;
- the guardian, which reverts what commands left in place, and what a run has not reverted soon after.

A file that cannot be read counts as a halt. A simulation touches nothing outside of its process and does not look.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.base.files import OWNER_ONLY, read_regular, replace_whole
from brownout.harness.errors import BrownoutError, Halted, readable

FILE_NAME = "HALT"
REASON_BYTES_MAX = 400


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt that is in force: since when (wall clock seconds), and why, "" where none was given."""

    since_s: float
    reason: str

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since_s))
        return f"halted since {since}" + (f": {self.reason}" if self.reason else "")


def read_halt(state: Path) -> Halt | None:
    """The halt of a state folder, None where nothing is halted."""
    file = state / FILE_NAME
    try:
        since_s = file.lstat().st_mtime
    except FileNotFoundError:
        return None
    except OSError as error:
        return Halt(time.time(), f"{file} cannot be looked at: {error.strerror or error}")
    try:
        said = read_regular(file, bytes_max=REASON_BYTES_MAX)
    except FileNotFoundError:  # a dangling link halts; one that was lifted this moment does not
        return Halt(since_s, f"{file} leads nowhere") if file.is_symlink() else None
    except OSError as error:
        return Halt(since_s, f"{file} cannot be read: {error.strerror or error}")
    return Halt(since_s, readable(" ".join(said.decode(errors="replace").split())))


def require_lifted(state: Path) -> None:
    """Raises Halted while there is a halt."""
    halt = read_halt(state)
    if halt is not None:
        raise Halted(str(halt))


def halt(state: Path, reason: str) -> Halt:
    """Halts, and returns the halt in force: an earlier one stays as it is. Raises BrownoutError when it cannot be written."""
    found = read_halt(state)
    if found is None:
        try:
            replace_whole(state / FILE_NAME, f"{reason}\n" if reason else "", durable=True, mode=OWNER_ONLY)
        except OSError as error:
            why = error.strerror or error
            hint = "make room on its disk; until then end runs with Ctrl-C, and stacks with `brownout down`"
            raise BrownoutError(f"{state / FILE_NAME} cannot be written: {why}", hint=hint) from error
    return found or read_halt(state) or Halt(time.time(), reason)


def lift(state: Path) -> Halt | None:
    """Ends the halt and returns it, None where there was none. Raises BrownoutError when the file cannot be removed."""
    found, file = read_halt(state), state / FILE_NAME
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise BrownoutError(f"{file} cannot be removed: {error.strerror or error}", hint="remove it by hand") from error
    return found

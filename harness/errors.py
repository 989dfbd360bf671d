"""The errors that users meet: one small tree, split by who has to act. Any other exception that escapes is a bug.

Every error carries the problem and, in `hint`, what to do next; the command line prints both and exits with `exit_code`.
"""

from __future__ import annotations

import re
from pathlib import Path

LINE_MAX = 400
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class BrownoutError(Exception):
    """Base of all errors shown to a user. `run_folder` holds the record of the run that ended with it, if one had begun."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = readable(message)
        self.hint = readable(hint)
        super().__init__(self.message)
        self.run_folder: Path | None = None

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


def readable(text: str) -> str:
    """The text as it may be printed: characters that steer a terminal are escaped, and long lines are cut.

    Messages quote what a user or a file gave, which can be anything.
    """
    escaped = _ODD.sub(lambda odd: odd.group().encode("unicode_escape").decode("ascii"), text)
    return "\n".join(map(_short, escaped.split("\n")))


def _short(line: str) -> str:
    """The line with its middle left out where it is long: the end often has the reason."""
    return line if len(line) <= LINE_MAX else f"{line[: LINE_MAX // 2]} … {line[-LINE_MAX // 2 :]}"


class UsageError(BrownoutError):
    """The command, the experiment file or a name in it is wrong; nothing was started."""

    exit_code = 2


class FileError(UsageError):
    """A file is wrong at a known place: `path:line:column: problem`."""

    def __init__(self, path: str, line: int, column: int, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{path}:{line}:{column}: {problem}", hint=hint)
        self.path, self.line, self.column, self.problem = path, line, column, problem


class AbilityMissing(UsageError):
    """The chosen world cannot do what a fault needs; `worlds` can."""

    def __init__(self, fault: str, ability: str, world: str, worlds: tuple[str, ...]) -> None:
        able = ", ".join(worlds) or "no world"
        super().__init__(f"fault {fault} needs {ability}, which world {world} lacks", hint=f"worlds that have it: {able}")
        self.fault, self.ability, self.world, self.worlds = fault, ability, world, worlds


class WorldError(BrownoutError):
    """A world could not start, stop or carry out an order: a failure of the harness or of its environment."""


class StateFolderError(BrownoutError):
    """The state folder cannot be made or used by this user: no home, another user's home, a file or full disk in its place."""

    def __init__(self, folder: str, problem: str) -> None:
        super().__init__(
            f"the state folder {folder} cannot be used: {problem}", hint="set BROWNOUT_HOME to a folder that you may write"
        )
        self.folder, self.problem = folder, problem


class StackGone(WorldError):
    """The stack to attach to no longer runs; its holds ended with it."""


class CarrierGone(WorldError):
    """What kept the holds of a carrier has ended, as a dead proxy has, and the holds with it."""


class WorkerLost(BrownoutError):
    """A process that carried out a part of the work ended without an answer: it was killed, or its machine has gone."""


class Halted(BrownoutError):
    """Everything was halted by hand, so nothing is injected, and no run in a live world and no load begins or goes on."""

    def __init__(self, halt: str) -> None:
        super().__init__(halt, hint="`brownout halt --lift` allows faults, runs and loads again")


class LeftUnsafe(BrownoutError):
    """A fault could not be reverted."""

    exit_code = 5


class Defended(Exception):
    """The system under test refused the act, as a repaired system should; not a failure of the harness. `reason` quotes it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotProven(BrownoutError):
    """A fault of a test was not seen to work, or not until its end, so the test proves nothing. The fault is undone.

    `kind` is the fault's; the message says what was seen.
    """

    exit_code = 3

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"{kind}: {problem}", hint="what happened meanwhile proves nothing about this fault")
        self.kind = kind

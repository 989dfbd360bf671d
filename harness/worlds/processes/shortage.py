"""What the processes of a stack ran out of: looked at again and again while they run, and in their logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from brownout.harness.base.processes import ProcessId, children
from brownout.harness.base.resources.exhaustion import name_of, out_of_files, ran_out_of
from brownout.harness.world import Shortages


class ProcessShortages(Shortages):
    """Collects what was found so far; each process counts once.

    `logs` is the folder of the stack's logs, `parent` the parent of its processes.
    """

    def __init__(self, logs: Path, parent: ProcessId) -> None:
        self._logs, self._parent = logs, parent
        self._full: dict[int, str] = {}

    def look(self) -> None:
        """Counts the open files of the stack's parent and of its children."""
        for process in (self._parent, *children(self._parent.pid)):
            if process.pid not in self._full and (full := out_of_files(process.pid)):
                self._full[process.pid] = f"{name_of(process.pid)} of the stack had {full}"

    def found(self) -> tuple[str, ...]:
        """A sentence for each process that ran out of something, and for each log that says so."""
        return (*self._full.values(), *self._logged())

    def _logged(self) -> Iterator[str]:
        for log in sorted(self._logs.glob("*.log")):
            for what in ran_out_of(log.read_text(errors="replace")):
                yield f"{log.stem} of the stack ran out of {what}, as its log says"

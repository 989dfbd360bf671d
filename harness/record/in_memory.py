"""A run's record that stays in memory: of a run whose history is judged at once and kept by nothing, as in a search.

Law: `history` gives what `read_history` gives of the files that a Recorder writes for the same run. So each event passes
through its line of JSON as it does there, which also keeps it as it was at its moment, whatever becomes of its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brownout.harness.record.history import Event, History, RequestRecord, as_read, in_order, require_sound

NOWHERE = Path("/dev/null")  # in place of a folder: nothing can be written below it


class MemoryRecorder:
    """Records a run's history as `Recorder` does, without a file."""

    folder = NOWHERE

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._requests: list[RequestRecord] = []
        self._attempts: list[RequestRecord] = []
        self._told = 0

    def event(self, event: Event) -> None:
        """Raises TypeError and ValueError for an event that could not be read again."""
        self._events.append(as_read(event))

    def request(self, record: RequestRecord) -> None:
        self._requests.append(record)

    def attempt(self, record: RequestRecord) -> None:
        self._attempts.append(record)

    def flush(self) -> None:
        """Nothing waits to be written."""

    def new_requests(self) -> Sequence[RequestRecord]:
        """Those that were recorded since the last call, in the order in which they ended."""
        new = self._requests[self._told :]
        self._told = len(self._requests)
        return new

    def history(self) -> History:
        """Everything recorded so far; raises TypeError and ValueError for a request that could not be read again."""
        require_sound(self._requests)
        require_sound(self._attempts)
        return History(tuple(self._events), in_order(self._requests), in_order(self._attempts))

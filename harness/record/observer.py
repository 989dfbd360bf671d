"""What observes a run while it goes: its events as they are recorded, and nothing that the record does not have.

Law: an observer decides nothing and breaks nothing. It is told of an event after the event is in the record. One that raises
is left out from then on, with one line of warning. All that it may add to a run is the trace that requests to the user's own
application name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from brownout.harness.record.history import Event
from brownout.harness.record.result import Result


class RunObserver(Protocol):
    """Hears one run. No method may block for longer than it takes to note what it was told, except `end`, for seconds."""

    def begin(self, folder: Path) -> None:
        """The run begins; its header is in the folder."""
        ...

    def traceparent(self) -> str:
        """The W3C trace context of the run, once it has begun; "" where there is none to join."""
        ...

    def event(self, event: Event) -> None:
        """The event has just been recorded."""
        ...

    def end(self, result: Result | None) -> None:
        """The run is over; `result` is None where it could not be judged."""
        ...


class Observers:
    """Observers as one. `warn` prints a line."""

    def __init__(self, observers: Iterable[RunObserver], warn: Callable[[str], None]) -> None:
        self._observers, self._warn = list(observers), warn

    def begin(self, folder: Path) -> None:
        self._each(lambda one: one.begin(folder))

    def traceparent(self) -> str:
        """The first trace context that one of them has."""
        found: list[str] = []
        self._each(lambda one: found.append(one.traceparent()))
        return next(filter(None, found), "")

    def event(self, event: Event) -> None:
        self._each(lambda one: one.event(event))

    def end(self, result: Result | None) -> None:
        self._each(lambda one: one.end(result))

    def _each(self, act: Callable[[RunObserver], None]) -> None:
        for one in tuple(self._observers):
            try:
                act(one)
            except Exception as failed:  # whatever is wrong with telemetry, the run goes on
                self._observers.remove(one)
                self._warn(f"{type(one).__name__} hears no more of this run: {type(failed).__name__}: {failed}")

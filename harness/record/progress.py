"""The progress of a run: plain data, given to a sink that shows it (a terminal, a log, nothing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Status:
    """The current state of a run. `elapsed_s` and `total_s` are real seconds; `clock` is emulated UTC, such as `01:10`.

    `good` is the share of good requests per cohort in the last seconds, None without requests; `burn` the burn rate per
    alert; `p99_ms` network time. Rates are requests per real second. `message` is one line, shown once.
    """

    phase: str
    elapsed_s: float
    total_s: float
    clock: str
    offered_per_s: float = 0.0
    achieved_per_s: float = 0.0
    good: Mapping[str, float | None] = field(default_factory=dict)
    burn: Mapping[str, float] = field(default_factory=dict)
    p99_ms: float | None = None
    active: tuple[str, ...] = ()
    message: str | None = None


class ProgressSink(Protocol):
    """Shows the progress of a run. Neither method may raise because of the values that it gets."""

    def update(self, status: Status) -> None:
        """Takes the newest status; may be called as often as the caller likes."""
        ...

    def close(self) -> None:
        """Restores the terminal. May run twice."""
        ...

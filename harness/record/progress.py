"""What a run says about itself while it goes: plain data, handed to a sink that shows it (a terminal, a log, nothing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Status:
    """The run as it stands. `elapsed_s` and `total_s` are real seconds; `clock` is emulated UTC, such as `01:10`.

    `good` is the share of good requests per cohort of late, None where the cohort had none; `burn` the burn rate per
    alert; `p99_ms` network time. Rates are requests per real second. `message` is one line to keep, shown once.
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
    """Where a run's progress goes. Neither method may raise for what it is told."""

    def update(self, status: Status) -> None:
        """Takes the newest status; may be called as often as the caller likes."""
        ...

    def close(self) -> None:
        """Leaves the terminal as it was found. May run twice."""
        ...

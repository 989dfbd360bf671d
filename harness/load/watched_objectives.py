"""The objectives that a load counts while it runs, as plain data for every worker.

A worker decides per request which objectives it belongs to and whether it was good, so the counts of any number of workers
add up. These figures are for the dashboard; verdicts come from the log.
"""

from __future__ import annotations

from pydantic import Field

from brownout.harness.base.models import FrozenModel
from brownout.harness.record.selection import LATE_S


class WatchedObjective(FrozenModel):
    """One objective: which requests (empty lists mean all), when one is good, and how many must be.

    `windows` are the emulated times over which it is judged, `[start, end)` each; without any it is judged over the last
    `Watch.span_s`.
    """

    name: str
    description: str = ""
    target: float
    cohorts: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    within_ms: float | None = None
    windows: tuple[tuple[float, float], ...] = ()

    def covers(self, intended_s: float) -> bool:
        """Whether a request of that time is judged."""
        return not self.windows or any(start_s <= intended_s < end_s for start_s, end_s in self.windows)


class Watch(FrozenModel):
    """All that is watched. `span_s` is in real seconds, `phases` in emulated ones: name, start, end.

    A request that left more than `late_s` of real time after its time is doubtful (`record.selection.Lateness`).
    """

    title: str = ""
    objectives: tuple[WatchedObjective, ...] = ()
    phases: tuple[tuple[str, float, float], ...] = ()
    confidence: float = 0.95
    late_s: float = LATE_S
    span_s: float = Field(300.0, gt=0)

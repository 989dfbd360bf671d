"""The phases of an experiment as windows of time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from brownout.harness.experiment.model import PHASES, Timeline


@dataclass(frozen=True, slots=True)
class PhaseWindow:
    """One phase in emulated epoch seconds, [start_s, end_s)."""

    name: str
    start_s: float
    end_s: float


def phase_windows(timeline: Timeline) -> tuple[PhaseWindow, ...]:
    """The five phases in order, each starting where the one before ends."""
    midnight_s = timeline.epoch_s()
    fault_s, recovery_s = midnight_s + timeline.fault, midnight_s + timeline.recovery
    borders = (
        midnight_s + timeline.baseline,
        fault_s,
        fault_s + timeline.edge_s,
        recovery_s,
        recovery_s + timeline.edge_s,
        midnight_s + timeline.end,
    )
    return tuple(PhaseWindow(name, *span) for name, span in zip(PHASES, pairwise(borders), strict=True))

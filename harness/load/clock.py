"""The two clocks of a load: emulated seconds, in which plans and records are written, and the monotonic clock that
waits.

A plan carries the conversion as `clock = {"epoch_s", "monotonic_s", "rate"}`: at monotonic time `monotonic_s` it was
`epoch_s`, and `rate` emulated seconds pass per real one. Every process of a machine shares that monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EmulatedClock:
    """Converts between emulated epoch seconds and this machine's monotonic seconds."""

    epoch_s: float
    monotonic_s: float
    rate: float

    @classmethod
    def of(cls, clock: Mapping[str, float]) -> EmulatedClock:
        """From a plan's `clock`; raises ValueError when a part is missing or time would not advance."""
        missing = sorted({"epoch_s", "monotonic_s", "rate"} - set(clock))
        if missing or clock["rate"] <= 0:
            problem = f"lacks {', '.join(missing)}" if missing else "needs a rate above zero"
            raise ValueError(f"the plan's clock {problem}")
        return cls(clock["epoch_s"], clock["monotonic_s"], clock["rate"])

    def monotonic_at(self, emulated_s: float) -> float:
        """When, in monotonic seconds, emulated time is `emulated_s`."""
        return self.monotonic_s + (emulated_s - self.epoch_s) / self.rate

    def emulated_at(self, monotonic_s: float) -> float:
        """Emulated epoch seconds at monotonic time `monotonic_s`."""
        return self.epoch_s + (monotonic_s - self.monotonic_s) * self.rate

    def now(self) -> float:
        """Emulated epoch seconds now."""
        return self.emulated_at(time.monotonic())

"""The stack's clock: emulated time as a function of the machine's monotonic clock.

CLOCK_MONOTONIC is one clock for all processes of a machine, so two processes that are given the same three numbers
agree on emulated time to the microsecond, with no messages and whatever happens to the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Emulated epoch `epoch_s` was at monotonic time `monotonic_s`; `rate` emulated seconds pass per real one."""

    epoch_s: float
    monotonic_s: float
    rate: float

    @classmethod
    def starting_now(cls, epoch_s: float, rate: float) -> Clock:
        """A clock that shows `epoch_s` now; raises ValueError for a rate that is not positive."""
        if not rate > 0:
            raise ValueError(f"a clock's rate is above 0, not {rate!r}")
        return cls(epoch_s, time.monotonic(), rate)

    def now(self) -> float:
        """Emulated epoch seconds."""
        return self.epoch_s + (time.monotonic() - self.monotonic_s) * self.rate

    def real_s(self, duration_s: float) -> float:
        """Real seconds that `duration_s` emulated seconds take; never negative."""
        return max(0.0, duration_s / self.rate)

    def to_record(self) -> Mapping[str, float]:
        return asdict(self)

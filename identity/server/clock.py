"""The stack's clock: emulated time as a function of the machine's monotonic clock.

CLOCK_MONOTONIC is one clock for all processes of a machine, so two processes that are given the same three numbers agree on
emulated time to the microsecond, without messages and whatever happens to the wall clock. Nodes, worlds, the load and its
canaries all convert with this class; plans and stack files carry its record.
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

    @classmethod
    def from_record(cls, record: Mapping[str, float]) -> Clock:
        """The clock of `to_record`; raises ValueError when a number is missing or time would not advance."""
        missing = sorted({"epoch_s", "monotonic_s", "rate"} - set(record))
        if missing or not record["rate"] > 0:
            problem = f"lacks {', '.join(missing)}" if missing else "needs a rate above zero"
            raise ValueError(f"the stack's clock {problem}")
        return cls(record["epoch_s"], record["monotonic_s"], record["rate"])

    def to_record(self) -> Mapping[str, float]:
        """`epoch_s`, `monotonic_s` and `rate`, as another process of this machine needs them."""
        return asdict(self)

    def now(self) -> float:
        """Emulated epoch seconds."""
        return self.epoch_s + (time.monotonic() - self.monotonic_s) * self.rate

    def emulated_at(self, monotonic_s: float) -> float:
        """Emulated epoch seconds at monotonic time `monotonic_s`."""
        return self.epoch_s + (monotonic_s - self.monotonic_s) * self.rate

    def monotonic_at(self, emulated_s: float) -> float:
        """The monotonic time at which the clock shows `emulated_s`."""
        return self.monotonic_s + (emulated_s - self.epoch_s) / self.rate

    def real_s(self, duration_s: float) -> float:
        """Real seconds that `duration_s` emulated seconds take; never negative."""
        return max(0.0, duration_s / self.rate)

"""Admission: a node that was taken out of traffic gets it back little by little.

An overloaded node does not recover while it is asked for more than it can do. So operators take its traffic away, let it
come to itself, and let back in a share that grows. What is not let in is refused at once and waits nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Self

from brownout.identity.core.holds import Value


@dataclass(frozen=True, slots=True)
class Ramp:
    """Nothing is let in for `closed_s` from `from_s` on, then `share` of the requests, growing to all within `ramp_s`.

    `from_s` is emulated epoch seconds by the node's clock, the others are durations.
    """

    from_s: float
    closed_s: float
    share: float
    ramp_s: float

    @classmethod
    def of(cls, value: Value, *, now_s: float) -> Self:
        """The ramp in a switch's value, beginning now unless it has begun before; raises ValueError."""
        numbers = {name: float(value.get(name, 0.0)) for name in ("closed_s", "share", "ramp_s")}
        made = cls(float(value.get("from_s", now_s)), **numbers)
        if not (0 <= made.share <= 1 and made.closed_s >= 0 and made.ramp_s >= 0 and isfinite(made.closed_s + made.ramp_s)):
            raise ValueError("share is from 0 to 1, closed_s and ramp_s are seconds")
        return made

    def admits(self, now_s: float) -> float:
        """The share of requests that is let in at that time."""
        open_s = now_s - self.from_s - self.closed_s
        if open_s < 0:
            return 0.0
        if open_s >= self.ramp_s:
            return 1.0
        return self.share + (1 - self.share) * open_s / self.ramp_s


class Turnstile:
    """Lets a share of what comes pass, evenly and without chance: of a hundred requests at a quarter, each fourth."""

    def __init__(self) -> None:
        self._credit = 0.0

    def lets_in(self, share: float) -> bool:
        """Whether the next request is one of the share."""
        self._credit += share
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        assert 0 <= self._credit <= 1, "what is left over is less than a request"
        return True

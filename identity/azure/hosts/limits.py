"""The limits that IMDS puts on one machine's token requests: so many in a second, so many at once.

Off unless the settings name them: a harness's load has few machines that ask more often than real ones do.
Wire facts: docs/reference/azure-wire.md#imds-errors.
"""

from __future__ import annotations

from collections import defaultdict, deque

WINDOW_S = 1.0


class TokenLimits:
    """Counts one host's token requests by machine. A limit of 0 is none."""

    def __init__(self, *, per_s: float, at_once: float) -> None:
        assert min(per_s, at_once) >= 0, (per_s, at_once)
        self._per_s, self._at_once = per_s, at_once
        self._begun_s: defaultdict[str, deque[float]] = defaultdict(deque)
        self._under_way: defaultdict[str, int] = defaultdict(int)

    @property
    def are_set(self) -> bool:
        return self._per_s > 0 or self._at_once > 0

    def begin(self, machine: str, now_s: float) -> bool:
        """True when the machine may ask now; each True is to be followed by `end`. A refused request does not count."""
        recent = self._begun_s[machine]
        while recent and recent[0] <= now_s - WINDOW_S:
            recent.popleft()
        too_often = self._per_s > 0 and len(recent) >= self._per_s
        too_many = self._at_once > 0 and self._under_way[machine] >= self._at_once
        if too_often or too_many:
            return False
        recent.append(now_s)
        self._under_way[machine] += 1
        return True

    def end(self, machine: str) -> None:
        self._under_way[machine] -= 1
        assert self._under_way[machine] >= 0, "what ends has begun"

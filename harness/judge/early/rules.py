"""When a run is to end early, as the system is broken where no fault explains it: pure rules over requests that have ended.

Two rules, each asked again and again (harness/run/stop_watch.py):

- `BaselineRule`: in the baseline an objective is missed so clearly that no run follows from it. Two things must agree. By the
  sequential test chance does not explain it; and the baseline's own gate, steady-state, cannot pass any more, at the rate of
  requests so far, were all that follow good. The second makes it safe to be on for every run: a burst of failures that
  the whole baseline would outweigh ends no run, though the requests of a burst are not independent.
- `OutageRule`: for a while most requests of an objective were bad, with no fault in place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from brownout.harness.base.stats import budget, percent
from brownout.harness.judge.early.sequential import RISK, is_worse

LEAST_REQUESTS = 20


@dataclass(slots=True)
class BaselineRule:
    """Over the requests of one objective in the first part of a baseline that lasts `length_s`; `tests` rules run beside it."""

    name: str
    target: float
    length_s: float
    tests: int = 1
    total: int = 0
    bad: int = 0

    def add(self, *, good: bool) -> None:
        self.total += 1
        self.bad += not good

    def broken(self, elapsed_s: float) -> str:
        """Why the run is to end, given how much of the baseline the requests so far are of; "" while it goes on."""
        allowed = budget(self.target)
        if self.total < LEAST_REQUESTS or not is_worse(self.bad, self.total, allowed, tests=self.tests):
            return ""
        expected = self.total * max(1.0, self.length_s / elapsed_s)
        if self.bad <= round(allowed * expected, 6):
            return ""
        seen = f"{self.name}: {percent(1 - self.bad / self.total)} of {self.total:,} requests of the baseline were good"
        return (
            f"{seen}, target {percent(self.target)}; by the sequential test the system is worse (error at most {percent(RISK)})"
        )


@dataclass(slots=True)
class OutageRule:
    """Over the last `for_s` of an objective's requests, and over LEAST_REQUESTS of them where these are fewer."""

    name: str
    bad_share: float
    for_s: float
    _recent: deque[tuple[float, bool]] = field(default_factory=deque)  # when it was meant to be sent, and whether it was bad
    _bad: int = 0

    def restart(self) -> None:
        """Forgets what was before a fault."""
        self._recent.clear()
        self._bad = 0

    def add(self, at_s: float, *, good: bool) -> None:
        self._recent.append((at_s, not good))
        self._bad += not good

    def broken(self, since_s: float, until_s: float) -> str:
        """Why the run is to end, when every request of [since_s, until_s) was added; "" while it goes on."""
        while len(self._recent) > LEAST_REQUESTS and self._recent[0][0] < until_s - self.for_s:
            self._bad -= self._recent.popleft()[1]
        total = len(self._recent)
        if total < LEAST_REQUESTS or until_s - since_s < self.for_s or self._bad <= self.bad_share * total:
            return ""
        share = percent(1 - self._bad / total)
        return f"{self.name}: {share} of the last {total:,} requests were good, with no fault in place"

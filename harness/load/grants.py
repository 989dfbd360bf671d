"""Who sends which arrivals, when several workers share one plan.

Theory. The plan's time is handed out in slices, always some seconds ahead of the clock and never twice. In each slice
every worker that is a member has one residue: arrivals whose index leaves remainder `position` when divided by `of`. Every
worker knows the whole plan, so a slice and a residue say it all. A worker that joins gets part of the slices to come. One
that is lost leaves undone what it had been granted and nothing else, and one that is cut off runs out of grants by
itself. So shares never overlap, whatever becomes of messages and processes; what was left out is known, because the
master counts the arrivals of every slice itself (brownout.harness.load.dashboard_stats).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from brownout.harness.load.arrivals import LoadPlan, arrivals
from brownout.harness.load.models.model import Arrival


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to send the arrivals of [from_s, until_s), emulated, whose index modulo `of` is `position`."""

    from_s: float
    until_s: float
    position: int
    of: int

    def has(self, arrival: Arrival) -> bool:
        return self.from_s <= arrival.at_s < self.until_s and arrival.number % self.of == self.position


EVERYTHING = Grant(-math.inf, math.inf, 0, 1)


class Schedule:
    """A worker's arrivals in order of time, as far as they were granted."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._grants: deque[Grant] = deque()
        self._arrivals: Iterator[Arrival] = iter(())
        self._next: Arrival | None = None
        self._begun = False

    def grant(self, grant: Grant) -> None:
        """Takes a further slice, later than all before."""
        self._grants.append(grant)

    @property
    def finished(self) -> bool:
        """True when the plan has no more arrivals."""
        return self._begun and self._next is None

    def take_before(self, until_s: float) -> Arrival | None:
        """Our next arrival before `until_s`; None when there is none, or none has been granted yet."""
        if not self._begun and not self._begin():
            return None
        while (found := self._next) is not None and found.at_s < until_s:
            while self._grants and self._grants[0].until_s <= found.at_s:
                self._grants.popleft()
            if not self._grants:
                return None
            self._advance()
            if self._grants[0].has(found):
                return found
        return None

    def skip_to(self, at_s: float) -> None:
        """Drops every arrival before `at_s`."""
        while self.take_before(at_s) is not None:
            continue

    def _begin(self) -> bool:
        """Looks up where the first grant begins in the plan; False while there is none."""
        if not self._grants:
            return False
        self._begun = True
        self._arrivals = arrivals(self._plan, after_s=self._grants[0].from_s)
        self._advance()
        return True

    def _advance(self) -> None:
        self._next = next(self._arrivals, None)


class Granter:
    """Hands a plan's time out, `ahead_s` emulated seconds ahead of the clock."""

    def __init__(self, plan: LoadPlan, ahead_s: float) -> None:
        self._plan, self._ahead_s = plan, ahead_s
        self._waits = plan.block_s is not None
        self.granted_s = -math.inf  # until when everything has been handed out

    def hand_out(self, members: Sequence[str], now_s: float) -> Mapping[str, Grant]:
        """The next slice, shared between the members; nothing when there is nobody or nothing left to share.

        While there is nobody, the time of a plan that begins when its generator is ready is not handed out; that of any
        other waits for whoever comes.
        """
        until_s = min(self._plan.end_s, now_s + self._ahead_s)
        from_s = max(self.granted_s, now_s) if self._waits else self.granted_s
        if not members or until_s <= from_s:
            return {}
        self.granted_s = until_s
        return {member: Grant(from_s, until_s, position, len(members)) for position, member in enumerate(members)}

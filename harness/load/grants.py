"""Grants: which worker sends which arrivals when several workers share one plan.

Theory. The master hands the plan's time out in slices, some seconds ahead of the clock and never twice. Within a slice each
member worker gets one residue: the arrivals whose index modulo `of` is `position`. Every worker knows the whole plan, so a
slice and a residue identify its arrivals. From this follows:

- A worker that joins gets a share of later slices.
- A worker that is lost leaves out what it was granted, and nothing else. A worker that is cut off runs out of grants.
- Shares never overlap, even if messages or processes are lost.
- The arrivals left out are known: the master counts those of every slice itself (brownout.harness.load.dashboard_stats).
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
    """Permission to send the arrivals in [from_s, until_s), emulated, whose index modulo `of` is `position`."""

    from_s: float
    until_s: float
    position: int
    of: int

    def has(self, arrival: Arrival) -> bool:
        return self.from_s <= arrival.at_s < self.until_s and arrival.number % self.of == self.position


EVERYTHING = Grant(-math.inf, math.inf, 0, 1)


class Schedule:
    """A worker's own arrivals in order of time, up to the end of its last grant."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._grants: deque[Grant] = deque()
        self._arrivals: Iterator[Arrival] = iter(())
        self._next: Arrival | None = None
        self._begun = False

    def grant(self, grant: Grant) -> None:
        """Adds a slice, which must be later than all slices before it."""
        self._grants.append(grant)

    @property
    def finished(self) -> bool:
        """True when the plan has no more arrivals."""
        return self._begun and self._next is None

    def take_before(self, until_s: float) -> Arrival | None:
        """The worker's next arrival before `until_s`; None when there is none, or none has been granted yet."""
        if not self._begun and not self._begin():
            return None
        # Both the plan's arrivals and the grants are in order of time, so one pass over the two finds every match.
        while (found := self._next) is not None and found.at_s < until_s:
            while self._grants and self._grants[0].until_s <= found.at_s:
                self._grants.popleft()
            if not self._grants:
                return None  # not consumed: a later grant may give this arrival to this worker
            self._advance()
            if self._grants[0].has(found):
                return found
        return None

    def skip_to(self, at_s: float) -> None:
        """Drops every arrival before `at_s`."""
        while self.take_before(at_s) is not None:
            continue

    def _begin(self) -> bool:
        """Positions the plan at the start of the first grant; False while there is no grant."""
        if not self._grants:
            return False
        self._begun = True
        self._arrivals = arrivals(self._plan, after_s=self._grants[0].from_s)
        self._advance()
        return True

    def _advance(self) -> None:
        self._next = next(self._arrivals, None)


class Granter:
    """Hands out the plan's time, up to `ahead_s` emulated seconds ahead of the clock."""

    def __init__(self, plan: LoadPlan, ahead_s: float) -> None:
        self._plan, self._ahead_s = plan, ahead_s
        self._waits = plan.block_s is not None
        self.granted_s = -math.inf  # until when everything has been handed out

    def hand_out(self, members: Sequence[str], now_s: float) -> Mapping[str, Grant]:
        """The next slice by member, each with its residue; empty without members, or with no time left to hand out.

        Time that passes without members is skipped in a plan made in blocks (a load by hand). In any other plan it is handed
        out to the first members, and its arrivals are logged as late.
        """
        until_s = min(self._plan.end_s, now_s + self._ahead_s)
        from_s = max(self.granted_s, now_s) if self._waits else self.granted_s
        if not members or until_s <= from_s:
            return {}
        self.granted_s = until_s
        return {member: Grant(from_s, until_s, position, len(members)) for position, member in enumerate(members)}

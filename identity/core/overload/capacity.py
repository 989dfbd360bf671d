"""A node's capacity: what it works on, what waits for that, and what it refuses.

Theory. A node without limits takes no notice of this. One with limits works on `at_once` requests; each keeps its place
until it is answered, also while it waits for another node, as a thread would. More wait in order of arrival. A queue that is
longer than clients wait makes the node busy with requests whose clients have gone, and when those try again, their load stays
above what the node can do after the surge that began it is over: a metastable failure. None of that is written here; it
follows from a queue, from clients' patience and from how often they try again. It ends when requests are refused early
(`shed_s`), when those that are too old are refused (`give_up_s`), or when less is let in (core/overload/admission.py).

How real services and clients do it: docs/reference/overload.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from brownout.identity.core.holds import HoldSet, Switch, Value
from brownout.identity.core.messages import Request
from brownout.identity.core.overload.admission import Ramp, Turnstile
from brownout.identity.core.overload.limits import Limits, Work
from brownout.identity.core.ports import Ports, Signal
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Overloaded, Served, Surface, overloaded
from brownout.identity.core.trail import Hop

CAPACITY, ADMIT = "capacity", "admit"  # switches of every node
LEARNING = 0.2  # how much the latest request counts in what one takes on average


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request in the queue. `is_refused` when its turn came too late."""

    signal: Signal
    since_s: float
    is_refused: bool = False


class NodeCapacity:
    """What one node can do, and does. `on` is false for a node without limits, which need not be asked anything."""

    def __init__(self, role: str, configured: Json, ports: Ports, holds: HoldSet, *, stays_closed: bool = False) -> None:
        """`stays_closed` is a bug (core/planted.py)."""
        self._role, self._ports, self._holds = role, ports, holds
        self._stays_closed = stays_closed
        self._configured = self.limits = Limits.of(configured, role)
        self._ramps: tuple[Ramp, ...] = ()
        self._turnstile = Turnstile()
        self._queue: deque[_Waiting] = deque()
        self._in_work = 0
        self._typical_s = 0.0  # what a request takes from its turn to its answer, as of late
        self._refused = {"full": 0, "late": 0, "shed": 0, "closed": 0}
        self.on = self.limits.are_set
        holds.add({CAPACITY: Switch(self._limit, self._unlimit), ADMIT: Switch(self._admit, self._unlimit)})

    def settle(self) -> None:
        """Takes the limits and the admission that all holds together say; of two the newer one wins, of ramps the lower."""
        limits = self._configured
        for value in self._holds.held(CAPACITY):
            limits = limits.changed(value, self._role)
        self._ramps = tuple(Ramp.of(value, now_s=self._ports.now()) for value in self._holds.held(ADMIT))
        self.limits = limits
        self.on = limits.are_set or bool(self._ramps) or self._is_stuck
        self._begin_waiting()

    async def _limit(self, fault_id: str, value: Value) -> Value:
        self._configured.changed(value, self._role)  # raises for what is no limit, before anything changes
        self.settle()
        return self._shown()

    async def _admit(self, fault_id: str, value: Value) -> Value:
        ramp = Ramp.of(value, now_s=self._ports.now())
        await self._holds.decide(fault_id, from_s=ramp.from_s)
        self.settle()
        return self._shown()

    async def _unlimit(self, fault_id: str, value: Value) -> None:
        self.settle()

    async def within(
        self, request: Request, hop: Hop, serve: Callable[[], Awaitable[Served]], surfaces: Iterable[Surface] = ()
    ) -> Served:
        """The answer of `serve` once the request's turn has come; else why it is refused, as the surface that takes it says."""
        refusal = await self.begin()
        if refusal is not None:
            return Served(overloaded(surfaces, request, refusal), hop)
        begun_s = self._ports.now()
        try:
            await self.work("request")
            return await serve()
        finally:
            self.end(begun_s)

    async def begin(self) -> Overloaded | None:
        """Returns None once the request's turn has come, to be followed by `end`; else why it is refused."""
        limits, admitted = self.limits, self.admitted_share
        if admitted < 1.0 and not self._turnstile.lets_in(admitted):
            return self._refuse("closed", f"admission is at {admitted:.0%}")
        if limits.at_once and self._in_work >= limits.at_once:
            if len(self._queue) >= limits.queue:
                return self._refuse("full", f"{limits.queue} requests wait already")
            if limits.shed_s and self._expected_wait_s() > limits.shed_s:
                return self._refuse("shed", f"the wait would be longer than {limits.shed_s:g} s")
            waiting = _Waiting(self._ports.signal(), self._ports.now())
            self._queue.append(waiting)
            # `_begin_waiting` counts it in before it gives the signal, so that no newcomer takes the place in between.
            await waiting.signal.wait()
            if waiting.is_refused:
                return self._refuse("late", f"its turn came after more than {self.limits.patience_s:g} s")
        else:
            self._in_work += 1
        assert self._in_work > 0, "what has begun is in work"
        return None

    async def work(self, kind: Work) -> None:
        """Takes as long as that kind of work does."""
        duration_s = self.limits.work_s.get(kind, 0.0)
        if duration_s:
            await self._ports.sleep(duration_s)

    def end(self, begun_s: float) -> None:
        """The request that began at `begun_s` is answered, or its node gave it up: the next one's turn has come."""
        self._in_work -= 1
        assert self._in_work >= 0, "what ends has begun"
        self._typical_s += LEARNING * (self._ports.now() - begun_s - self._typical_s)
        self._begin_waiting()

    @property
    def admitted_share(self) -> float:
        """The share of requests that is let in now."""
        if self._is_stuck:
            return 0.0
        now_s = self._ports.now()
        return min((ramp.admits(now_s) for ramp in self._ramps), default=1.0)

    @property
    def _is_stuck(self) -> bool:
        is_open = not self.limits.are_set and not self._ramps
        return self._stays_closed and is_open and sum(self._refused.values()) > 0

    def _begin_waiting(self) -> None:
        """Gives free places to those that wait; the ones that waited for too long are told so and take none."""
        limits, now_s = self.limits, self._ports.now()
        while self._queue and (not limits.at_once or self._in_work < limits.at_once):
            first = self._queue.popleft()
            first.is_refused = now_s - first.since_s > limits.patience_s
            self._in_work += not first.is_refused
            first.signal.give()
        assert not self._queue or self._in_work >= limits.at_once > 0, "no request waits while there is a free place"

    def _expected_wait_s(self) -> float:
        return (len(self._queue) + 1) * self._typical_s / self.limits.at_once

    def _refuse(self, why: str, words: str) -> Overloaded:
        self._refused[why] += 1
        assert sum(self._refused.values()) > 0, "refusals are counted"
        return Overloaded(self.limits.status, f"the service is busy: {words}", self.limits.retry_after_s)

    def state(self) -> dict[str, Any]:
        """What a node that has limits shows of them, in `GET /admin/state`."""
        return {CAPACITY: self._shown()} if self.on else {}

    def _shown(self) -> dict[str, Any]:
        limits = self.limits
        asked = {"at_once": limits.at_once, "queue": limits.queue, "work_s": dict(limits.work_s), "shed_s": limits.shed_s}
        moving = {"in_work": self._in_work, "queued": len(self._queue), "refused": dict(self._refused)}
        return asked | {"give_up_s": limits.give_up_s, "admitted_share": round(self.admitted_share, 4)} | moving

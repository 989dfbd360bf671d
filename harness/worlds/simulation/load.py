"""The load inside the simulation: the plan's arrivals on the virtual clock, through the same client models.

A client's script is driven from one call to the next by the end of that call, without a coroutine of its own: most clients
make one call, and there are many of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from brownout.harness.load.arrivals import LoadPlan, arrivals, planned_count
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients, Pause, unanswered
from brownout.harness.load.playing import Playing, attempt_record, begin, to_record
from brownout.harness.record.history import RequestSink
from brownout.harness.worlds.simulation.kernel import NS_PER_S, Future, Kernel
from brownout.identity.core.messages import CallFailed, Request, Response


class Client(Protocol):
    def __call__(self, node: str, request: Request, *, timeout_s: float) -> Future[Response]: ...


class _UnderWay:
    """An arrival that was sent at `sent_s`, gives up at `gives_up_s` (emulated) and has not ended; `playing` is its script."""

    __slots__ = ("arrival", "gives_up_s", "playing", "sent_s")

    def __init__(self, arrival: Arrival, sent_s: float, gives_up_s: float) -> None:
        self.arrival, self.sent_s, self.gives_up_s = arrival, sent_s, gives_up_s
        self.playing: Playing | None = None  # until it has begun


class SimulatedLoad:
    """LoadHandle on the virtual clock."""

    def __init__(self, kernel: Kernel, client: Client, plan: LoadPlan, recorder: RequestSink) -> None:
        self._kernel, self._client, self._plan, self._recorder = kernel, client, plan, recorder
        self._clients = Clients(plan.account, plan.seed)
        self._deadline_s = plan.deadline_ms / 1000
        self._planned = sum(planned_count(plan, cohort) for cohort in plan.cohorts)
        self._issued = self._under_way = 0
        self._stopping = False
        self._idle: Future[None] = Future(kernel)
        self._schedule = arrivals(plan)
        self._coming: Arrival | None = None
        self._next()

    def _next(self) -> None:
        """Schedules one arrival at a time: a plan of days stays as small as its next request."""
        arrival = self._coming = next(self._schedule, None)
        if arrival is None or self._stopping:
            self._check_idle(done=True)
            return
        self._kernel.at(round(arrival.at_s * NS_PER_S), self._arrive)

    def _arrive(self) -> None:
        arrival = self._coming
        if self._stopping or arrival is None:
            return
        self._issued += 1
        self._under_way += 1
        sent_s = self._kernel.now_s()
        self._play(_UnderWay(arrival, sent_s, sent_s + self._deadline_s), sent_s, None)
        self._next()

    def _play(self, client: _UnderWay, now_s: float, response: Response | CallFailed | None) -> None:
        """Plays the client's script as far as its next call, whose end goes on from here, or to its own end."""
        try:
            if client.playing is None:
                client.playing = begin(client.arrival, self._clients, now_s, self._kernel.now_s)
            step = client.playing.next(response)
            if isinstance(step, Call):
                self._call(client, step, now_s)
                return
            if isinstance(step, Pause):
                self._pause(client, step, now_s)
                return
            self._record(client, step, now_s)
        except Exception as failure:
            self._kernel.surface(failure)
        self._ended()  # also after a client model that failed: it must not keep `stop` waiting

    def _ended(self) -> None:
        self._under_way -= 1
        if self._stopping:
            self._check_idle(done=True)

    def _call(self, client: _UnderWay, call: Call, sent_s: float) -> None:
        answer = self._client(call.node, call.request, timeout_s=max(0.0, client.gives_up_s - sent_s))
        if call.attempt:
            answer.when_done(lambda: self._record_attempt(client.arrival, call, sent_s, answer.ended()))
        answer.when_done(lambda: self._play(client, self._kernel.now_s(), answer.ended()))

    def _pause(self, client: _UnderWay, pause: Pause, now_s: float) -> None:
        """Waits; a client whose deadline comes first gives up then."""
        left_s = max(0.0, client.gives_up_s - now_s)
        if pause.duration_s < left_s:
            self._kernel.after(pause.duration_s, lambda: self._play(client, self._kernel.now_s(), None))
        else:
            self._kernel.after(left_s, lambda: self._give_up(client))

    def _give_up(self, client: _UnderWay) -> None:
        self._record(client, unanswered(CallFailed("timeout", client.arrival.region)), self._kernel.now_s())
        self._ended()

    def _record_attempt(self, arrival: Arrival, call: Call, sent_s: float, answer: Response | CallFailed) -> None:
        done_s = self._kernel.now_s()
        record = attempt_record(arrival, call, answer, sent_s=sent_s, done_s=done_s, latency_ms=(done_s - sent_s) * 1000)
        self._recorder.attempt(record)

    def _record(self, client: _UnderWay, result: ArrivalResult, done_s: float) -> None:
        arrival = client.arrival
        latency_ms = (done_s - arrival.at_s) * 1000
        self._recorder.request(to_record(arrival, result, sent_s=client.sent_s, done_s=done_s, latency_ms=latency_ms))

    def _check_idle(self, *, done: bool) -> None:
        if done and self._under_way == 0:
            self._idle.resolve(None)

    async def stop(self) -> None:
        self._stopping = True
        self._check_idle(done=True)
        await self._idle
        self._recorder.flush()

    def gauges(self) -> Mapping[str, float]:
        due = self._planned if not self._stopping else self._issued
        return {"planned": float(due), "issued": float(self._issued), "lag_p99_ms": 0.0, "cpu_share": 0.0}

    def problems(self) -> tuple[str, ...]:
        return ()

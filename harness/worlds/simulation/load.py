"""The load inside the simulation: the plan's arrivals as coroutines on the virtual clock, through the same client models."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol

from brownout.harness.load.arrivals import LoadPlan, arrivals, planned_count
from brownout.harness.load.models.model import Arrival, Clients
from brownout.harness.load.models.playing import begin, perform, to_record
from brownout.harness.record.history import Recorder
from brownout.harness.worlds.simulation.kernel import NS_PER_S, Future, Kernel
from brownout.identity.core.messages import Request, Response


class Client(Protocol):
    def __call__(self, node: str, request: Request, *, timeout_s: float) -> Awaitable[Response]: ...


class SimulatedLoad:
    """LoadHandle on the virtual clock."""

    def __init__(self, kernel: Kernel, client: Client, plan: LoadPlan, recorder: Recorder) -> None:
        self._kernel, self._client, self._plan, self._recorder = kernel, client, plan, recorder
        self._clients = Clients(plan.account)
        self._deadline_s = plan.deadline_ms / 1000
        self._planned = sum(planned_count(plan, cohort) for cohort in plan.cohorts)
        self._issued = self._under_way = 0
        self._stopping = False
        self._idle: Future[None] = Future(kernel)
        self._schedule = arrivals(plan)
        self._next()

    def _next(self) -> None:
        """Schedules one arrival at a time: a plan of days stays as small as its next request."""
        arrival = next(self._schedule, None)
        if arrival is None or self._stopping:
            self._check_idle(done=True)
            return
        self._kernel.at(round(arrival.at_s * NS_PER_S), lambda: self._arrive(arrival))

    def _arrive(self, arrival: Arrival) -> None:
        if self._stopping:
            return
        self._issued += 1
        self._under_way += 1
        self._kernel.begin(self._perform(arrival))
        self._next()

    async def _perform(self, arrival: Arrival) -> None:
        sent_s = self._kernel.now_s()
        deadline_s = sent_s + self._deadline_s

        def call(node: str, request: Request) -> Awaitable[Response]:
            return self._client(node, request, timeout_s=max(0.0, deadline_s - self._kernel.now_s()))

        try:
            result = await perform(begin(arrival, self._clients, sent_s), call)
            done_s = self._kernel.now_s()
            latency_ms = (done_s - arrival.at_s) * 1000
            self._recorder.request(to_record(arrival, result, sent_s=sent_s, done_s=done_s, latency_ms=latency_ms))
        finally:  # a client model that fails must not keep `stop` waiting for it
            self._under_way -= 1
            self._check_idle(done=self._stopping)

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

"""The open-loop engine: one absolute schedule, one greenlet per arrival, one line per arrival.

The schedule never waits for an answer, so a service that stalls meets every arrival that the plan holds for that
time, and latency counts from the intended moment. What cannot be sent in time because the generator itself was held
up is written down as late. Which arrivals are this worker's is decided by what it is granted (harness.load.grants), so any
number of workers issue each arrival exactly once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import gevent
from gevent.event import Event

from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.clock import EmulatedClock
from brownout.harness.load.grants import Grant, Schedule
from brownout.harness.load.heartbeat import Heartbeat, State
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients
from brownout.harness.load.models.playing import Playing, begin, to_record
from brownout.harness.load.tail import PART_BYTES
from brownout.harness.load.tally import Report, Tally
from brownout.harness.record.history import to_line
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.suites.load.meter import LineFile, Meter

LATE = "late"
GENERATOR_FAULT = "generator-fault"
_BURST = 50
_PATIENCE_S = 1.0
_LOOK_S = 0.2
_MOST_TRACEBACKS = 20

Told = Callable[[Arrival, ArrivalResult, float], None]
Sender = Callable[[str, Request, float], Response]


class Engine:
    """Issues one worker's share of a plan and records what became of it.

    `send(node, request, timeout_s)` is the transport; `tell(arrival, answer, latency_ms)` is told of every end.
    """

    def __init__(self, plan: LoadPlan, folder: Path, worker: int, send: Sender, tell: Told) -> None:
        self._plan, self._worker, self._send, self._tell = plan, worker, send, tell
        self._clock = EmulatedClock.of(plan.clock)
        self._deadline_s = plan.deadline_ms / 1000
        self._clients = Clients(plan.account)
        part_bytes = None if plan.block_s is None else PART_BYTES
        self._log = LineFile(folder / f"requests-{worker}.jsonl", part_bytes=part_bytes)
        self._beats = LineFile(folder / f"load-{worker}.jsonl", part_bytes=part_bytes)
        self._meter, self._tally = Meter(), Tally(plan)
        self._reports = 0
        self._schedule = Schedule(plan)
        self._next: Arrival | None = None
        self._issuing = False
        self._stopping = Event()
        self._pending: set[gevent.Greenlet] = set()
        self._state: State = "starting"

    def grant(self, grant: Grant) -> None:
        """Takes leave to issue a further slice of the plan."""
        self._schedule.grant(grant)

    def run(self) -> None:
        """Issues arrivals as they fall due until the plan or the load ends; killed and run again, it goes on from there.

        A concurrent second caller issues nothing and returns at once.
        """
        if self._issuing:
            return
        self._issuing, self._state = True, "running"
        try:
            self._issue_all()
        finally:
            self._issuing = False
            if self._finished():
                self._state = "finished"
            elif not self._stopping.is_set():
                self._state = "paused"

    def drain(self) -> None:
        """Stops issuing, waits until everything sent has ended (at most the deadline), and writes the last lines."""
        self._stopping.set()
        gevent.joinall(list(self._pending), timeout=self._deadline_s + _PATIENCE_S)
        self._state = "stopped"
        self.flush()
        self.beat()

    def flush(self) -> None:
        self._log.flush()

    def beat(self) -> None:
        """Writes a heartbeat; while nobody runs the schedule, also deals with what can no longer be sent in time."""
        if not self._issuing and not self._stopping.is_set():
            self._expire()
        self._beats.add(self._heartbeat().to_line())
        self._beats.flush()

    def report(self) -> Report:
        """What is new since the last report, for whoever adds up what all workers did."""
        number, self._reports = self._reports, self._reports + 1
        now_s, behind = self._clock.now(), self._look(0.0)
        reached_s = now_s if behind is None else min(now_s, behind.at_s)
        return Report(number, reached_s, asdict(self._heartbeat()), tuple(self._tally.take()))

    def _issue_all(self) -> None:
        burst = 0
        while not self._stopping.is_set():
            arrival = self._look(_LOOK_S)
            if arrival is None:
                if self._finished():
                    return
                self._stopping.wait(timeout=_LOOK_S / 2)
                continue
            wait_s = self._due_s(arrival) - time.monotonic()
            if wait_s > 0:
                self._stopping.wait(timeout=wait_s)
                continue
            self._begin(self._take())
            burst += 1
            if burst % _BURST == 0:  # a backlog must not keep those that were begun from being sent
                gevent.sleep(0)

    def _look(self, ahead_s: float) -> Arrival | None:
        """Our next arrival when it falls due within `ahead_s`: any later ones may still become another worker's."""
        if self._next is None:
            self._next = self._schedule.take_before(self._clock.emulated_at(time.monotonic() + ahead_s))
        return self._next

    def _finished(self) -> bool:
        return self._next is None and self._schedule.finished

    def _expire(self) -> None:
        """Counts as late what is past its deadline; where the plan waits for its generator, nothing falls due meanwhile."""
        if self._plan.block_s is not None:
            self._next = None
            self._schedule.skip_to(self._clock.now())
            return
        lost_s = time.monotonic() - self._deadline_s
        while (arrival := self._look(-self._deadline_s)) is not None and self._due_s(arrival) <= lost_s:
            self._begin(self._take())

    def _due_s(self, arrival: Arrival) -> float:
        return self._clock.monotonic_at(arrival.at_s)

    def _take(self) -> Arrival:
        arrival = self._next
        assert arrival is not None, "callers look before they take"
        self._next = None
        self._meter.planned += 1
        self._tally.planned(arrival)
        return arrival

    def _begin(self, arrival: Arrival) -> None:
        greenlet = gevent.spawn(self._serve, arrival)
        self._pending.add(greenlet)
        greenlet.rawlink(self._pending.discard)

    def _serve(self, arrival: Arrival) -> None:
        due_s, sent_s = self._due_s(arrival), time.monotonic()
        self._meter.lag(sent_s - due_s)
        if sent_s - due_s >= self._deadline_s:
            self._meter.late += 1
            answer = ArrivalResult(0, "unknown", LATE)
        else:
            answer = self._answer(arrival, sent_s, due_s + self._deadline_s)
        done_s = time.monotonic()
        latency_ms = (done_s - due_s) * 1000
        record = to_record(
            arrival,
            answer,
            sent_s=self._clock.emulated_at(sent_s),
            done_s=self._clock.emulated_at(done_s),
            latency_ms=latency_ms,
        )
        self._log.add(to_line(record))
        self._meter.recorded += 1
        self._tally.ended(arrival, record)
        self._tell(arrival, answer, latency_ms)

    def _answer(self, arrival: Arrival, sent_s: float, deadline_s: float) -> ArrivalResult:
        self._meter.issued += 1
        try:
            playing = begin(arrival, self._clients, self._clock.emulated_at(sent_s))
            return drive(playing, lambda node, request: self._send(node, request, deadline_s - time.monotonic()))
        except Exception as failed:  # an arrival without a line would be a request that nobody counts
            self._meter.issued -= 1
            self._meter.fault(f"{arrival.id}: {type(failed).__name__}: {failed}")
            if self._meter.faults <= _MOST_TRACEBACKS:
                logging.getLogger(__name__).exception("arrival %s failed inside the generator", arrival.id)
            return ArrivalResult(0, "unknown", GENERATOR_FAULT)

    def _heartbeat(self) -> Heartbeat:
        meter, now_s = self._meter, time.monotonic()
        return Heartbeat(
            worker=self._worker,
            at_s=self._clock.emulated_at(now_s),
            monotonic_s=now_s,
            state=self._state,
            planned=meter.planned,
            issued=meter.issued,
            recorded=meter.recorded,
            late=meter.late,
            faults=meter.faults,
            lag_p99_ms=meter.lag_p99_ms(),
            cpu_s=time.process_time(),
            first_fault=meter.first_fault,
        )


def drive(playing: Playing, send: Callable[[str, Request], Response]) -> ArrivalResult:
    """Plays to the end over `send`. What `send` raises besides CallFailed is raised."""
    step = playing.next()
    while isinstance(step, Call):
        try:
            response: Response | CallFailed = send(step.node, step.request)
        except CallFailed as failed:
            response = failed
        step = playing.next(response)
    return step

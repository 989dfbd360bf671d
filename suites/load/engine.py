"""The open-loop engine: one absolute schedule, one greenlet per arrival, one line per arrival.

The schedule never waits for an answer. So a service that stalls meets every arrival that the plan has for that time, and
latency counts from the intended moment. An arrival that cannot be sent in time, because the generator itself was held up,
is logged as late. A worker issues the arrivals that it is granted (brownout.harness.load.grants), so any number of workers
issue each arrival exactly once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import gevent
from gevent.event import Event

from brownout.harness.load.arrivals import LoadPlan, asks_of
from brownout.harness.load.counts import Report, Tally
from brownout.harness.load.grants import Grant, Schedule
from brownout.harness.load.heartbeat import GeneratorState, Heartbeat
from brownout.harness.load.log_tail import PART_BYTES
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients, Pause, unanswered
from brownout.harness.load.playing import Playing, begin, to_record
from brownout.harness.record.history import GENERATOR_FAULT, LATE, to_line
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.server.clock import Clock
from brownout.suites.load.attempts import AttemptsLog
from brownout.suites.load.meter import LineFile, Meter

_BURST = 50
_PATIENCE_S = 1.0
_BACKLOG_S = 1.0
_LOOK_S = 0.2
_MOST_TRACEBACKS = 20

OnEnd = Callable[[Arrival, ArrivalResult, float], None]
Sender = Callable[[str, Request, float], Response]


class Engine:
    """Issues one worker's share of a plan and logs a line for each arrival.

    `send(node, request, timeout_s)` is the transport; `on_end(arrival, result, latency_ms)` is called at every end.
    """

    def __init__(self, plan: LoadPlan, folder: Path, worker: int, send: Sender, on_end: OnEnd) -> None:
        self._plan, self._worker, self._send, self._on_end = plan, worker, send, on_end
        self._clock = Clock.from_record(plan.clock)
        self._deadline_s = plan.deadline_ms / 1000
        self._clients = Clients(plan.account, plan.seed, asks_of(plan.cohorts))
        part_bytes = None if plan.block_s is None else PART_BYTES
        self._log = LineFile(folder / f"requests-{worker}.jsonl", part_bytes=part_bytes)
        self._attempts = AttemptsLog(plan, folder / f"attempts-{worker}.jsonl", part_bytes)
        self._beats = LineFile(folder / f"load-{worker}.jsonl", part_bytes=part_bytes)
        self._meter, self._tally = Meter(), Tally(plan)
        self._reports = 0
        self._schedule = Schedule(plan)
        self._next: Arrival | None = None
        self._issuing = False
        self._stopping = Event()
        self._pending: set[gevent.Greenlet] = set()
        self._state: GeneratorState = "starting"

    def grant(self, grant: Grant) -> None:
        """Adds a slice of the plan to those that this worker issues."""
        self._schedule.grant(grant)

    def run(self) -> None:
        """Issues arrivals as they fall due, until the plan or the load ends.

        When its greenlet is killed, a further call resumes from there. A concurrent second call returns at once.
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
        """Stops issuing, waits for requests under way (at most for the deadline), and writes the last lines.

        Arrivals that are due by now belong to the load and are begun first; a backlog that takes longer than a second is not
        logged, and is missed by a reader that knows the plan.
        """
        if self._issuing and not self._stopping.is_set() and self._plan.block_s is None:
            self._begin_due(time.monotonic() + _BACKLOG_S)
        self._stopping.set()
        gevent.joinall(list(self._pending), timeout=self._deadline_s + _PATIENCE_S)
        self._state = "stopped"
        self.flush()
        self.beat()

    def flush(self) -> None:
        self._log.flush()
        self._attempts.flush()

    def beat(self) -> None:
        """Writes a heartbeat. While the schedule is paused, also accounts for arrivals that can no longer be sent in time."""
        if not self._issuing and not self._stopping.is_set():
            self._expire()
        self._beats.add(self._heartbeat().to_line())
        self._beats.flush()

    def report(self) -> Report:
        """The counts since the last report, for the process that adds up those of all workers. Their lines are in the log."""
        self.flush()  # one who reads the counts and then the log finds each request there
        number, self._reports = self._reports, self._reports + 1
        # An arrival that is due and not begun limits `reached_s`: its second is not complete, however late it is by now.
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
                self._stopping.wait(timeout=_LOOK_S / 2)  # a grant may come while this waits, so look again before it is due
                continue
            # Computed anew from the absolute schedule each time: neither oversleeping nor slow answers can add up to a drift.
            wait_s = self._due_s(arrival) - time.monotonic()
            if wait_s > 0:
                self._stopping.wait(timeout=wait_s)
                continue
            self._begin(self._take())
            burst += 1
            if burst % _BURST == 0:  # after a stall: let those already begun be sent before more of the backlog is begun
                gevent.sleep(0)

    def _look(self, ahead_s: float) -> Arrival | None:
        """The worker's next arrival if it is due within `ahead_s`. Later arrivals may still be granted to another worker."""
        if self._next is None:
            self._next = self._schedule.take_before(self._clock.emulated_at(time.monotonic() + ahead_s))
        return self._next

    def _finished(self) -> bool:
        return self._next is None and self._schedule.finished

    def _expire(self) -> None:
        """Logs arrivals past their deadline as late. In a plan in blocks, which has no arrivals while paused, skips them."""
        if self._plan.block_s is not None:
            self._next = None
            self._schedule.skip_to(self._clock.now())
            return
        lost_s = time.monotonic() - self._deadline_s
        while (arrival := self._look(-self._deadline_s)) is not None and self._due_s(arrival) <= lost_s:
            self._begin(self._take())

    def _begin_due(self, until_s: float) -> None:
        # What was looked at ahead of its time is not due yet.
        while (now_s := time.monotonic()) < until_s and (arrival := self._look(0.0)) and self._due_s(arrival) <= now_s:
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
            result = ArrivalResult(0, "unknown", LATE)
        else:
            result = self._play(arrival, sent_s, due_s + self._deadline_s)
        done_s = time.monotonic()
        latency_ms = (done_s - due_s) * 1000
        record = to_record(
            arrival,
            result,
            sent_s=self._clock.emulated_at(sent_s),
            done_s=self._clock.emulated_at(done_s),
            latency_ms=latency_ms,
        )
        self._log.add(to_line(record))
        self._meter.recorded += 1
        self._tally.ended(arrival, record)
        self._on_end(arrival, result, latency_ms)

    def _play(self, arrival: Arrival, sent_s: float, deadline_s: float) -> ArrivalResult:
        self._meter.issued += 1
        try:
            playing = begin(arrival, self._clients, self._clock.emulated_at(sent_s), self._clock.now)
            return drive(
                playing,
                lambda call: self._exchange(arrival, call, deadline_s),
                lambda pause: self._wait(pause, deadline_s),
            )
        except Exception as failed:  # an arrival without a line would be missing from every count
            self._meter.issued -= 1  # it counts as a fault of the generator, which lowers the issued share
            self._meter.fault(f"{arrival.id}: {type(failed).__name__}: {failed}")
            if self._meter.faults <= _MOST_TRACEBACKS:
                logging.getLogger(__name__).exception("arrival %s failed inside the generator", arrival.id)
            return ArrivalResult(0, "unknown", GENERATOR_FAULT)

    def _exchange(self, arrival: Arrival, call: Call, deadline_s: float) -> Response:
        """One call of an arrival; raises CallFailed, and what the transport raises."""
        sent_s = time.monotonic()
        try:
            left_s = deadline_s - sent_s
            answer = self._send(call.node, call.request, left_s if call.timeout_s is None else min(left_s, call.timeout_s))
        except CallFailed as failed:
            self._attempts.note(arrival, call, failed, sent_s)
            raise
        self._attempts.note(arrival, call, answer, sent_s)
        return answer

    def _wait(self, pause: Pause, deadline_s: float) -> bool:
        """Waits between two attempts; False when the client's deadline comes first, once it has come."""
        left_s, wait_s = deadline_s - time.monotonic(), self._clock.real_s(pause.duration_s)
        gevent.sleep(max(0.0, min(left_s, wait_s)))
        return wait_s < left_s

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


def drive(playing: Playing, send: Callable[[Call], Response], wait: Callable[[Pause], bool]) -> ArrivalResult:
    """Plays to the end over `send` and `wait`. What `send` raises besides CallFailed is raised; a false `wait` ends it."""
    step = playing.next()
    while not isinstance(step, ArrivalResult):
        if isinstance(step, Pause):
            if not wait(step):
                return unanswered(CallFailed("timeout", "the client's patience"))
            step = playing.next()
            continue
        try:
            response: Response | CallFailed = send(step)
        except CallFailed as failed:
            response = failed
        step = playing.next(response)
    return step

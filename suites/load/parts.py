"""The part of a Locust process in a load: the whole load, the master that shares it out, or one worker.

Locust's own messages between master and workers carry everything, so a worker needs its master's address and nothing else:

    worker -> master   brownout-hello    {"boot", "monotonic_s"}: send me the plan
    master -> worker   brownout-plan     {"plan", "boot", "asked_s", "monotonic_s"}
    master -> worker   brownout-orders   {"playing", "grant"}, every half second: what may be sent next (harness.load.grants)
    worker -> master   brownout-report   brownout.harness.load.counts.Report, every half second
    master -> worker   brownout-stop     {}: send nothing more, end what is under way, report

On one machine all processes share the monotonic clock. A worker on another machine estimates the offset of its clock from
the hello with the shortest round trip, to within half of that.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import Runner, WorkerRunner

from brownout.harness.base.files import replace_whole
from brownout.harness.base.processes import boot_id
from brownout.harness.load.arrivals import LoadPlan, plan_json
from brownout.harness.load.counts import Report
from brownout.harness.load.dashboard_stats import SILENT_S, Board
from brownout.harness.load.dashboard_view import view, write_view
from brownout.harness.load.driver import PROBLEMS_NAME
from brownout.harness.load.fault_spans import read_fault_spans
from brownout.harness.load.grants import EVERYTHING, Grant, Granter, Schedule
from brownout.harness.load.heartbeat import PERIOD_S
from brownout.suites.load.engine import Engine

AHEAD_S = 3.0
HELLOS = 5
REPORT, HELLO, PLAN, ORDERS, STOP = (f"brownout-{what}" for what in ("report", "hello", "plan", "orders", "stop"))
_FLUSH_S = 0.1
_HELLO_S = 0.3
_PATIENCE_S = 2.0
_SHOWN_S = 120
_CANNOT_WRITE = 74
log = logging.getLogger(__name__)

MakeEngine = Callable[[LoadPlan, int], Engine]


def every(period_s: float, act: Callable[[], None]) -> None:
    """Calls `act` every `period_s` for the life of the process.

    When it raises (a full disk), the process ends, because its figures would be wrong from then on.
    """

    def forever() -> None:
        while True:
            act()
            gevent.sleep(period_s)

    gevent.spawn(forever).link_exception(lambda _: os._exit(_CANNOT_WRITE))


def send(runner: Runner, what: str, data: Any = None, *, to: str | None = None) -> None:
    """Sends a message. The receiver notices a lost one: reports are numbered, orders are repeated."""
    try:
        runner.send_message(what, data, client_id=to)
    except RPCError as lost:
        log.warning("%s could not be sent: %s", what, lost)


class EngineRunner:
    """One engine in its greenlet: played and paused, its log flushed, its counts reported through Locust's messages."""

    def __init__(self, runner: Runner, engine: Engine) -> None:
        self._runner, self.engine = runner, engine
        self._running: gevent.Greenlet | None = None
        every(_FLUSH_S, engine.flush)
        every(PERIOD_S, self._beat)

    def play(self) -> None:
        """Starts or resumes the schedule."""
        if self._running is None or self._running.dead:
            self._running = gevent.spawn(self.engine.run)

    def pause(self) -> None:
        """Stops sending. Requests under way are left to end."""
        if self._running is not None:
            self._running.kill()

    def drain(self) -> None:
        """Stops sending, waits for requests under way, and reports them. May run twice."""
        self.engine.drain()
        self._report()

    def _beat(self) -> None:
        self.engine.beat()
        self._report()

    def _report(self) -> None:
        send(self._runner, REPORT, self.engine.report().to_wire())


class Collector:
    """Collects the reports of all engines into the board, and writes the board's files."""

    def __init__(self, runner: Runner, plan: LoadPlan, folder: Path) -> None:
        self.board, self.folder = Board(plan), folder
        self._notes: list[str] = []
        runner.register_message(REPORT, self._report)
        every(PERIOD_S, self.tick)

    def _report(self, environment: Environment, msg: Any, **_: Any) -> None:
        try:
            self.board.absorb(str(msg.node_id), Report.from_wire(msg.data))
        except (KeyError, TypeError, ValueError) as wrong:
            self.note(f"a worker's report could not be read ({wrong}): do all workers have the same version?")

    def note(self, text: str) -> None:
        """Adds a sentence to the list of problems."""
        if text not in self._notes:
            self._notes = [*self._notes[-20:], text]
            log.warning(text)

    def problems(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def tick(self, *, over: bool = False) -> None:
        """Settles the seconds that are complete, and writes the files that the driver and the dashboard read."""
        self.board.tick(over=over)
        if found := (*self._notes, *self.board.problems()):
            # not durable: read by the process that started this one, while both live
            replace_whole(self.folder / PROBLEMS_NAME, json.dumps(found), durable=False)
        if self.board.plan.block_s is not None:
            write_view(self.folder, view(self.board, read_fault_spans(self.folder), shown_s=_SHOWN_S, problems=self._notes))


class Standalone:
    """The whole load in one process."""

    def __init__(self, environment: Environment, runner: Runner, plan: LoadPlan, folder: Path, make: MakeEngine) -> None:
        self.collector = Collector(runner, plan, folder)
        engine = make(plan, 0)
        # The clock of a load by hand may have started long ago. Its first grant starts now, so that nothing counts as late.
        engine.grant(EVERYTHING if plan.block_s is None else _from_now(self.collector.board))
        self._engine_runner = EngineRunner(runner, engine)
        events = environment.events
        events.test_start.add_listener(lambda **_: self._engine_runner.play())  # type: ignore[no-untyped-call]
        events.test_stop.add_listener(lambda **_: self._engine_runner.pause())  # type: ignore[no-untyped-call]
        events.quitting.add_listener(lambda **_: self._quit())  # type: ignore[no-untyped-call]

    def _quit(self) -> None:
        self._engine_runner.drain()
        self.collector.tick(over=True)


def _from_now(board: Board) -> Grant:
    return Grant(board.now_s(), EVERYTHING.until_s, 0, 1)


class Master:
    """Grants slices of the plan to the workers that report, and adds up their counts."""

    def __init__(self, environment: Environment, runner: Runner, plan: LoadPlan, folder: Path) -> None:
        self._runner, self._plan = runner, plan
        self.collector = Collector(runner, plan, folder)
        self._granter = Granter(plan, AHEAD_S * self.collector.board.seconds.rate)
        self._all = Schedule(plan)
        self._awaited = environment.parsed_options.expect_workers if environment.parsed_options else 1
        self._members: tuple[str, ...] = ()
        self._playing = False
        runner.register_message(HELLO, self._hello)
        events = environment.events
        events.test_start.add_listener(lambda **_: self._play(True))  # type: ignore[no-untyped-call]
        events.test_stop.add_listener(lambda **_: self._play(False))  # type: ignore[no-untyped-call]
        events.quitting.add_listener(lambda **_: self._quit())  # type: ignore[no-untyped-call]
        every(PERIOD_S, self._order)

    def _play(self, playing: bool) -> None:
        self._playing = playing

    def _hello(self, environment: Environment, msg: Any, **_: Any) -> None:
        asked_s = float(msg.data["monotonic_s"])
        answer = {"plan": plan_json(self._plan), "boot": boot_id(), "asked_s": asked_s, "monotonic_s": time.monotonic()}
        send(self._runner, PLAN, answer, to=msg.node_id)

    def _order(self) -> None:
        members = self.collector.board.members()
        self._note_changes(members)
        grants = self._hand_out(members)
        for member in members:
            grant = grants.get(member)
            wire = None if grant is None else [grant.from_s, grant.until_s, grant.position, grant.of]
            orders = {"playing": self._playing, "grant": wire}
            send(self._runner, ORDERS, orders, to=member)

    def _hand_out(self, members: tuple[str, ...]) -> Any:
        waits = self._plan.block_s is not None and not self._playing  # paused: slices that are not granted are not planned
        if waits or len(members) < self._awaited:
            return {}
        self._awaited = 0  # only the start waits for the expected number; later the load goes to the workers that are there
        grants = self._granter.hand_out(members, self.collector.board.now_s())
        # All grants cover one slice. The master walks the whole slice too, to know how many arrivals the workers must count.
        for grant in list(grants.values())[:1]:
            self._all.grant(Grant(grant.from_s, grant.until_s, 0, 1))
            self.collector.board.handed_out(iter(self._take, None))
        return grants

    def _take(self) -> float | None:
        arrival = self._all.take_before(self._granter.granted_s)
        return None if arrival is None else arrival.at_s

    def _note_changes(self, members: tuple[str, ...]) -> None:
        workers = self.collector.board.workers
        for name in self._members:
            if name not in members and not self._stopped():
                at = time.strftime("%H:%M:%S", time.gmtime())
                how = "left" if workers[name].gone else f"was not heard of for {SILENT_S:g} s and counts as lost"
                self.collector.note(f"worker {workers[name].beat.worker} {how} at {at} UTC; its share goes to the others")
        self._members = members

    def _stopped(self) -> bool:
        return not self._playing

    def _quit(self) -> None:
        self._playing = False
        self.collector.board.ends_now()
        send(self._runner, STOP)
        deadline_s = time.monotonic() + self._plan.deadline_ms / 1000 + _PATIENCE_S
        while self.collector.board.members() and time.monotonic() < deadline_s:
            gevent.sleep(0.05)
        self.collector.tick(over=True)


class LoadWorker:
    """One worker: asks its master for the plan, then follows the master's orders."""

    def __init__(self, environment: Environment, runner: WorkerRunner, make: MakeEngine) -> None:
        self._runner, self._make = runner, make
        self._waits = False
        self._engine_runner: EngineRunner | None = None
        self._answers: list[tuple[float, float]] = []  # round trip, and the lead of the master's clock
        self._told = Event()
        runner.register_message(PLAN, self._plan)
        runner.register_message(ORDERS, self._orders)
        runner.register_message(STOP, self._stop)
        environment.events.quitting.add_listener(lambda **_: self._drain())  # type: ignore[no-untyped-call]
        gevent.spawn(self._ask).link_exception(lambda _: os._exit(_CANNOT_WRITE))

    def _ask(self) -> None:
        """Sends hellos until the master has answered often enough to know the offset of its clock."""
        while self._engine_runner is None:
            hello = {"boot": boot_id(), "monotonic_s": time.monotonic()}
            send(self._runner, HELLO, hello)
            self._told.wait(timeout=_HELLO_S)
            self._told.clear()

    def _plan(self, environment: Environment, msg: Any, **_: Any) -> None:
        now_s = time.monotonic()
        asked_s, theirs_s = float(msg.data["asked_s"]), float(msg.data["monotonic_s"])
        # The master read its clock somewhere within the round trip. Its middle is the best estimate, wrong by at most half.
        self._answers.append((now_s - asked_s, theirs_s - (asked_s + now_s) / 2))
        same = msg.data["boot"] == boot_id()
        self._told.set()
        if self._engine_runner is None and (same or len(self._answers) >= HELLOS):
            ahead_s = 0.0 if same else min(self._answers)[1]  # the shortest round trip has the smallest error
            plan = _on_our_clock(LoadPlan.model_validate(msg.data["plan"]), ahead_s)
            self._waits = plan.block_s is not None
            self._engine_runner = EngineRunner(self._runner, self._make(plan, self._runner.worker_index))

    def _orders(self, environment: Environment, msg: Any, **_: Any) -> None:
        if self._engine_runner is None:
            return
        if msg.data["grant"] is not None:
            self._engine_runner.engine.grant(Grant(*msg.data["grant"]))
        if (
            msg.data["playing"] or self._waits
        ):  # a plan in blocks: what was granted is sent, and while paused nothing more is granted
            self._engine_runner.play()
        else:
            self._engine_runner.pause()

    def _stop(self, environment: Environment, msg: Any, **_: Any) -> None:
        gevent.spawn(self._drain)

    def _drain(self) -> None:
        if self._engine_runner is not None:
            self._engine_runner.drain()


def _on_our_clock(plan: LoadPlan, ahead_s: float) -> LoadPlan:
    """The plan for a machine whose monotonic clock is `ahead_s` behind the master's."""
    clock = {**plan.clock, "monotonic_s": plan.clock["monotonic_s"] - ahead_s}
    return plan.model_copy(update={"clock": clock})

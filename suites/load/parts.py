"""The parts that a Locust process can have in a load: all of it alone, the master that shares it out, or one worker.

Locust's own messages between master and workers carry everything, so a worker needs its master's address and nothing else:

    worker -> master   brownout-hello    {"boot", "monotonic_s"}: send me the plan
    master -> worker   brownout-plan     {"plan", "boot", "asked_s", "monotonic_s"}
    master -> worker   brownout-orders   {"playing", "grant"}, every half second: what may be sent next (harness.load.grants)
    worker -> master   brownout-report   brownout.harness.load.tally.Report, every half second
    master -> worker   brownout-stop     {}: send nothing more, end what is under way, report

On one machine all processes share the monotonic clock. A worker elsewhere works out how far its own is from the master's
from the hello that came back soonest, to within half of its round trip.
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
from brownout.harness.injection.lease import boot_id
from brownout.harness.load.arrivals import LoadPlan, plan_json
from brownout.harness.load.bands import read_bands
from brownout.harness.load.board import SILENT_S, Board
from brownout.harness.load.driver import PROBLEMS_NAME
from brownout.harness.load.grants import EVERYTHING, Grant, Granter, Schedule
from brownout.harness.load.heartbeat import PERIOD_S
from brownout.harness.load.tally import Report
from brownout.harness.load.view import view, write_view
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
    """Acts for as long as the process lives. When it cannot (the disk is full), the process ends: nothing counts then."""

    def forever() -> None:
        while True:
            act()
            gevent.sleep(period_s)

    gevent.spawn(forever).link_exception(lambda _: os._exit(_CANNOT_WRITE))


def send(runner: Runner, what: str, data: Any = None, *, to: str | None = None) -> None:
    """Sends a message. One that gets lost is noticed by its receiver: reports are numbered, orders come again."""
    try:
        runner.send_message(what, data, client_id=to)
    except RPCError as lost:
        log.warning("%s could not be sent: %s", what, lost)


class Generator:
    """One engine at work: played and paused, its log flushed, its counts reported through Locust's messages."""

    def __init__(self, runner: Runner, engine: Engine) -> None:
        self._runner, self.engine = runner, engine
        self._running: gevent.Greenlet | None = None
        every(_FLUSH_S, engine.flush)
        every(PERIOD_S, self._beat)

    def play(self) -> None:
        """Runs the schedule, or goes on with it."""
        if self._running is None or self._running.dead:
            self._running = gevent.spawn(self.engine.run)

    def pause(self) -> None:
        """Stops sending; what has been sent ends as it may."""
        if self._running is not None:
            self._running.kill()

    def drain(self) -> None:
        """Sends nothing more, waits for what is under way and reports it. May run twice."""
        self.engine.drain()
        self._report()

    def _beat(self) -> None:
        self.engine.beat()
        self._report()

    def _report(self) -> None:
        send(self._runner, REPORT, self.engine.report().to_wire())


class Desk:
    """Where reports come in: keeps the board and its files up to date."""

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
        """Keeps a sentence for the list of problems."""
        if text not in self._notes:
            self._notes = [*self._notes[-20:], text]
            log.warning(text)

    def problems(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def tick(self, *, over: bool = False) -> None:
        """Settles what can be, and writes what others read."""
        self.board.tick(over=over)
        if found := (*self._notes, *self.board.problems()):
            # not durable: read by the process that started this one, while both live
            replace_whole(self.folder / PROBLEMS_NAME, json.dumps(found), durable=False)
        if self.board.plan.block_s is not None:
            write_view(self.folder, view(self.board, read_bands(self.folder), shown_s=_SHOWN_S, problems=self._notes))


class Alone:
    """The whole load in one process."""

    def __init__(self, environment: Environment, runner: Runner, plan: LoadPlan, folder: Path, make: MakeEngine) -> None:
        self.desk = Desk(runner, plan, folder)
        engine = make(plan, 0)
        # What is begun by hand has no time to be late for before it begins.
        engine.grant(EVERYTHING if plan.block_s is None else _from_now(self.desk.board))
        self._generator = Generator(runner, engine)
        events = environment.events
        events.test_start.add_listener(lambda **_: self._generator.play())  # type: ignore[no-untyped-call]
        events.test_stop.add_listener(lambda **_: self._generator.pause())  # type: ignore[no-untyped-call]
        events.quitting.add_listener(lambda **_: self._quit())  # type: ignore[no-untyped-call]

    def _quit(self) -> None:
        self._generator.drain()
        self.desk.tick(over=True)


def _from_now(board: Board) -> Grant:
    return Grant(board.now_s(), EVERYTHING.until_s, 0, 1)


class Master:
    """Shares the plan out between the workers that report, and adds up what they did."""

    def __init__(self, environment: Environment, runner: Runner, plan: LoadPlan, folder: Path) -> None:
        self._runner, self._plan = runner, plan
        self.desk = Desk(runner, plan, folder)
        self._granter = Granter(plan, AHEAD_S * self.desk.board.seconds.rate)
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
        members = self.desk.board.members()
        self._note_changes(members)
        grants = self._hand_out(members)
        for member in members:
            grant = grants.get(member)
            wire = None if grant is None else [grant.from_s, grant.until_s, grant.position, grant.of]
            orders = {"playing": self._playing, "grant": wire}
            send(self._runner, ORDERS, orders, to=member)

    def _hand_out(self, members: tuple[str, ...]) -> Any:
        waits = self._plan.block_s is not None and not self._playing  # paused: what is not handed out is not planned
        if waits or len(members) < self._awaited:
            return {}
        self._awaited = 0
        grants = self._granter.hand_out(members, self.desk.board.now_s())
        for grant in list(grants.values())[:1]:
            self._all.grant(Grant(grant.from_s, grant.until_s, 0, 1))
            self.desk.board.handed_out(iter(self._take, None))
        return grants

    def _take(self) -> float | None:
        arrival = self._all.take_before(self._granter.granted_s)
        return None if arrival is None else arrival.at_s

    def _note_changes(self, members: tuple[str, ...]) -> None:
        workers = self.desk.board.workers
        for name in self._members:
            if name not in members and not self._stopped():
                at = time.strftime("%H:%M:%S", time.gmtime())
                how = "left" if workers[name].gone else f"was not heard of for {SILENT_S:g} s and counts as lost"
                self.desk.note(f"worker {workers[name].beat.worker} {how} at {at} UTC; its share goes to the others")
        self._members = members

    def _stopped(self) -> bool:
        return not self._playing

    def _quit(self) -> None:
        self._playing = False
        self.desk.board.ends_now()
        send(self._runner, STOP)
        deadline_s = time.monotonic() + self._plan.deadline_ms / 1000 + _PATIENCE_S
        while self.desk.board.members() and time.monotonic() < deadline_s:
            gevent.sleep(0.05)
        self.desk.tick(over=True)


class Worker:
    """One worker: asks its master for the plan, then does what it is told."""

    def __init__(self, environment: Environment, runner: WorkerRunner, make: MakeEngine) -> None:
        self._runner, self._make = runner, make
        self._waits = False
        self._generator: Generator | None = None
        self._answers: list[tuple[float, float]] = []  # round trip, and how far the master's clock is ahead of ours
        self._told = Event()
        runner.register_message(PLAN, self._plan)
        runner.register_message(ORDERS, self._orders)
        runner.register_message(STOP, self._stop)
        environment.events.quitting.add_listener(lambda **_: self._drain())  # type: ignore[no-untyped-call]
        gevent.spawn(self._ask).link_exception(lambda _: os._exit(_CANNOT_WRITE))

    def _ask(self) -> None:
        """Says hello until the master has answered often enough."""
        while self._generator is None:
            hello = {"boot": boot_id(), "monotonic_s": time.monotonic()}
            send(self._runner, HELLO, hello)
            self._told.wait(timeout=_HELLO_S)
            self._told.clear()

    def _plan(self, environment: Environment, msg: Any, **_: Any) -> None:
        now_s = time.monotonic()
        asked_s, theirs_s = float(msg.data["asked_s"]), float(msg.data["monotonic_s"])
        self._answers.append((now_s - asked_s, theirs_s - (asked_s + now_s) / 2))
        same = msg.data["boot"] == boot_id()
        self._told.set()
        if self._generator is None and (same or len(self._answers) >= HELLOS):
            ahead_s = 0.0 if same else min(self._answers)[1]
            plan = _on_our_clock(LoadPlan.model_validate(msg.data["plan"]), ahead_s)
            self._waits = plan.block_s is not None
            self._generator = Generator(self._runner, self._make(plan, self._runner.worker_index))

    def _orders(self, environment: Environment, msg: Any, **_: Any) -> None:
        if self._generator is None:
            return
        if msg.data["grant"] is not None:
            self._generator.engine.grant(Grant(*msg.data["grant"]))
        if msg.data["playing"] or self._waits:  # what was granted of a plan that waits is sent, and then there is no more
            self._generator.play()
        else:
            self._generator.pause()

    def _stop(self, environment: Environment, msg: Any, **_: Any) -> None:
        gevent.spawn(self._drain)

    def _drain(self) -> None:
        if self._generator is not None:
            self._generator.drain()


def _on_our_clock(plan: LoadPlan, ahead_s: float) -> LoadPlan:
    """The plan with its clock as a machine sees it whose monotonic clock is `ahead_s` behind the master's."""
    clock = {**plan.clock, "monotonic_s": plan.clock["monotonic_s"] - ahead_s}
    return plan.model_copy(update={"clock": clock})

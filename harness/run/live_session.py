"""A run in a live world: its stack, its ledger row, lease and guardian, its load and canaries, and Ctrl-C.

The first interrupt ends the schedule: faults are reverted, the record is completed. A halt (base/halt.py) does the same. The
second leaves at once; a guardian without patience then reverts what is open and takes the stack down. A terminal that is closed
and SIGTERM count as Ctrl-C.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from brownout.harness.base.interrupts import interruptible
from brownout.harness.base.resources.exhaustion import ran_out_of
from brownout.harness.base.resources.reserve import Reserve
from brownout.harness.base.statedir import discard_stack_dir, ledger_path, stack_dir
from brownout.harness.errors import WorldError
from brownout.harness.experiment import plugins
from brownout.harness.injection.guardian_keeper import GuardianKeeper
from brownout.harness.injection.guardian_start import start_guardian
from brownout.harness.injection.lease import Lease, LeaseRenewer
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.canary.canaries import Canaries
from brownout.harness.record.history import Event, Recorder
from brownout.harness.record.progress import ProgressSink
from brownout.harness.run.canary_places import aws_ways, azure_machines
from brownout.harness.run.conductor import PROTECTED, Conductor, RunHooks, RunState
from brownout.harness.run.fault_bands import BandsFile, LedgerBands
from brownout.harness.run.foreign_watch import ForeignWatch
from brownout.harness.run.header import rewrite_run_file
from brownout.harness.run.journal import Journal
from brownout.harness.run.prepare import PreparedRun, at_present, wants_canaries
from brownout.harness.run.progress_view import NoProgress, ProgressView
from brownout.harness.run.subject.lead import generator_lead_real_s, lead_real_s
from brownout.harness.run.subject.watch import SubjectWatch
from brownout.harness.world import LiveWorld
from brownout.harness.worlds.catalog import live_world

LEASE_TTL_S = 6.0
TICK_REAL_S = 0.25


def run_live(
    run: PreparedRun,
    folder: Path,
    *,
    sink: ProgressSink | None = None,
    heard: Callable[[Event], None] | None = None,
    traceparent: str = "",
) -> bool:
    """Carries the run out in the live world that its options name; its record is in `folder` afterwards.

    `heard` is called with each event; `traceparent` is the trace that clients of the user's application name. Returns False
    when the user interrupted it (everything is reverted then). Raises BrownoutError when the harness failed.
    """
    session = _LiveSession(run, folder, sink or NoProgress(), heard, traceparent)
    with session.protected() as guardian_took_s:
        world = session.create_world(guardian_took_s)
        asyncio.run(session.conduct(world))
    session.recorder.require_whole()
    return not session.state.stop_requested


class _LiveSession:
    """One run on a stack of its own in a live world: the stack's row in the ledger, its lease and its guardian."""

    def __init__(
        self,
        run: PreparedRun,
        folder: Path,
        sink: ProgressSink,
        heard: Callable[[Event], None] | None = None,
        traceparent: str = "",
    ) -> None:
        self.run, self.folder, self.sink, self.traceparent = run, folder, sink, traceparent
        self.stack_id, self.state = f"run-{secrets.token_hex(4)}", RunState()
        self.world: LiveWorld | None = None
        self.generator_lead_s = 0.0
        self.ledger = Ledger(ledger_path())
        self.recorder = Recorder(folder, heard)
        self.reserve = Reserve()
        self._lease = LeaseRenewer(Lease(stack_dir(self.stack_id), LEASE_TTL_S))
        self._guardian = GuardianKeeper(lambda: start_guardian(self.stack_id, LEASE_TTL_S))

    @contextmanager
    def protected(self) -> Iterator[float]:
        """A context in which the lease is renewed and a guardian watches; yields the seconds that the guardian's start took."""
        self._enter_stack()
        try:
            with self._lease:
                started_s = time.monotonic()
                self._guardian.start()
                yield time.monotonic() - started_s
        finally:
            self._end()

    def _enter_stack(self) -> None:
        folder = stack_dir(self.stack_id)
        try:
            self.ledger.add_stack(self.stack_id, folder=folder, world=self.run.options.world, run_owned=True)
        except BaseException:
            self.recorder.close()
            self.ledger.close()
            raise

    def create_world(self, guardian_took_s: float) -> LiveWorld:
        """The world, not yet started, with a clock set so that the stack is ready before the baseline begins."""
        timeline, rate = self.run.experiment.timeline, self.run.rate
        self.generator_lead_s = generator_lead_real_s(guardian_took_s)
        # The clock starts at the warm-up, or earlier where the warm-up leaves too little real time to bring the stack up.
        ready_s = min(timeline.warm_up, timeline.baseline - lead_real_s(guardian_took_s) * rate)
        epoch_s = timeline.epoch_s() + ready_s - self.run.options.offset_s
        if self.run.experiment.subject is not None:
            epoch_s = time.time()  # the timeline is moved to it (prepare.py:at_present)
        # Every process of the machine can reach these nodes, so their token is a secret and not drawn from the seed.
        stack = replace(self.run.stack, control_token=secrets.token_urlsafe(24))
        kind = live_world(self.run.options.world)
        self.world = kind.create(stack, folder=stack_dir(self.stack_id), epoch_s=epoch_s, rate=rate)
        return self.world

    async def conduct(self, world: LiveWorld) -> None:
        """Carries the run out in `world`, listening for interrupts meanwhile."""
        journal = Journal(self.run, self.recorder, world.now)
        lifecycle = LifeCycle(
            world, self.ledger, self.stack_id, journal.notice, make=plugins.fault, permission=self._lease.check
        )
        view = ProgressView(self.run, world, self.state, self.sink, self.folder)
        roles = {resolved.step.name: resolved.step.role for resolved in self.run.steps}
        bands = BandsFile(self.folder, LedgerBands(self.ledger, self.stack_id, roles))
        hooks = _LiveHooks(self.run, world, journal, view, bands, self)
        loop = asyncio.get_running_loop()
        farewell = "left at once; a guardian reverts what is open and takes the stack down"
        with interruptible(loop, first=self._end_early, farewell=farewell, again=self._hand_over):
            try:
                await Conductor(self.run, world, lifecycle, journal, hooks, self.state).conduct()
            finally:
                bands.remove()

    def unprotected(self) -> str:
        """Why a kill could have left faults behind; "" when a guardian watches and the lease is renewed."""
        if self._lease.is_lost():
            return "; ".join((self._lease.lost, *self._undone_by_guardian()))
        return self._lease.problem or self._guardian.problem()

    def _undone_by_guardian(self) -> Iterator[str]:
        """What another process has reverted by now, and when."""
        for fault in self.ledger.faults(self.stack_id):
            for state, wall_s, _ in self.ledger.transitions(fault.id):
                if state == "reverting":
                    yield f"{fault.step} was reverted at {time.strftime('%H:%M:%S', time.gmtime(wall_s))} UTC"
                    break

    def protected_how(self) -> str:
        """What is said of the protection of a run that was protected throughout."""
        return "; ".join((PROTECTED, *self._guardian.replaced))

    def disturbed(self) -> str:
        """When the machine slept during the run."""
        return "; ".join(self._lease.slept)

    def _hand_over(self) -> None:
        """Starts a guardian that does not wait for the lease to lapse."""
        start_guardian(self.stack_id, LEASE_TTL_S, grace_s=0.0)

    def _end_early(self) -> None:
        self.state.stop_requested = True
        self.state.message = "interrupted: reverting every fault (again to leave at once)"

    def _end(self) -> None:
        self.reserve.release()
        try:
            self._guardian.wait()  # the lease is released by now: the guardian reverts what is still open, and exits
        finally:
            down = self.world is None or not self.world.alive()
            if down:
                self.ledger.close_stack(self.stack_id)
            self.recorder.close()
            self.ledger.close()
            with suppress(OSError):  # the terminal may be closed
                self.sink.close()
            if down:
                discard_stack_dir(stack_dir(self.stack_id), keep_logs=True)


class _LiveHooks(RunHooks):
    """What a live session does beside its run: progress, the dashboard's bands, canaries, foreign changes."""

    def __init__(
        self,
        run: PreparedRun,
        world: LiveWorld,
        journal: Journal,
        view: ProgressView,
        bands: BandsFile,
        session: _LiveSession,
    ) -> None:
        self.tick_s = TICK_REAL_S * world.rate
        self._options, self._world, self._journal, self._began_s = run.options, world, journal, world.now()
        self._canaries_wanted = wants_canaries(run)
        self._view, self._bands, self._session = view, bands, session
        self._canaries = Canaries()
        self._lacked = ""
        self._foreign = ForeignWatch(world, session.ledger, session.stack_id, journal)
        self._subject = SubjectWatch(run.experiment.subject, world, session.stack_id, journal, traceparent=session.traceparent)

    def tick(self) -> None:
        """Shows the progress and, for the load's dashboard, the faults in force; ends a run that is to go on no longer."""
        state, lost, halt = self._session.state, self._session.recorder.lost, self._session.ledger.halt()
        if (lost or halt is not None) and not state.stop_requested:
            state.stop_requested = True
            state.stop_reason = str(halt) if halt is not None else f"the record cannot be written ({lost})"
            state.message = f"{state.stop_reason}: reverting every fault"
        self._look_for_shortages()
        if ended := self._subject.look():
            state.message = ended
        self._view.tick()
        if self._options.dashboard_port is not None:
            self._bands.tick(now_s=self._world.now(), rate=self._world.rate)

    def _look_for_shortages(self) -> None:
        """Raises WorldError where this process itself has no files left, once it can open enough to revert everything."""
        try:
            self._world.shortages.look()
        except OSError as failed:
            self._session.reserve.release()
            self._lacked = f"the run's own process could open no file: {failed.strerror}"
            raise WorldError(f"the run was ended: {self._lacked}", hint="`brownout doctor` shows the limits") from failed

    async def stack_ready(self, plan: LoadPlan) -> LoadPlan:
        """Starts the run's subject, if it has one."""
        return await self._subject.start(plan, self._journal.folder)

    def begun(self, run: PreparedRun) -> PreparedRun:
        """Moves the timeline of a run with a subject: its baseline begins as soon as the load generator has started."""
        if run.experiment.subject is None:
            return run
        moved = at_present(run, self._began_s, ready_s=self._world.now() + self._session.generator_lead_s)
        rewrite_run_file(self._journal.folder, moved)
        self._journal.event("run", "moved")
        self._view.ends_at(moved.end_s)
        return moved

    async def stack_ends(self) -> None:
        await self._subject.stop()

    async def load_started(self, plan: LoadPlan) -> None:
        """Starts the watch over foreign changes and, for each vendor whose clients the load has, real SDKs beside it."""
        self._foreign.start()
        if self._canaries_wanted:
            clock = {key: float(value) for key, value in self._world.clock_record().items()}
            regions, endpoints = self._world.spec.regions, self._world.endpoints()
            azure, aws = azure_machines(plan, regions, endpoints), aws_ways(plan, regions, endpoints)
            self._canaries.start(azure, aws, clock, self._journal.folder)

    async def load_stopped(self) -> None:
        """Stops the canaries and the watch over foreign changes, and records what they found."""
        await self._foreign.stop()
        problems = self._canaries.problems()
        await self._canaries.stop()
        for problem in problems:
            self._journal.event("canary", "problem", detail={"text": problem})

    def unprotected(self) -> str:
        return self._session.unprotected()

    def protected_how(self) -> str:
        return self._session.protected_how()

    def ran_out(self, problems: Iterable[str]) -> tuple[str, ...]:
        """What the stack and this process ran out of, and the load's problems that say that the generator did."""
        self._world.shortages.look()
        generator = (f"the load: {problem.splitlines()[0]}" for problem in problems if ran_out_of(problem))
        return (*filter(None, [self._lacked]), *self._world.shortages.found(), *generator)

    def disturbed(self) -> str:
        return self._session.disturbed()

"""A run in a live world: its stack, its ledger row, lease and guardian, its load and canaries, and Ctrl-C.

The first interrupt ends the schedule: faults are reverted, the record is completed. The second leaves at once; a guardian
without patience then reverts what is open and takes the stack down. A terminal that is closed and SIGTERM count as Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from brownout.harness.base.seeded import draw
from brownout.harness.base.statedir import discard_stack_dir, ledger_path, stack_dir
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import Experiment, Posture
from brownout.harness.experiment.prepare import stack_of
from brownout.harness.injection.guardian import GuardianHandle, start_guardian
from brownout.harness.injection.lease import Lease, LeaseKeeper
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.canaries import Canaries
from brownout.harness.record.history import Event, Recorder
from brownout.harness.record.progress import ProgressSink
from brownout.harness.run.conductor import Conductor, RunState
from brownout.harness.run.fault_bands import BandsFile, LedgerBands
from brownout.harness.run.progress_view import LiveView, NoProgress
from brownout.harness.world import LiveWorld
from brownout.harness.worlds.catalog import live_world

LEASE_TTL_S = 6.0
TICK_REAL_S = 0.25
LEAD_MIN_REAL_S, LEAD_MAX_REAL_S, LEAD_IN_GUARDIANS = 6.0, 40.0, 12.0
INTERRUPTED = 130
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_live(
    experiment: Experiment,
    posture: Posture,
    *,
    world: str,
    seed: int,
    folder: Path,
    sink: ProgressSink | None = None,
    canaries: bool = True,
    dashboard_port: int | None = None,
) -> bool:
    """Carries the experiment out in the live world of that name; its record is in `folder` afterwards.

    Returns False when the user interrupted it (everything is reverted then). Raises BrownoutError when the harness failed.
    """
    stack_id = f"run-{secrets.token_hex(4)}"
    spec = stack_of(experiment, posture, seed=seed, control_token=secrets.token_urlsafe(24))
    session = _Session(stack_id, world, experiment, posture, folder, sink or NoProgress())
    with session.protected() as guardian_took_s:
        timeline = experiment.timeline
        rate = timeline.rate(world)
        epoch_s = timeline.epoch_s() + min(timeline.warm_up, timeline.baseline - _lead_real_s(guardian_took_s) * rate)
        session.world = live_world(world).create(spec, folder=stack_dir(stack_id), epoch_s=epoch_s, rate=rate)
        asyncio.run(session.conduct(session.world, canaries=canaries, dashboard_port=dashboard_port))
    return not session.state.stop_requested


def _lead_real_s(guardian_took_s: float) -> float:
    """How long before the baseline the stack's clock starts.

    The clock is set before the stack is up, so what the nodes, their caches and the load generator will need has to be
    foreseen. They took 6 to 8 times as long as the guardian, a Python process too, has just taken on the same machine.
    """
    return min(max(LEAD_MIN_REAL_S, LEAD_IN_GUARDIANS * guardian_took_s), LEAD_MAX_REAL_S)


class _Session:
    """One run on one stack of a live world."""

    def __init__(
        self, stack_id: str, kind: str, experiment: Experiment, posture: Posture, folder: Path, sink: ProgressSink
    ) -> None:
        self.stack_id, self.experiment, self.posture = stack_id, experiment, posture
        self._kind = kind
        self.folder, self.sink, self.state = folder, sink, RunState()
        self.world: LiveWorld | None = None
        self.ledger = Ledger(ledger_path())
        self.recorder = Recorder(folder)
        self._canaries = Canaries()
        self._keeper = LeaseKeeper(Lease(stack_dir(stack_id), LEASE_TTL_S))
        self._guardian: GuardianHandle | None = None

    @contextmanager
    def protected(self) -> Iterator[float]:
        """The stack's row in the ledger, a lease that is kept, and a guardian that watches both; how long that one took."""
        self.ledger.add_stack(self.stack_id, folder=stack_dir(self.stack_id), world=self._kind, run_owned=True)
        try:
            with self._keeper:
                started_s = time.monotonic()
                self._guardian = start_guardian(self.stack_id, LEASE_TTL_S)
                self._guardian.wait_ready()
                yield time.monotonic() - started_s
        finally:
            self._end()

    def _unprotected(self) -> str:
        """Why a kill would have left faults behind; "" when the guardian watches and the lease is kept."""
        if self._guardian is None or not self._guardian.alive():
            return "the guardian died during the run"
        if self._keeper.problem:
            return f"the lease could not be kept: {self._keeper.problem}"
        return ""

    def _end(self) -> None:
        try:
            if self._guardian is not None:
                self._guardian.wait()
        finally:
            down = self.world is None or not self.world.alive()
            if down:
                self.ledger.close_stack(self.stack_id)
            self.recorder.close()
            self.ledger.close()
            with suppress(OSError):  # nobody may be watching any more
                self.sink.close()
            if down:
                discard_stack_dir(stack_dir(self.stack_id), keep_logs=True)

    async def conduct(self, world: LiveWorld, *, canaries: bool, dashboard_port: int | None) -> None:
        view = LiveView(self.experiment, world, self.state, self.sink, self.folder)
        roles = {step.name: step.role for step in self.experiment.schedule}
        bands = BandsFile(self.folder, LedgerBands(self.ledger, self.stack_id, roles))

        def tick() -> None:
            view.tick()
            if dashboard_port is not None:
                bands.tick(now_s=world.now(), rate=world.rate)

        conductor = Conductor(
            world,
            self.experiment,
            self.posture,
            self.recorder,
            plugins.fault,
            lambda notice: LifeCycle(world, self.ledger, self.stack_id, notice, make=plugins.fault),
            self.state,
            tick=tick,
            tick_s=TICK_REAL_S * world.rate,
            beside=(lambda plan: self._start_canaries(plan, world)) if canaries else None,
            dashboard_port=dashboard_port,
            unprotected=self._unprotected,
        )
        loop = asyncio.get_running_loop()
        heard = [number for number in INTERRUPTS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
        for number in heard:
            loop.add_signal_handler(number, self._interrupt)
        try:
            await conductor.conduct()
        finally:
            bands.remove()
            for number in heard:
                loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        if self.state.stop_requested:
            with suppress(OSError):
                os.write(2, b"\nleft at once; a guardian reverts what is open and takes the stack down\n")
            start_guardian(self.stack_id, LEASE_TTL_S, grace_s=0.0)
            os._exit(INTERRUPTED)
        self.state.stop_requested = True
        self.state.message = "interrupted: reverting every fault (again to leave at once)"

    async def _start_canaries(self, plan: LoadPlan, world: LiveWorld) -> Callable[[], Awaitable[None]]:
        """Real SDKs on one warm machine and on ever new ones of a scale set, where the experiment has both."""
        machines = _canary_machines(plan, world)
        if machines is None:
            return _nothing_beside
        region, warm, scale_set = machines
        clock = {key: float(value) for key, value in world.clock_record().items()}
        self._canaries.start(world.urls()[f"{region}.host"], warm, scale_set, clock, self.folder)
        return lambda: self._stop_canaries(world)

    async def _stop_canaries(self, world: LiveWorld) -> None:
        problems = self._canaries.problems()
        await self._canaries.stop()
        for problem in problems:
            at_s = round(world.now(), 6)
            self.recorder.event(Event(at_s, "canary", "problem", detail={"text": problem}))


async def _nothing_beside() -> None:
    """Nothing was started beside the load."""


def _canary_machines(plan: LoadPlan, world: LiveWorld) -> tuple[str, str, str] | None:
    """Region, an established machine and a scale set of the first region that has both in the load."""
    for region in world.spec.regions:
        tokens = [cohort for cohort in plan.cohorts if cohort.region == region and cohort.model == "token"]
        warm = [name for cohort in tokens if not cohort.fresh for name in cohort.machines]
        sets = [name for cohort in tokens if cohort.fresh for name in cohort.machines]
        if warm and sets:
            return region, warm[int(draw(plan.seed, "canary") * len(warm))], sets[0]
    return None

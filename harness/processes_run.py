"""A run in the world `processes`: its stack, its ledger row, lease and guardian, its load and canaries, and Ctrl-C.

The first interrupt ends the schedule: faults are reverted, the record is completed. The second leaves at once; the
guardian then finds the lease lapsed and reverts what is open.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import registry
from harness.draw import draw
from harness.experiment import Experiment, Posture
from harness.guardian import GuardianHandle, start_guardian
from harness.history import Event, Recorder
from harness.lease import Lease, LeaseKeeper
from harness.ledger import Ledger
from harness.lifecycle import LifeCycle, Notice
from harness.live import LiveView, NoProgress
from harness.load.canaries import Canaries
from harness.load.plan import LoadPlan
from harness.plan import stack_of
from harness.progress import ProgressSink
from harness.runner import Conductor, RunState
from harness.state import ledger_path, stack_dir
from harness.tools import toxiproxy_server
from harness.worlds.processes import ProcessesWorld

LEASE_TTL_S = 6.0
TICK_REAL_S = 0.25
LEAD_REAL_S = 12.0  # for the stack, the caches and the load generator to come up before the baseline
WORLD_ENTRY = "harness.worlds.processes:ProcessesWorld"
INTERRUPTED = 130


def run_processes(
    experiment: Experiment,
    posture: Posture,
    *,
    seed: int,
    folder: Path,
    sink: ProgressSink | None = None,
    canaries: bool = True,
    dashboard_port: int | None = None,
) -> bool:
    """Carries the experiment out on real processes; its record is in `folder` afterwards.

    Returns False when the user interrupted it (everything is reverted then). Raises BrownoutError when the harness failed.
    """
    stack_id = f"run-{secrets.token_hex(4)}"
    spec = stack_of(experiment, posture, seed=seed, control_token=secrets.token_urlsafe(24))
    rate = experiment.timeline.rates.get("processes", 1.0)
    timeline = experiment.timeline
    epoch_s = timeline.epoch_s() + min(timeline.warm_up, timeline.baseline - LEAD_REAL_S * rate)
    binary = toxiproxy_server(say=lambda line: print(line, file=sys.stderr))  # noqa: T201 - what is used is told
    world = ProcessesWorld(spec, folder=stack_dir(stack_id), epoch_s=epoch_s, rate=rate, toxiproxy_binary=binary)
    session = _Session(stack_id, world, experiment, posture, folder, sink or NoProgress())
    with session.protected():
        asyncio.run(session.conduct(canaries=canaries, dashboard_port=dashboard_port))
    return not session.state.stop_requested


class _Session:
    """One run on one stack of processes."""

    def __init__(
        self,
        stack_id: str,
        world: ProcessesWorld,
        experiment: Experiment,
        posture: Posture,
        folder: Path,
        sink: ProgressSink,
    ) -> None:
        self.stack_id, self.world, self.experiment, self.posture = stack_id, world, experiment, posture
        self.folder, self.sink, self.state = folder, sink, RunState()
        self.ledger = Ledger(ledger_path())
        self.recorder = Recorder(folder)
        self._canaries = Canaries()

    @contextmanager
    def protected(self) -> Iterator[None]:
        """The stack's row in the ledger, a lease that is kept, and a guardian that watches both."""
        row = self.ledger.add_stack(self.stack_id, folder=self.world.folder, world=WORLD_ENTRY, run_owned=True)
        guardian: GuardianHandle | None = None
        try:
            with LeaseKeeper(Lease(row.folder, LEASE_TTL_S)):
                guardian = start_guardian(self.stack_id, LEASE_TTL_S)
                guardian.wait_ready()
                yield
        finally:
            self._end(guardian)

    def _end(self, guardian: GuardianHandle | None) -> None:
        if guardian is not None:
            guardian.wait()
        if not self.world.alive():
            self.ledger.close_stack(self.stack_id)
        self.recorder.close()
        self.ledger.close()
        self.sink.close()

    async def conduct(self, *, canaries: bool, dashboard_port: int | None) -> None:
        view = LiveView(self.experiment, self.world, self.state, self.sink, self.folder)
        conductor = Conductor(
            self.world,
            self.experiment,
            self.posture,
            self.recorder,
            registry.fault,
            self._lifecycle,
            self.state,
            tick=view.tick,
            tick_s=TICK_REAL_S * self.world.rate,
            beside=self._start_canaries if canaries else None,
            dashboard_port=dashboard_port,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)
        try:
            await conductor.conduct()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        if self.state.stop_requested:
            os.write(2, b"\nleft at once; the guardian reverts what is open\n")
            os._exit(INTERRUPTED)
        self.state.stop_requested = True
        self.state.message = "interrupted: reverting every fault (again to leave at once)"

    def _lifecycle(self, notice: Notice) -> LifeCycle:
        return LifeCycle(self.world, self.ledger, self.stack_id, notice, make=registry.fault)

    async def _start_canaries(self, plan: LoadPlan) -> Callable[[], Awaitable[None]]:
        """Real SDKs on one warm machine and on ever new ones of a scale set, where the experiment has both."""
        machines = _canary_machines(plan, self.world)
        if machines is None:
            return _nothing_beside
        region, warm, scale_set = machines
        clock = {key: float(value) for key, value in self.world.clock_record().items()}
        self._canaries.start(self.world.urls()[f"{region}.host"], warm, scale_set, clock, self.folder)
        return self._stop_canaries

    async def _stop_canaries(self) -> None:
        problems = self._canaries.problems()
        await self._canaries.stop()
        for problem in problems:
            at_s = round(self.world.now(), 6)
            self.recorder.event(Event(at_s, "canary", "problem", detail={"text": problem}))


async def _nothing_beside() -> None:
    """Nothing was started beside the load."""


def _canary_machines(plan: LoadPlan, world: ProcessesWorld) -> tuple[str, str, str] | None:
    """Region, an established machine and a scale set of the first region that has both in the load."""
    for region in world.spec.regions:
        tokens = [cohort for cohort in plan.cohorts if cohort.region == region and cohort.model == "token"]
        warm = [name for cohort in tokens if not cohort.fresh for name in cohort.machines]
        sets = [name for cohort in tokens if cohort.fresh for name in cohort.machines]
        if warm and sets:
            return region, warm[int(draw(plan.seed, "canary") * len(warm))], sets[0]
    return None

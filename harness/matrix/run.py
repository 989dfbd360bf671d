"""Measures a matrix on a stack of its own, which is taken down afterwards: in the simulation, or in a live world.

In a live world the stack is protected as that of a run is: by a row in the ledger, a lease and a guardian. The first interrupt
ends the matrix after the calls under way, with every fault reverted; the second leaves that to the guardian.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

from brownout.harness.api import require_main_thread
from brownout.harness.base.interrupts import interruptible
from brownout.harness.base.statedir import discard_stack_dir, ledger_path, stack_dir, state_dir
from brownout.harness.experiment import plugins
from brownout.harness.injection.guardian_keeper import GuardianKeeper
from brownout.harness.injection.guardian_start import start_guardian
from brownout.harness.injection.lease import Lease, LeaseRenewer
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.notices import Notice
from brownout.harness.matrix.calls import CALLS
from brownout.harness.matrix.events import MatrixEvent
from brownout.harness.matrix.holdings import Holdings, client_region
from brownout.harness.matrix.measure import MatrixMeasurement
from brownout.harness.matrix.options import MatrixOptions
from brownout.harness.record.matrix import Matrix, MatrixRow
from brownout.harness.run.live_session import LEASE_TTL_S
from brownout.harness.world import LiveWorld, World
from brownout.harness.worlds.catalog import SIMULATION, live_world
from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.needs import require_for_stack
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.aws.records.seed import account_of

EPOCH_S = 1_719_705_600.0  # 2024-06-30: of the simulation, so that each matrix of a seed is the same
STACK = "matrix"


def measure(options: MatrixOptions) -> Matrix:
    """The matrix; raises UsageError before anything is started, and BrownoutError with everything undone or told."""
    options.check()
    events = options.chosen_events()
    rows, interrupted = _simulated(options, events) if options.world == SIMULATION else _live(options, events)
    return Matrix(
        world=options.world,
        seed=options.seed,
        home=options.home,
        away=options.away,
        attempts=options.attempts,
        calls={call.name: call.title for call in CALLS},
        rows=rows,
        interrupted=interrupted,
        schema="brownout/matrix/v1",
    )


async def _measurement(options: MatrixOptions, world: World, life: LifeCycle) -> MatrixMeasurement:
    """A measurement on a stack that is up."""
    account_id, regions = account_of(world.spec), options.client_regions()
    return MatrixMeasurement(
        world,
        life,
        Holdings(world, (await sign_in(world)).access_keys),
        home=client_region(world.spec, options.home, account_id),
        clients=tuple(client_region(world.spec, region, account_id) for region in regions),
        attempts=options.attempts,
    )


def _simulated(options: MatrixOptions, events: tuple[MatrixEvent, ...]) -> tuple[tuple[MatrixRow, ...], bool]:
    world = SimulationWorld(options.stack(), epoch_s=EPOCH_S)

    async def conduct() -> tuple[MatrixRow, ...]:
        await world.start()
        return await (await _measurement(options, world, life)).rows(events)

    with tempfile.TemporaryDirectory() as folder, Ledger(":memory:") as ledger:
        ledger.add_stack(STACK, folder=Path(folder), world=SIMULATION, run_owned=True)
        life = LifeCycle(world, ledger, STACK, _unheard, monotonic=world.now)
        try:
            return world.run(conduct()), False
        finally:
            world.kernel.close()


def _live(options: MatrixOptions, events: tuple[MatrixEvent, ...]) -> tuple[tuple[MatrixRow, ...], bool]:
    require_main_thread(options.world)
    spec = options.stack(secrets.token_urlsafe(24))
    kind = live_world(options.world)
    kind.prepare(lambda line: print(line, file=sys.stderr))  # noqa: T201 - which tools are used is shown to the user
    require_for_stack(options.world, spec, state=state_dir())
    stack_id = f"run-{secrets.token_hex(4)}"
    with Ledger(ledger_path()) as ledger:
        ledger.require_lifted()
        ledger.add_stack(stack_id, folder=stack_dir(stack_id), world=options.world, run_owned=True)
        world = kind.create(spec, folder=stack_dir(stack_id), epoch_s=time.time(), rate=1.0)
        session = _LiveMatrix(options, world, ledger, stack_id)
        try:
            with session.lease:
                session.guardian.start()
                return asyncio.run(session.conduct(events)), session.interrupted
        finally:
            session.end()


class _LiveMatrix:
    """One matrix in a live world, on a stack that this process owns."""

    def __init__(self, options: MatrixOptions, world: LiveWorld, ledger: Ledger, stack_id: str) -> None:
        self._options, self._world, self._ledger, self._stack_id = options, world, ledger, stack_id
        self._measurement: MatrixMeasurement | None = None
        self.interrupted = False
        self.lease = LeaseRenewer(Lease(stack_dir(stack_id), LEASE_TTL_S))
        self.guardian = GuardianKeeper(lambda: start_guardian(stack_id, LEASE_TTL_S))

    async def conduct(self, events: tuple[MatrixEvent, ...]) -> tuple[MatrixRow, ...]:
        """Brings the stack up, measures, and takes it down whatever happens."""
        farewell = "left at once; a guardian reverts what is open and takes the stack down"
        loop = asyncio.get_running_loop()
        life = LifeCycle(self._world, self._ledger, self._stack_id, _unheard, make=plugins.fault, permission=self.lease.check)
        with interruptible(loop, first=self._interrupt, farewell=farewell, again=self._hand_over):
            try:
                await self._world.start()
                self._measurement = await _measurement(self._options, self._world, life)
                self._measurement.stopped = self.interrupted
                return await self._measurement.rows(events)
            finally:
                await life.revert_all()
                await self._world.stop()

    def _interrupt(self) -> None:
        self.interrupted = True
        if self._measurement is not None:
            self._measurement.stopped = True

    def _hand_over(self) -> None:
        start_guardian(self._stack_id, LEASE_TTL_S, grace_s=0.0)

    def end(self) -> None:
        """Waits for the guardian and closes the stack's row, once the lease is released."""
        try:
            self.guardian.wait()
        finally:
            if not self._world.alive():
                self._ledger.close_stack(self._stack_id)
                discard_stack_dir(stack_dir(self._stack_id), keep_logs=True)


def _unheard(notice: Notice) -> None:
    """A matrix keeps no record of what its faults went through; the ledger has it."""

"""A stack that belongs to this process: up for a `with` block, and taken down by its guardian where the process is killed.

Theory. A stack of `brownout up` outlives its command; this one has an owner, as a run's has. Its row in the ledger says so,
this process renews a lease, and a guardian that sees the lease lapse reverts what is open and takes the stack down. Everything
that the stack is made of lives in one thread with an event loop, so tests with and without a loop of their own use it alike.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from brownout.harness.base.statedir import discard_stack_dir, ledger_path, stack_dir, state_dir
from brownout.harness.client_env.machine_endpoints import write_files
from brownout.harness.client_env.shell_variables import exports, find_machine
from brownout.harness.client_env.stack_file import MachineEntry, RegionEntry, StackFile, write_stack_file
from brownout.harness.errors import LeftUnsafe, UsageError, WorldError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import StackShape
from brownout.harness.injection.guardian_keeper import GuardianKeeper
from brownout.harness.injection.guardian_start import start_guardian
from brownout.harness.injection.lease import Lease, LeaseRenewer
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.operate.fault_args import named_fault
from brownout.harness.operate.heal import undo_leftovers
from brownout.harness.operate.stacks import posture_settings, stack_shape
from brownout.harness.subject.environment import stack_content
from brownout.harness.testing.held_fault import HeldFault
from brownout.harness.testing.loop_thread import LoopThread
from brownout.harness.world import LiveWorld
from brownout.harness.worlds.catalog import PROCESSES, SIMULATION, check_able, live_world
from brownout.harness.worlds.needs import require_for_stack
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.hosts.endpoint import IMDS
from brownout.identity.core.topology import StackSpec, Vendor
from brownout.identity.server.clock import Clock

LEASE_TTL_S = 6.0
ORPHANED_S = 2.0  # how long the stack of a killed process stays up; a killed run's stays longer, to be looked at
GUARD_S = 1.0  # how often the guardian is looked at
STACK_FILE = "stack.json"

Renew = Callable[[], Coroutine[Any, Any, StackFile]]


class Stack:
    """A stack that is up. `file` is what a client in any language needs to know of it (docs/stack-file.md)."""

    def __init__(
        self, world: LiveWorld, file: StackFile, life: Callable[[], LifeCycle], loop: LoopThread, renew: Renew
    ) -> None:
        self.world, self.file = world, file
        self._life, self._loop, self._renew = life, loop, renew

    @property
    def id(self) -> str:
        return self.file.stack

    @property
    def stack_file(self) -> Path:
        """The file itself, for other programs: `brownout env --stack-file`."""
        return self.world.folder / STACK_FILE

    @property
    def regions(self) -> Mapping[str, RegionEntry]:
        """The URLs of each region."""
        return self.file.regions

    @property
    def urls(self) -> Mapping[str, str]:
        """Every URL that clients use, by region and name as the stack file has them: `sydney.vault_url`."""
        return {
            f"{region}.{name}": value
            for region, entry in self.regions.items()
            for name, value in entry
            if name.endswith("_url") and value
        }

    @property
    def clock(self) -> Clock:
        """The stack's clock: `now()` in emulated epoch seconds, `rate`, and `real_s(...)` of emulated seconds."""
        return Clock.from_record(self.file.clock)

    def machine(self, name: str) -> MachineEntry:
        """A machine, or one of a scale set (`NAME_7`); raises UsageError."""
        return find_machine(self.file, name)

    def env(
        self, machine: str = "", *, region: str = "", proxy: bool = False, container: bool = False, endpoint: str = IMDS
    ) -> dict[str, str]:
        """The variables that make a process a client of the stack, on a machine or on none; as `brownout env` prints them.

        Raises UsageError for what the stack does not have.
        """
        found = exports(self.file, machine, region=region, proxy=proxy, container=container, endpoint=endpoint)
        if machine:
            write_files(self.file, find_machine(self.file, machine), machine, endpoint)
        return found

    def now(self) -> float:
        """`clock.now()`: emulated time, epoch seconds."""
        return self.clock.now()

    def reset(self) -> None:
        """Has the stack as it came up: its faults are undone, and every node begins anew, for the next test.

        What clients made since is gone, keys are new and caches empty, so tokens and session credentials from before are
        refused. URLs, machines, the control token and the clock stay; `file` and `env` have the new secrets. Raises LeftUnsafe,
        WorldError, and UsageError in a world that cannot.
        """
        self.file = self._loop.run(self._renew())

    async def areset(self) -> None:
        """`reset` for a test with a loop of its own."""
        self.file = await asyncio.shield(asyncio.wrap_future(self._loop.submit(self._renew())))

    def fault(self, kind: str, *, target: str | None = None, **parameters: Any) -> HeldFault:
        """The fault for a `with` or an `async with` block; `target` and parameters as `brownout faults KIND` lists them.

        The block begins once the fault bites. It raises NotProven at its begin or end where that, or the heal, was not seen.
        Raises UsageError for a fault that there is not or that does not fit the stack, AbilityMissing.
        """
        found = named_fault(kind, target, parameters)
        check_able(found.kind, found.needs, self.world.name)
        found.carriers(self.world.spec)
        return HeldFault(self._life, self._loop.submit, found)


@contextmanager
def stack(
    *,
    world: str = PROCESSES,
    posture: str = "",
    vendors: Sequence[Vendor] = (),
    regions: str = "",
    settings: Mapping[str, Any] | None = None,
    seed: int = 1,
    rate: float = 1.0,
) -> Iterator[Stack]:
    """A stack for a block: up when the block begins, down after it, whatever happens in between.

    `posture` is one of the bundled experiment, or `EXPERIMENT:POSTURE`; `settings` are put over its settings. All vendors
    that are installed, and the usual regions, when none are named; `regions` is written `tokyo,dublin`. `rate` is the clock's.
    Raises UsageError, and WorldError with nothing left behind.
    """
    if world == SIMULATION:
        raise UsageError("a simulation lives inside a run: no client can reach it", hint=f"use {PROCESSES!r}")
    shape = stack_shape(tuple(vendors), regions, "")
    spec = _spec(shape, {**posture_settings(posture), **(settings or {})}, seed)
    kind = live_world(world)
    kind.prepare(lambda _: None)
    undo_leftovers()
    require_for_stack(world, spec, state=state_dir())
    stack_id = f"test-{secrets.token_hex(4)}"
    with LoopThread(f"stack {stack_id}") as loop:
        bringing_up = _Owned(stack_id, world, spec, rate, loop)
        try:
            yield loop.run(bringing_up.begin())
        finally:
            loop.run(bringing_up.end())


def _spec(shape: StackShape, settings: Mapping[str, Any], seed: int) -> StackSpec:
    # Every process of the machine can reach these nodes, so their token is a secret and not drawn from the seed.
    token = secrets.token_urlsafe(24)
    return build_stack(
        seed=seed, settings=settings, control_token=token, regions=shape.regions, home=shape.home or "", vendors=shape.vendors
    )


class _Owned:
    """The stack's row, lease and guardian, and the stack itself; all of it made and used in the loop's thread."""

    def __init__(self, stack_id: str, world: str, spec: StackSpec, rate: float, loop: LoopThread) -> None:
        self._id, self._world_name, self._spec, self._rate, self._loop = stack_id, world, spec, rate, loop
        self._exit = ExitStack()
        self._world: LiveWorld | None = None
        self._life: LifeCycle | None = None
        self._guarding: asyncio.Task[str] | None = None

    async def begin(self) -> Stack:
        """Brings it up under a guardian; what has begun when this raises is ended by `end`."""
        ledger = self._exit.enter_context(Ledger(ledger_path()))
        ledger.require_lifted()
        folder = stack_dir(self._id)
        ledger.add_stack(self._id, folder=folder, world=self._world_name, run_owned=True)
        self._exit.callback(self._close, ledger)
        guardian = GuardianKeeper(lambda: start_guardian(self._id, LEASE_TTL_S, grace_s=ORPHANED_S))
        self._exit.callback(guardian.wait)  # after the release of the lease: it has nothing to do then, and leaves
        lease = self._exit.enter_context(LeaseRenewer(Lease(folder, LEASE_TTL_S)))
        guardian.start()
        self._guarding = asyncio.ensure_future(_keep(guardian))
        world = self._world = live_world(self._world_name).create(
            self._spec, folder=folder, epoch_s=time.time(), rate=self._rate
        )
        self._life = LifeCycle(world, ledger, self._id, lambda _: None, make=plugins.fault, permission=lease.check)
        await world.start()
        return Stack(world, await self._written(), self.life, self._loop, self._renew)

    async def _renew(self) -> StackFile:
        """Undoes what is open and has every node begin anew; the stack file as it is then."""
        assert self._world is not None
        ended = await self.life().revert_all()
        if stuck := [found for found in ended if found.state == "stuck"]:
            hint = "`brownout heal` tries again; the end of the stack takes it away"
            raise LeftUnsafe("; ".join(f"{found.fault_id}: {found.evidence}" for found in stuck), hint=hint)
        await self._world.reset()
        return await self._written()

    async def _written(self) -> StackFile:
        """The stack file, written to the stack's folder."""
        assert self._world is not None
        file = await stack_content(self._id, self._world)
        write_stack_file(self._world.folder / STACK_FILE, file)
        return file

    def life(self) -> LifeCycle:
        """What injects and reverts; raises WorldError where a kill of this process would leave a fault behind."""
        assert self._life is not None
        assert self._guarding is not None
        if self._guarding.done():
            raise WorldError(f"no guardian watches stack {self._id}: {self._guarding.result()}")
        return self._life

    async def end(self) -> None:
        """Reverts what is open, takes the stack down and closes its row; raises what could not be done."""
        try:
            if self._life is not None:
                await self._life.revert_all()
            if self._world is not None:
                await self._world.stop()
        finally:
            if self._guarding is not None:
                self._guarding.cancel()
            self._exit.close()

    def _close(self, ledger: Ledger) -> None:
        if self._world is None or not self._world.alive():
            ledger.close_stack(self._id)
            discard_stack_dir(stack_dir(self._id), keep_logs=False)


async def _keep(guardian: GuardianKeeper) -> str:
    """Replaces a guardian that died, until that is tried no more; returns why."""
    problem = ""
    while not problem:
        await asyncio.sleep(GUARD_S)
        problem = guardian.problem()
    return problem

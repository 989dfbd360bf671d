"""Simulated stacks, plans and request logs for the simulation's own tests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.load.models.model import Account
from brownout.harness.record.history import Recorder, RequestRecord, read_history
from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.records.seed import account_of

T = TypeVar("T")
EPOCH_S = 1_720_742_400.0
HOUR_S = 3600.0
VAULT = "https://vault.azure.net"


def on_world(
    story: Callable[[SimulationWorld], Coroutine[Any, Any, T]],
    *,
    seed: int = 1,
    vendors: tuple[str, ...] = ("azure",),
    **settings: Any,
) -> T:
    """Runs `story` on a simulated world that has just come up."""
    world = SimulationWorld(build_stack(seed=seed, settings=settings, vendors=vendors), epoch_s=EPOCH_S)

    async def whole() -> T:
        await world.start()
        return await story(world)

    try:
        return world.run(whole())
    finally:
        world.kernel.close()


async def plan_for(world: SimulationWorld, cohorts: tuple[Cohort, ...], *, length_s: float) -> LoadPlan:
    """A plan that starts now."""
    spec = world.spec
    return LoadPlan(
        seed=spec.seed,
        start_s=world.now() + 1,
        end_s=world.now() + 1 + length_s,
        cohorts=cohorts,
        account=Account(spec.tenant_id, spec.subscription_id, await sign_in(world), account_of(spec)),
    )


def run_load(
    folder: Path,
    cohorts: tuple[Cohort, ...],
    *,
    length_s: float,
    schedule: Callable[[SimulationWorld], Coroutine[Any, Any, None]] | None = None,
    machines: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 1,
    **settings: Any,
) -> tuple[RequestRecord, ...]:
    """The request log of a load on a fresh simulated stack, with `schedule` carried out beside it."""
    recorder = Recorder(folder)
    spec = build_stack(seed=seed, settings=settings, machines=machines)
    world = SimulationWorld(spec, epoch_s=EPOCH_S, recorder=recorder)

    async def whole() -> None:
        await world.start()
        plan = await plan_for(world, cohorts, length_s=length_s)
        load = await world.start_load(plan, folder)
        if schedule is not None:
            await schedule(world)
        await world.sleep_until(plan.end_s)
        await load.stop()
        await world.stop()

    try:
        world.run(whole())
    finally:
        world.kernel.close()
        recorder.close()
    return read_history(folder).requests

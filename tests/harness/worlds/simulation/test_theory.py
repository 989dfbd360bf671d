"""Predictions of the theory of caches beside an outage (docs/reference/sources.md#arithmetic-of-warm-clients)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from brownout.harness.effects import SwitchThrow
from brownout.harness.load.arrivals import Cohort
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request
from support.carriers import switch
from support.client_requests import token_request
from support.simulated_stacks import EPOCH_S, HOUR_S, VAULT, run_load

OUTAGE_S = 5.55 * HOUR_S
MACHINES = 400
LIFE_S = 86399.0
MARGIN_S = 300.0


def failed_share(*, outage_s: float, refresh_fraction: float) -> float:
    """The share of established machines without a token at the end of an outage that began with tokens of every age."""
    settings = {
        "host_refresh_fraction": refresh_fraction,
        "instance_refresh_fraction": refresh_fraction,
        "publish_interval_s": 6 * HOUR_S,
    }
    spec = build_stack(seed=5, settings=settings, machines={"web": {"region": "sydney", "count": MACHINES}})
    world = SimulationWorld(spec, epoch_s=EPOCH_S)
    oldest_s = min(refresh_fraction * LIFE_S, LIFE_S - MARGIN_S)

    async def story() -> int:
        await world.start()
        tokens = [
            {"machine": f"web-{index + 1}", "resource": VAULT, "age_s": oldest_s * (index + 0.5) / MACHINES}
            for index in range(MACHINES)
        ]
        primed = await world.control("sydney.host", Request("POST", "/admin/prime", body={"tokens": tokens}))
        assert primed.status == 200
        await world.hold(switch("sydney.store"), "f", SwitchThrow("invalidate-key", {"key_id": "current"}))
        await world.sleep_until(world.now() + outage_s)
        statuses = [
            (await world.client("sydney.host", token_request(f"web-{index + 1}"), timeout_s=5)).status
            for index in range(MACHINES)
        ]
        return sum(status != 200 for status in statuses)

    try:
        return world.run(story()) / MACHINES
    finally:
        world.kernel.close()


def test_warm_machines_survive_the_published_outage() -> None:
    """Claim C4: with refresh at half-life no machine with a cached token fails in 5 h 33 m."""
    assert failed_share(outage_s=OUTAGE_S, refresh_fraction=0.5) == 0


def test_warm_machines_do_not_survive_a_day() -> None:
    """Claim C4, bound: after more than 24 hours without a refresh nobody has a token left."""
    assert failed_share(outage_s=24.2 * HOUR_S, refresh_fraction=0.5) == 1


@pytest.mark.parametrize("hours", [11, 14, 18, 22])
def test_with_early_refresh_failures_begin_after_half_a_life(hours: float) -> None:
    """Failures are 0 for D < 12 h and (D - 12)/12 of the warm machines by D hours."""
    expected = max(0.0, (hours * HOUR_S - LIFE_S / 2 + MARGIN_S) / (LIFE_S / 2))
    assert failed_share(outage_s=hours * HOUR_S, refresh_fraction=0.5) == pytest.approx(expected, abs=1.5 / MACHINES + 0.001)


@pytest.mark.parametrize("hours", [1, 5.55, 12])
def test_with_refresh_at_expiry_failures_are_d_over_24(hours: float) -> None:
    """With refresh only at the end of a token's life D/24 of the warm machines fail (23 % at 5.55 h)."""
    expected = hours * HOUR_S / (LIFE_S - MARGIN_S)
    assert failed_share(outage_s=hours * HOUR_S, refresh_fraction=1.0) == pytest.approx(expected, abs=1.5 / MACHINES + 0.001)


def test_random_ages_agree_with_the_theory_within_chance(tmp_path: Path) -> None:
    """The same with machines whose ages are drawn, and requests that come by chance: within four standard errors."""
    from brownout.harness.experiment.load_plan import primed_tokens

    settings = {"host_refresh_fraction": 1.0, "instance_refresh_fraction": 1.0, "publish_interval_s": 6 * HOUR_S}
    warm = Cohort(
        name="warm", model="token", region="sydney", rate_per_s=1.0, machines=tuple(f"web-{i + 1}" for i in range(MACHINES))
    )

    async def schedule(world: SimulationWorld) -> None:
        from support.simulated_stacks import plan_for

        plan = await plan_for(world, (warm,), length_s=600)
        tokens = primed_tokens(plan, world.spec)["sydney"]
        await world.control("sydney.host", Request("POST", "/admin/prime", body={"tokens": tokens}))
        await world.hold(switch("sydney.store"), "f", SwitchThrow("invalidate-key", {"key_id": "current"}))

    machines = {"web": {"region": "sydney", "count": MACHINES}}
    records = run_load(
        tmp_path,
        (warm.model_copy(update={"rate_per_s": 0.1}),),
        length_s=OUTAGE_S,
        schedule=schedule,
        machines=machines,
        seed=6,
        **settings,
    )
    last = {record.machine: record.outcome for record in records}
    share = sum(outcome != "happened" for outcome in last.values()) / len(last)
    expected = OUTAGE_S / (LIFE_S - MARGIN_S)
    assert len(last) > 0.9 * MACHINES
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / len(last))


@pytest.mark.parametrize("cold", [1, 3])
def test_the_share_of_failures_is_the_share_of_cold_requests(tmp_path: Path, cold: int) -> None:
    """Claim C3: the failing share emerges from the mix; three times the cold machines, three times the failures."""
    warm = Cohort(name="warm", model="token", region="sydney", rate_per_s=1.0, machines=("web-1", "web-2", "web-3"))
    fresh = Cohort(name="cold", model="token", region="sydney", rate_per_s=0.03 * cold, machines=("scaleout",), fresh=True)

    async def schedule(world: SimulationWorld) -> None:
        for machine in ("web-1", "web-2", "web-3"):
            await world.client("sydney.host", token_request(machine), timeout_s=5)
        await world.hold(switch("sydney.store"), "f", SwitchThrow("invalidate-key", {"key_id": "current"}))

    records = run_load(tmp_path, (warm, fresh), length_s=4000, schedule=schedule, publish_interval_s=HOUR_S)
    failed = {cohort: sum(r.outcome != "happened" for r in records if r.cohort == cohort) for cohort in ("warm", "cold")}
    assert failed["warm"] == 0
    assert failed["cold"] == 120 * cold
    assert (failed["cold"] / len(records)) == pytest.approx(0.03 * cold / (1 + 0.03 * cold), rel=0.01)


def test_a_simulated_day_of_requests_is_whole(tmp_path: Path) -> None:
    """24 hours with load, an outage and its end: every arrival of the plan has its line, and the machine that waited works."""
    cohort = Cohort(name="warm", model="token", region="sydney", rate_per_s=0.02, machines=("web-1", "web-2"))

    async def schedule(world: SimulationWorld) -> None:
        await world.sleep_until(EPOCH_S + 10 * HOUR_S)
        await world.hold(switch("sydney.store"), "f", SwitchThrow("invalidate-key", {"key_id": "current"}))
        await world.sleep_until(EPOCH_S + 15.55 * HOUR_S)
        await world.release(switch("sydney.store"), "f")

    records = run_load(tmp_path, (cohort,), length_s=24 * HOUR_S, schedule=schedule)
    assert len(records) == 1728
    assert {record.outcome for record in records} == {"happened"}
    assert any("stale" in record.trail for record in records)

"""A troubled load in the simulation and the digest of its request log."""

from __future__ import annotations

import hashlib
from pathlib import Path

from brownout.harness.effects import LinkEffect, NodeEffect, SwitchThrow
from brownout.harness.load.arrivals import Cohort
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.carriers import link, node, switch
from support.simulated_stacks import run_load

COHORTS = (
    Cohort(name="warm", model="token", region="sydney", rate_per_s=0.5, machines=("web-1", "web-2", "web-3")),
    Cohort(name="cold", model="token", region="sydney", rate_per_s=0.2, machines=("scaleout",), fresh=True),
    Cohort(
        name="admins",
        model="management",
        region="sydney",
        rate_per_s=0.2,
        machines=("web-1",),
        mix={"create": 1, "delete": 1, "assign": 1, "update": 1, "list": 1},
        homes={"sydney": 1, "melbourne": 1},
        front_ends={"arm": 1, "portal": 1},
    ),
    Cohort(name="apps", model="resource", region="sydney", rate_per_s=0.2, machines=("web-1",)),
    Cohort(
        name="makers", model="provision", region="sydney", rate_per_s=0.1, mix={"provision-system": 1, "provision-plain": 1}
    ),
)


async def turmoil(world: SimulationWorld) -> None:
    """Faults of every kind, overlapping."""
    start_s = world.now()
    await world.sleep_until(start_s + 60)
    await world.hold(switch("sydney.directory"), "a", SwitchThrow("switch-keys", {"region": "sydney"}))
    await world.hold(link("sydney.host->sydney.token.z2"), "b", LinkEffect("slow", latency_ms=200, jitter_ms=100))
    await world.sleep_until(start_s + 120)
    await world.hold(node("sydney.token.z1"), "c", NodeEffect("down"))
    await world.hold(node("sydney.management"), "d", NodeEffect("paused"))
    await world.hold(link("sydney.token->sydney.store"), "e", LinkEffect("stall"))
    await world.sleep_until(start_s + 200)
    await world.release(link("sydney.token->sydney.store"), "e")
    await world.release(node("sydney.management"), "d")
    await world.release(node("sydney.token.z1"), "c")
    await world.sleep_until(start_s + 250)
    await world.release(switch("sydney.directory"), "a")


def digest(folder: Path, seed: int) -> str:
    """The digest of the request log of a troubled run."""
    records = run_load(folder, COHORTS, length_s=300, schedule=turmoil, seed=seed)
    assert len({record.outcome for record in records}) == 3
    return hashlib.sha256((folder / "requests.jsonl").read_bytes()).hexdigest()

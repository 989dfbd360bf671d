"""The very same core runs in every world: one schedule, one load, and every request that they decide ends alike.

The incident in small: a roll-out that pins hold back, a key switch, a zone failover that does not help, a push, and the
configuration change that does; then the switch is undone. Requests intended while a step was under way in either world
(and a stated margin around it) are left out: there the schedule does not decide. For all others outcome, status and
error must be equal, and for cohorts that no cache serves also the trail: nodes, builds, key ids and cache of every hop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.effects import SwitchThrow
from brownout.harness.experiment.load_plan import primed_tokens
from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.load.models.model import Account, SignIn
from brownout.harness.record.history import Recorder, RequestRecord, read_history
from brownout.harness.world import World
from brownout.harness.worlds.catalog import live_world
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import StackSpec
from support.carriers import switch
from support.client_requests import user_token
from support.world_drivers import EPOCH_S

pytestmark = pytest.mark.slow

RATE = 200.0
LEAD_S = 20 * RATE  # for the stack, the load generator and the caches, before the first arrival
LENGTH_S = 7000.0
BEFORE_S, AFTER_S = 10.0, 60.0  # emulated seconds left out before a step begins and after it is done
LEAST_COMPARED = 1000
LEAST_IN_CELL, TOLERANCE = 20, 0.1  # steps take a while to bite, which may be two or three requests of a small cohort
SETTINGS: Mapping[str, Any] = {
    "pins": {"sydney": "1.0", "melbourne": "1.0"},
    "publish_interval_s": 300,
    "config_delay_s": 2,
    "call_timeout_ms": 3000,
}
MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney", "count": 12},
    "desk": {"region": "sydney", "count": 2},
    "scaleout": {"region": "sydney", "scale_set": True},
    "visitor": {"region": "melbourne", "scale_set": True, "identities": ["traveller@sydney"]},
}
COHORTS = (
    Cohort(name="warm", model="token", region="sydney", rate_per_s=0.12, machines=("web",)),
    Cohort(name="newly-scaled", model="token", region="sydney", rate_per_s=0.05, machines=("scaleout",), fresh=True),
    Cohort(name="visitors", model="token", region="melbourne", rate_per_s=0.03, machines=("visitor",), fresh=True),
    Cohort(
        name="management",
        model="management",
        region="sydney",
        rate_per_s=0.04,
        machines=("desk-1", "desk-2"),
        mix={"create": 0.3, "delete": 0.1, "assign": 0.2, "update": 0.2, "list": 0.2},
        homes={"sydney": 0.5, "melbourne": 0.5},
        front_ends={"arm": 0.5, "portal": 0.5},
    ),
    Cohort(
        name="provisioning",
        model="provision",
        region="sydney",
        rate_per_s=0.02,
        mix={"provision-system": 0.5, "provision-plain": 0.5},
    ),
)
UNCACHED = ("newly-scaled", "visitors", "management")
STEPS: tuple[tuple[float, str, str, str, Mapping[str, Any] | None], ...] = (
    (600, "sydney.deployer", "roll", "roll-out", {"build": "2.0"}),
    (1200, "sydney.directory", "switch", "switch-keys", {"region": "sydney", "overlap_s": 0}),
    (2100, "sydney.host", "zone", "route-zone", {"zone": "z1", "to": "z2"}),
    (3000, "sydney.host", "zone", "", None),
    (3600, "sydney.directory", "push", "push-keys", {"region": "sydney"}),
    (4600, "sydney.deployer", "config", "configure", {"regions": [], "set": {"force_managed_key": True}}),
    (6000, "sydney.directory", "switch", "", None),
)


@dataclass(slots=True)
class Run:
    """What came of one world: its requests by id, and when each step was under way."""

    requests: dict[str, RequestRecord] = field(default_factory=dict)
    steps: list[tuple[float, float]] = field(default_factory=list)
    problems: tuple[str, ...] = ()


def spec() -> StackSpec:
    return build_stack(seed=33, settings=SETTINGS, machines=MACHINES)


def plan_for(token: str) -> LoadPlan:
    stack = spec()
    counted = {"web": tuple(f"web-{index + 1}" for index in range(12))}
    cohorts = tuple(
        cohort.model_copy(update={"machines": counted.get("".join(cohort.machines), cohort.machines)}) for cohort in COHORTS
    )
    return LoadPlan(
        seed=stack.seed,
        start_s=EPOCH_S,
        end_s=EPOCH_S + LENGTH_S,
        cohorts=cohorts,
        deadline_ms=8000,
        account=Account(stack.tenant_id, stack.subscription_id, SignIn(token)),
    )


async def conduct(world: World, folder: Path, run: Run) -> None:
    """The whole schedule, in any world."""
    await world.start()
    try:
        plan = plan_for(await user_token(world))
        load = await world.start_load(plan, folder)
        await world.sleep_until(EPOCH_S - 300)
        for region, tokens in primed_tokens(plan, world.spec).items():
            primed = await world.control(f"{region}.host", Request("POST", "/admin/prime", body={"tokens": tokens}))
            assert primed.ok, primed
        assert world.now() < EPOCH_S, "the machine was too slow to prime the caches in time"
        for at_s, node, fault_id, name, value in STEPS:
            await world.sleep_until(EPOCH_S + at_s)
            if value is None:
                await world.release(switch(node), fault_id)
            else:
                await world.hold(switch(node), fault_id, SwitchThrow(name, value))
            run.steps.append((EPOCH_S + at_s, world.now()))
        await world.sleep_until(plan.end_s)
        await load.stop()
        run.problems = load.problems()
    finally:
        await world.stop()


def simulate(folder: Path) -> Run:
    run, recorder = Run(), Recorder(folder)
    world = SimulationWorld(spec(), epoch_s=EPOCH_S - LEAD_S, recorder=recorder)
    world.run(conduct(world, folder, run))
    world.kernel.close()
    recorder.close()
    run.requests = {record.id: record for record in read_history(folder).requests}
    return run


def run_for_real(kind: str, base: Path) -> Run:
    run, folder = Run(), base / kind
    world = live_world(kind).create(spec(), folder=base / f"core-{kind}", epoch_s=EPOCH_S - LEAD_S, rate=RATE)
    asyncio.run(conduct(world, folder, run))
    (folder / "events.jsonl").touch()
    run.requests = {record.id: record for record in read_history(folder).requests}
    return run


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The schedule carried out in the simulation."""
    return simulate(tmp_path_factory.mktemp("same-core"))


@pytest.fixture(scope="module")
def in_processes(tmp_path_factory: pytest.TempPathFactory, toxiproxy_binary: Path) -> Run:
    """The schedule carried out in processes."""
    return run_for_real("processes", tmp_path_factory.mktemp("same-core"))


@pytest.fixture(scope="module")
def in_containers(tmp_path_factory: pytest.TempPathFactory, home: None) -> Run:
    """The schedule carried out in containers."""
    return run_for_real("compose", tmp_path_factory.mktemp("same-core"))


@pytest.fixture(scope="module", params=["in_processes", pytest.param("in_containers", marks=pytest.mark.docker)])
def runs(simulated: Run, request: pytest.FixtureRequest) -> tuple[Run, Run]:
    """The simulation's run and a real one."""
    real: Run = request.getfixturevalue(request.param)
    return simulated, real


def borders(*both: Run) -> list[tuple[float, float]]:
    """Spans in which the schedule does not decide: from before a step began to after it was done in the slower world."""
    return [
        (min(step[0] for step in steps) - BEFORE_S, max(step[1] for step in steps) + AFTER_S)
        for steps in zip(*(run.steps for run in both), strict=True)
    ]


def decided(simulated: Run, real: Run) -> list[tuple[RequestRecord, RequestRecord]]:
    """The pairs of requests that lie outside every border."""
    spans = borders(simulated, real)
    return [
        (record, real.requests[request_id])
        for request_id, record in simulated.requests.items()
        if not any(start_s <= record.intended_s <= end_s for start_s, end_s in spans)
    ]


def test_every_world_issues_the_same_requests(runs: tuple[Run, Run]) -> None:
    """Ids, intended times, machines and operations are the plan's, so both logs have exactly the same ones."""
    simulated, real = runs
    assert real.problems == ()
    assert real.requests.keys() == simulated.requests.keys()
    for request_id, record in simulated.requests.items():
        other = real.requests[request_id]
        assert (record.intended_s, record.machine, record.operation, record.home) == (
            other.intended_s,
            other.machine,
            other.operation,
            other.home,
        )


def test_every_request_that_the_schedule_decides_ends_alike(
    runs: tuple[Run, Run], record_property: Callable[[str, object], None]
) -> None:
    """Outcome, status and error are equal for each of more than a thousand requests, of which many fail by schedule."""
    pairs = decided(*runs)
    differing = [
        (one.id, one.operation, round(one.intended_s - EPOCH_S), (one.status, one.error), (two.status, two.error), two.trail)
        for one, two in pairs
        if (one.outcome, one.status, one.error) != (two.outcome, two.status, two.error)
    ]
    outcomes = Counter((one.cohort, one.outcome) for one, _ in pairs)
    record_property("compared", len(pairs))
    record_property("planned", len(runs[0].requests))
    print(f"compared {len(pairs)} of {len(runs[0].requests)} requests: {dict(outcomes)}")  # noqa: T201 - shown by -rA
    assert differing == []
    assert len(pairs) > LEAST_COMPARED
    for cohort in ("newly-scaled", "visitors", "management", "provisioning"):
        assert outcomes[cohort, "refused"] > 20, "too few failures to compare"
        assert outcomes[cohort, "happened"] > 20, "too few successes to compare"
    assert outcomes["warm", "refused"] == 0


def test_the_same_nodes_keys_and_caches_stand_behind_it(
    runs: tuple[Run, Run], record_property: Callable[[str, object], None]
) -> None:
    """Where no earlier request decides what is cached, the whole trail is equal: hop by hop, key by key."""
    pairs = [(one, two) for one, two in decided(*runs) if one.cohort in UNCACHED]
    differing = [(one.id, one.operation, one.trail, two.trail) for one, two in pairs if one.trail != two.trail]
    keys = Counter(hop.split(";")[2] for one, _ in pairs for hop in one.trail.split(">") if "token" in hop)
    record_property("trails compared", len(pairs))
    print(f"compared {len(pairs)} trails; keys of token nodes: {dict(keys)}")  # noqa: T201 - shown by -rA
    assert differing == []
    assert len(pairs) > LEAST_COMPARED / 2
    assert {"manual-sydney-1", "managed-sydney-1"} <= keys.keys()


def shares(run: Run) -> Mapping[tuple[int, str, str], tuple[float, int]]:
    """For each phase (between two steps), cohort and outcome: the share of the requests, and of how many."""
    starts = [EPOCH_S + at_s for at_s, *_ in STEPS]
    phases = {record.id: sum(record.intended_s >= start_s for start_s in starts) for record in run.requests.values()}
    found = Counter((phases[record.id], record.cohort, record.outcome) for record in run.requests.values())
    totals = Counter((phases[record.id], record.cohort) for record in run.requests.values())
    return {
        (phase, cohort, outcome): (found[phase, cohort, outcome] / total, total)
        for (phase, cohort), total in totals.items()
        for outcome in ("happened", "refused", "unknown")
    }


@pytest.mark.docker
def test_outcome_shares_agree_in_all_three_worlds(simulated: Run, in_processes: Run, in_containers: Run) -> None:
    """For each phase and cohort of 20 requests or more the shares differ by TOLERANCE at most, steps and all included."""
    tables = [shares(run) for run in (simulated, in_processes, in_containers)]
    assert tables[0].keys() == tables[1].keys() == tables[2].keys()
    compared = [key for key in tables[0] if tables[0][key][1] >= LEAST_IN_CELL]
    spread = {key: max(table[key][0] for table in tables) - min(table[key][0] for table in tables) for key in compared}
    widest = max(spread, key=lambda key: spread[key])
    print(f"{len(compared)} shares compared, widest apart by {spread[widest]:.3f}: {widest}")  # noqa: T201 - shown by -rA
    assert len(compared) > 50
    assert spread[widest] <= TOLERANCE, widest

"""How much emulated time the simulation gets through in a second of wall time, idle and under thin probe loads."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Benchmark, Figures, Part, Row, Spread, rounded, text
from benchmarks.stands import SEED
from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.record.history import Recorder
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import HEALTH_PATH

EPOCH_S = 1_720_742_400.0
PROBE_INTERVAL_S = 30.0
HOUR_S = 3600.0
FULL_DAY_H = 24.0
PROBED = "sydney.host"


@dataclass(frozen=True, slots=True)
class Settings:
    """`probes`: how many machines ask for a token every 30 emulated seconds, one run for each number."""

    hours: float = FULL_DAY_H
    probes: tuple[int, ...] = (0, 1, 20)
    round_trips: int = 20_000
    rounds: int = 3


class SimulatedDay(Part):
    """One load: `wall_s` of real time for `hours` of emulated time, the stack's own publishing included."""

    probes: int
    hours: float
    requests: int
    happened_share: float
    wall_s: Spread
    hours_per_s: Spread


class SimRate(Figures):
    """`round_trips_per_s` is one caller asking a node for its health over a link, one request after the other."""

    days: tuple[SimulatedDay, ...]
    round_trips_per_s: Spread


@dataclass(frozen=True, slots=True)
class Round:
    wall_s: float
    requests: int
    happened: int


def measure(settings: Settings) -> SimRate:
    days = tuple(_day(probes, settings) for probes in settings.probes)
    return SimRate(
        days=days, round_trips_per_s=Spread.of(_round_trips_per_s(settings.round_trips) for _ in range(settings.rounds))
    )


def _day(probes: int, settings: Settings) -> SimulatedDay:
    rounds = [_round(probes, settings.hours) for _ in range(settings.rounds)]
    first = rounds[0]
    return SimulatedDay(
        probes=probes,
        hours=settings.hours,
        requests=first.requests,
        happened_share=rounded(first.happened / first.requests) if first.requests else 1.0,
        wall_s=Spread.of(each.wall_s for each in rounds),
        hours_per_s=Spread.of(settings.hours / each.wall_s for each in rounds),
    )


def _round(probes: int, hours: float) -> Round:
    with tempfile.TemporaryDirectory(prefix="brownout-bench-") as folder:
        world, recorder = _world(Path(folder), probes)
        started_s = time.perf_counter()
        world.run(_live(world, _plan(world, probes, hours), Path(folder)))
        wall_s = time.perf_counter() - started_s
        world.kernel.close()
        recorder.close()
        lines = (Path(folder) / "requests.jsonl").read_text().splitlines()
    return Round(wall_s, len(lines), sum('"outcome":"happened"' in line for line in lines))


def _world(folder: Path, probes: int) -> tuple[SimulationWorld, Recorder]:
    recorder = Recorder(folder)
    machines = {"probe": {"region": "sydney", "count": max(1, probes)}}
    return SimulationWorld(build_stack(seed=SEED, machines=machines), epoch_s=EPOCH_S, recorder=recorder), recorder


def _plan(world: SimulationWorld, probes: int, hours: float) -> LoadPlan:
    names = tuple(machine.name for machine in world.spec.machines)
    rate_per_s = probes / PROBE_INTERVAL_S
    cohort = (Cohort(name="probes", model="token", region="sydney", rate_per_s=rate_per_s, machines=names),) if probes else ()
    return LoadPlan(seed=SEED, start_s=EPOCH_S, end_s=EPOCH_S + hours * HOUR_S, cohorts=cohort)


async def _live(world: SimulationWorld, plan: LoadPlan, folder: Path) -> None:
    await world.start()
    load = await world.start_load(plan, folder)
    await world.sleep_until(plan.end_s)
    await load.stop()


def _round_trips_per_s(count: int) -> float:
    world = SimulationWorld(build_stack(seed=SEED), epoch_s=EPOCH_S)
    world.run(world.start())
    started_s = time.perf_counter()
    world.run(_ask(world, count))
    took_s = time.perf_counter() - started_s
    world.kernel.close()
    return count / took_s


async def _ask(world: SimulationWorld, count: int) -> None:
    for _ in range(count):
        await world.client(PROBED, Request("GET", HEALTH_PATH), timeout_s=1.0)


def _requests_per_s(day: SimulatedDay) -> Spread:
    wall_s = day.wall_s
    median, low, high = (rounded(day.requests / each) for each in (wall_s.median, wall_s.high, wall_s.low))
    return Spread(median=median, low=low, high=high, rounds=wall_s.rounds)


def rows(figures: SimRate) -> tuple[Row, ...]:
    found = []
    for day in figures.days:
        load = f"{day.probes} machine{'s' * (day.probes > 1)} asking every 30 s" if day.probes else "no load"
        aim = "24 h under 1 s" if day.hours == FULL_DAY_H else ""
        found.append(Row(f"{day.hours:g} h simulated, {load} ({day.requests:,} requests)", text(day.wall_s, "s"), aim))
        found.append(Row(f"- simulated hours per second, {load}", text(day.hours_per_s, "h/s")))
        if day.requests:
            found.append(Row(f"- requests per second, {load}", text(_requests_per_s(day), "per s")))
    return (*found, Row("round trips over a simulated link", text(figures.round_trips_per_s, "per s")))


BENCHMARK = Benchmark(
    name="sim_rate",
    title="The simulation runs ahead of the clock",
    about="Two regions on the virtual clock, snapshots published every minute; the load is machines that ask for a token.",
    figures=SimRate,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(hours=0.1, probes=(0, 2), round_trips=50, rounds=2),
)

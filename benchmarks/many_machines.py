"""Ten thousand machines in one region of real processes: tokens of one host node, uncached and cached, and memory for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.costs import memory_bytes
from benchmarks.report import Benchmark, Figures, Part, Row, Spread, rounded, text
from benchmarks.request_generator import Burst, Job, burst_apart
from benchmarks.stands import HOST_NODE, SEED, own_home, stack_pids
from benchmarks.tokens import address_of, raw_token_request
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack

ALGORITHMS = ("RS256", "ES256")
FLEET = "fleet"
FROM_CACHE, NOT_FROM_CACHE, A_TOKEN = ";hit", ";miss", '"access_token"'
FILL_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """A burst ends after so many seconds; the uncached one earlier when every machine has asked once."""

    machines: int = 10_000
    rounds: int = 3
    uncached_s: float = 1.0
    cached_s: float = 3.0
    connections: int = 16


class FleetFigures(Part):
    """One algorithm. `bytes_per_machine` is what the host's node grew by (PSS) when every machine had its token."""

    ready_s: Spread
    uncached_per_s: Spread
    cached_per_s: Spread
    cached_host_share: Spread
    bytes_per_machine: Spread


class ManyMachines(Figures):
    """Each round is a stack of its own; every machine of it gets a token, and then every token comes from the cache."""

    machines: int
    connections: int
    by_algorithm: Mapping[str, FleetFigures]


@dataclass(frozen=True, slots=True)
class Round:
    ready_s: float
    uncached: Burst
    cached: Burst
    grown_bytes: float


def measure(settings: Settings) -> ManyMachines:
    found = {name: [asyncio.run(_round(settings, name)) for _ in range(settings.rounds)] for name in ALGORITHMS}
    return ManyMachines(
        machines=settings.machines,
        connections=settings.connections,
        by_algorithm={name: _figures(rounds, settings) for name, rounds in found.items()},
    )


async def _round(settings: Settings, algorithm: str) -> Round:
    spec = build_stack(
        seed=SEED,
        vendors=("azure",),
        settings={"token_alg": algorithm},
        machines={FLEET: {"region": "sydney", "count": settings.machines}},
    )
    with own_home() as home:
        world = ProcessesWorld(
            spec, folder=home.folder / "stack", epoch_s=time.time(), rate=1.0, toxiproxy_binary=home.toxiproxy
        )
        started_s = time.perf_counter()
        await world.start()
        ready_s = time.perf_counter() - started_s
        try:
            pid = (await stack_pids(world))[HOST_NODE]
            before = memory_bytes(pid, "Pss")
            uncached = await asyncio.to_thread(_burst, world, settings, {"host": pid}, settings.uncached_s, NOT_FROM_CACHE)
            await asyncio.to_thread(_fill, world, settings, uncached)
            grown = memory_bytes(pid, "Pss") - before
            cached = await asyncio.to_thread(_burst, world, settings, {"host": pid}, settings.cached_s, FROM_CACHE)
        finally:
            await world.stop()
    return Round(ready_s, uncached, cached, grown / settings.machines)


def _burst(
    world: ProcessesWorld, settings: Settings, pids: Mapping[str, int], length_s: float, mark: str, connections: int = 0
) -> Burst:
    """The machines ask in turn; raises RuntimeError when an answer was not as marked."""
    host, port = address_of(world.endpoints().control[HOST_NODE])
    names = [machine.name for machine in world.spec.machines if machine.name.startswith(FLEET)]
    asked = tuple(raw_token_request(f"{host}:{port}").decode().replace("/web-1/", f"/{name}/") for name in names)
    many = connections or settings.connections
    return burst_apart(
        Job(
            host=host,
            port=port,
            requests=asked,
            mark=mark,
            connections=many,
            length_s=length_s,
            pids=dict(pids),
            once=mark == NOT_FROM_CACHE,
        )
    )


def _fill(world: ProcessesWorld, settings: Settings, uncached: Burst) -> None:
    """Has every machine ask, twice as long as that should take. The burst from the cache tells whether it was enough."""
    _burst(world, settings, {}, 2 * settings.machines / uncached.rate_per_s, A_TOKEN, FILL_CONNECTIONS)


def _figures(rounds: list[Round], settings: Settings) -> FleetFigures:
    assert all(each.uncached.requests <= settings.machines for each in rounds), "no machine asked twice"
    return FleetFigures(
        ready_s=Spread.of(each.ready_s for each in rounds),
        uncached_per_s=Spread.of(each.uncached.rate_per_s for each in rounds),
        cached_per_s=Spread.of(each.cached.rate_per_s for each in rounds),
        cached_host_share=Spread.of(each.cached.cpu_shares["host"] for each in rounds),
        bytes_per_machine=Spread.of(rounded(each.grown_bytes) for each in rounds),
    )


def rows(figures: ManyMachines) -> tuple[Row, ...]:
    found = []
    for name, fleet in figures.by_algorithm.items():
        machines = f"{figures.machines:,} machines, {name}"
        found += [
            Row(f"start to every node ready, {machines}", text(fleet.ready_s, "s")),
            Row(f"- first tokens, {machines}", text(fleet.uncached_per_s, "per s")),
            Row(f"- cached tokens of all of them, {machines}", text(fleet.cached_per_s, "per s"), "20,000 per s"),
            Row(f"- the host's share of a core meanwhile, {machines}", text(fleet.cached_host_share, "of one")),
            Row(f"- memory of the host for each machine with a token, {machines}", text(fleet.bytes_per_machine, "bytes")),
        ]
    return tuple(found)


BENCHMARK = Benchmark(
    name="many_machines",
    title="Ten thousand machines of one region get their tokens",
    about="Real processes; one host node, which has one thread, serves all machines of `sydney`. Every answer is looked at.",
    figures=ManyMachines,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(machines=300, rounds=1, uncached_s=0.05, cached_s=0.3, connections=2),
)

"""The stack in containers: time until ready and until removed, memory, what a link adds, how fast faults bite and heal."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.prober import NS_PER_MS
from benchmarks.report import Benchmark, Figures, Part, Row, Spread, text
from benchmarks.sightings import Probe, Sightings, watching
from benchmarks.stands import HOST_NODE, own_home
from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.layout import NODE_PORT, proxies, service_of
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import CLIENT, Link

MEGABYTE = 1_000_000
LINK = str(Link(CLIENT, HOST_NODE))
INSIDE_LINK = "sydney.management->sydney.host"
PROBE_TIMEOUT_MS = 500.0
FAULTS: Mapping[str, tuple[str, LinkEffect | NodeEffect]] = {
    "link refuse": ("link", LinkEffect("refuse")),
    "link stall": ("link", LinkEffect("stall", "both")),
    "link blackhole": ("link", LinkEffect("blackhole", "both")),
    "node kill": ("node", NodeEffect("down")),
    "node stop": ("node", NodeEffect("stopped")),
    "node pause": ("node", NodeEffect("paused")),
    "node disconnect": ("node", NodeEffect("disconnected")),
    "node wipe": ("node", NodeEffect("wiped")),
}
# Runs inside a container of the region, where the node can be reached both ways: medians of each, in turn, one at a time.
_COMPARE = """
import json, socket, statistics, sys, time
targets = [(sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))]
open_ = [socket.create_connection(target, timeout=5) for target in targets]
took = [[], []]
for _ in range(int(sys.argv[5])):
    for index, connection in enumerate(open_):
        started = time.perf_counter()
        connection.sendall(b"GET /_brownout/healthz HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
        connection.recv(65536)
        took[index].append((time.perf_counter() - started) * 1000)
print(json.dumps([statistics.median(each) for each in took]))
"""


@dataclass(frozen=True, slots=True)
class Settings:
    rounds: int = 3
    episodes: int = 5
    requests: int = 2000


class Times(Part):
    """From the order until the first request that feels the fault was sent; from the order to heal until a whole answer."""

    bite_ms: Spread
    heal_ms: Spread


class ComposeStack(Figures):
    containers: int
    ready_s: Spread
    stop_s: Spread
    memory_mb: Spread
    memory_by_service_mb: Mapping[str, float]
    straight_p50_ms: Spread
    link_p50_ms: Spread
    added_p50_ms: Spread
    faults: Mapping[str, Times]


def measure(settings: Settings) -> ComposeStack:
    return asyncio.run(_measure(settings))


async def _measure(settings: Settings) -> ComposeStack:
    ready_s, stop_s, totals = [], [], []
    with own_home(), tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        for number in range(settings.rounds):
            world = _world(Path(folder) / f"{Path(folder).name}-{number}")
            started_s = time.perf_counter()
            await world.start()
            try:
                ready_s.append(time.perf_counter() - started_s)
                memory = await asyncio.to_thread(_memory, world)
                totals.append(sum(memory.values()))
                if number == settings.rounds - 1:
                    compared = [await asyncio.to_thread(_compare, world, settings.requests) for _ in range(settings.rounds)]
                    faults = {name: await _episodes(world, *FAULTS[name], settings.episodes) for name in FAULTS}
            finally:
                stopping_s = time.perf_counter()
                await world.stop()
                stop_s.append(time.perf_counter() - stopping_s)
    return ComposeStack(
        containers=len(memory),
        ready_s=Spread.of(ready_s),
        stop_s=Spread.of(stop_s),
        memory_mb=Spread.of(totals),
        memory_by_service_mb={name: round(size, 1) for name, size in memory.items()},
        straight_p50_ms=Spread.of(straight for straight, _ in compared),
        link_p50_ms=Spread.of(link for _, link in compared),
        added_p50_ms=Spread.of(link - straight for straight, link in compared),
        faults=faults,
    )


def _world(folder: Path) -> ComposeWorld:
    return ComposeWorld.create(build_stack(seed=1), folder=folder, epoch_s=time.time(), rate=1.0)


def _memory(world: ComposeWorld) -> dict[str, float]:
    """Megabytes of each container that runs, without page cache."""
    engine = DockerEngine()
    try:
        found = engine.containers.of_stack(world.folder.name)
        return {
            name: engine.containers.memory_bytes(each.id) / MEGABYTE for name, each in sorted(found.items()) if each.running
        }
    finally:
        engine.close()


def _compare(world: ComposeWorld, requests: int) -> tuple[float, float]:
    """Median milliseconds of a request to the host node, straight and over a link, from within its region."""
    port = next(proxy.port for proxy in proxies(world.spec) if proxy.name == INSIDE_LINK)
    words = [service_of(HOST_NODE), str(NODE_PORT), "toxiproxy", str(port), str(requests)]
    engine = DockerEngine()
    try:
        prober = engine.containers.find(world.folder.name, "sydney-prober")
        assert prober is not None
        code, printed = engine.containers.run_in(prober.id, ["python3", "-c", _COMPARE, *words])
        assert code == 0, printed
        straight, link = json.loads(printed)
        return straight, link
    finally:
        engine.close()


async def _episodes(world: ComposeWorld, kind: str, effect: LinkEffect | NodeEffect, count: int) -> Times:
    carrier = Carrier("link", LINK) if kind == "link" else Carrier("node", HOST_NODE)
    address = world.endpoints().clients[HOST_NODE].removeprefix("http://")
    async with watching(address, interval_ms=10.0, timeout_ms=PROBE_TIMEOUT_MS) as sightings:
        found = [await _episode(world, sightings, carrier, effect, f"bench-{number}") for number in range(count)]
    return Times(bite_ms=Spread.of(bite for bite, _ in found), heal_ms=Spread.of(heal for _, heal in found))


async def _episode(
    world: ComposeWorld, sightings: Sightings, carrier: Carrier, effect: LinkEffect | NodeEffect, fault_id: str
) -> tuple[float, float]:
    await sightings.first(_is_whole, since_ns=time.monotonic_ns())
    ordered_ns = time.monotonic_ns()
    await world.hold(carrier, fault_id, effect)
    bitten = await sightings.first(lambda probe: not _is_whole(probe), since_ns=ordered_ns)
    lifting_ns = time.monotonic_ns()
    await world.release(carrier, fault_id)
    healed = await sightings.first(_is_whole, since_ns=lifting_ns)
    return (bitten.sent_ns - ordered_ns) / NS_PER_MS, (healed.ended_ns - lifting_ns) / NS_PER_MS


def _is_whole(probe: Probe) -> bool:
    return probe.outcome == "ok"


def rows(figures: ComposeStack) -> tuple[Row, ...]:
    faults = (
        row
        for name, times in figures.faults.items()
        for row in (
            Row(f"`{name}`: from the order to the first request that feels it", text(times.bite_ms, "ms")),
            Row(f"`{name}`: from the order to heal to the first whole answer", text(times.heal_ms, "ms")),
        )
    )
    return (
        Row("start to every node ready, images built", text(figures.ready_s, "s"), "under 10 s"),
        Row("taking it down", text(figures.stop_s, "s")),
        Row(f"memory of all {figures.containers} containers", text(figures.memory_mb, "MB")),
        Row("a request within a region, straight, p50", text(figures.straight_p50_ms, "ms")),
        Row("- over a link", text(figures.link_p50_ms, "ms")),
        Row("- Toxiproxy's share", text(figures.added_p50_ms, "ms"), "about 0.09 ms"),
        *faults,
    )


BENCHMARK = Benchmark(
    name="compose_stack",
    title="The stack in containers",
    about="Two regions under Docker Compose; faults on one host node and on its clients' link, seen by a prober outside.",
    figures=ComposeStack,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, episodes=1, requests=20),
)

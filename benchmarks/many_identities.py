"""A million identities in the simulation: memory and time until every node knows them, and the first token of the last one."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.costs import in_new_process, own_memory_mb
from benchmarks.report import Benchmark, Figures, Part, Row, Spread, rounded, text
from benchmarks.stands import SEED
from benchmarks.tokens import token_request
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.publisher import REPLICATED
from brownout.identity.core.records import Identity
from brownout.identity.core.topology import MachineSpec, NodeName, StackSpec

EPOCH_S = 1_720_742_400.0
HOST = "sydney.host"
QUIET_S = 3600.0
LAST = "crowd"  # the machine that has the last of them


@dataclass(frozen=True, slots=True)
class Settings:
    """`identities` of each stack that is tried, each in a process of its own, whose growth is its memory."""

    identities: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    tokens: int = 200


class Crowd(Part):
    """One stack. `mb_per_1000` is of all nodes together, `quiet_hour_ms` real time for an emulated hour without a change."""

    identities: int
    started_s: float
    mb_per_1000: float
    quiet_hour_ms: Spread
    first_token_ms: float
    token_ms: Spread


class ManyIdentities(Figures):
    """`replicas` is how many nodes keep the identities."""

    replicas: int
    crowds: tuple[Crowd, ...]


def measure(settings: Settings) -> ManyIdentities:
    crowds = tuple(in_new_process(_crowd, count, settings.tokens) for count in settings.identities)
    nodes = build_stack(seed=SEED, vendors=("azure",)).nodes()
    return ManyIdentities(replicas=sum(NodeName.parse(name).role in REPLICATED for name in nodes), crowds=crowds)


def _crowd(count: int, tokens: int) -> Crowd:
    gc.collect()
    before = own_memory_mb()
    stack = crowded(count)
    started_s = time.perf_counter()
    world = SimulationWorld(stack, epoch_s=EPOCH_S)
    world.run(world.start())
    start_took_s = time.perf_counter() - started_s
    quiet_ms = [_took_ms(world, QUIET_S) for _ in range(3)]
    grown = own_memory_mb() - before
    took_ms = [_token_ms(world) for _ in range(tokens + 1)]
    world.kernel.close()
    return Crowd(
        identities=count,
        started_s=rounded(start_took_s),
        mb_per_1000=rounded(grown / count * 1000),
        quiet_hour_ms=Spread.of(quiet_ms),
        first_token_ms=rounded(took_ms[0]),
        token_ms=Spread.of(took_ms[1:]),
    )


def crowded(count: int) -> StackSpec:
    """A stack of two regions with so many more identities, and a machine in Sydney that has the last of them."""
    stack = build_stack(seed=SEED, vendors=("azure",))
    crowd = tuple(_identities(stack, count))
    like = next(machine for machine in stack.machines if machine.region == "sydney" and not machine.scale_set)
    last = replace(like, name=LAST, resource_id=f"{like.resource_id}-{LAST}", identities=(crowd[-1].name,))
    assert isinstance(last, MachineSpec)
    return replace(stack, identities=stack.identities + crowd, machines=(*stack.machines, last))


def _identities(stack: StackSpec, count: int) -> Iterator[Identity]:
    like = next(identity for identity in stack.identities if not identity.is_system)
    for number in range(count):
        yield replace(
            like,
            name=f"crowd-{number}",
            resource_id=f"{like.resource_id}-{number}",
            client_id=f"{number:08x}-0000-4000-8000-000000000000",
            object_id=f"{number:08x}-0000-4000-8000-000000000001",
        )


def _token_ms(world: SimulationWorld) -> float:
    """Real time for a token of the last identity, past the host's cache; raises AssertionError when there is none."""
    asked = token_request()
    path = asked.path.replace("web-1", LAST)
    started_s = time.perf_counter()
    answer = world.run(
        world.client(HOST, Request("GET", path, {**asked.query, "bypass_cache": "true"}, asked.headers), timeout_s=5.0)
    )
    took_ms = (time.perf_counter() - started_s) * 1000
    assert answer.status == 200, answer
    return took_ms


def _took_ms(world: SimulationWorld, duration_s: float) -> float:
    started_s = time.perf_counter()
    world.run(world.sleep_until(world.now() + duration_s))
    return (time.perf_counter() - started_s) * 1000


def rows(figures: ManyIdentities) -> tuple[Row, ...]:
    found = []
    for crowd in figures.crowds:
        many = f"{crowd.identities:,} identities"
        found += [
            Row(f"{many}: memory for each 1,000, all {figures.replicas} replicas included", f"{crowd.mb_per_1000:.3g} MB"),
            Row(f"- until every node knows them, {many}", f"{crowd.started_s:.3g} s"),
            Row(f"- an hour in which nothing changes, {many}", text(crowd.quiet_hour_ms, "ms")),
            Row(f"- the first token, {many}", f"{crowd.first_token_ms:.3g} ms"),
            Row(f"- another token that no cache has, {many}", text(crowd.token_ms, "ms")),
        ]
    return tuple(found)


BENCHMARK = Benchmark(
    name="many_identities",
    title="A million identities in the simulation",
    about="Each number inside one process of its own: a stack of two regions on the virtual clock; the identities are there "
    "from its start.",
    figures=ManyIdentities,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(identities=(50,), tokens=3),
)

"""How long it takes from the order to break a link until a client feels it, and from the order to heal it until none does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.prober import NS_PER_MS
from benchmarks.report import Benchmark, Figures, Part, Row, Spread, number, percentile, rounded
from benchmarks.sightings import Probe, Sightings, watching
from benchmarks.stands import HOST_NODE, standing_stack
from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.identity.core.topology import CLIENT, Link

LINK = str(Link(CLIENT, HOST_NODE))
SLOW_MS = 120
LATE_MS = SLOW_MS / 2  # a healthy probe takes a few milliseconds
TIMEOUT_MS = 300.0
AIM = "p99 under 50 ms"

EFFECTS: Mapping[str, LinkEffect] = {
    "refuse": LinkEffect("refuse"),
    "stall": LinkEffect("stall", "both"),
    "slow": LinkEffect("slow", "downstream", latency_ms=SLOW_MS),
}
FEELS: Mapping[str, Callable[[Probe], bool]] = {
    "refuse": lambda probe: probe.outcome in ("refused", "reset"),
    "stall": lambda probe: probe.outcome == "timeout",
    "slow": lambda probe: probe.latency_ms >= LATE_MS,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Each effect is put on and taken off `episodes` times, in turn with the others."""

    episodes: int = 40
    interval_ms: float = 4.0


class Times(Part):
    """Times of all episodes of one effect."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    all_ms: tuple[float, ...]


class EffectTimes(Part):
    """From the order: `bite` and `heal` until the first request that feels it is sent, or a whole one has ended; `ordered` and
    `lifted` until the world has read back that it is so and returns.
    """

    bite: Times
    heal: Times
    ordered: Times
    lifted: Times


class FaultEffect(Figures):
    """`healthy_ms` is what a probe takes on the whole link; the prober's beat is the resolution of all times here."""

    link: str
    episodes: int
    interval_ms: float
    healthy_ms: Spread
    effects: Mapping[str, EffectTimes]


@dataclass(frozen=True, slots=True)
class Episode:
    effect: str
    bite_ms: float
    heal_ms: float
    ordered_ms: float
    lifted_ms: float
    healthy_ms: float


def measure(settings: Settings) -> FaultEffect:
    return asyncio.run(_measure(settings))


async def _measure(settings: Settings) -> FaultEffect:
    async with standing_stack() as world:
        address = world.endpoints().clients[HOST_NODE].removeprefix("http://")
        async with watching(address, interval_ms=settings.interval_ms, timeout_ms=TIMEOUT_MS) as sightings:
            episodes = [
                await _episode(world, sightings, effect, f"bench-{number}-{effect}")
                for number in range(settings.episodes)
                for effect in EFFECTS
            ]
    return FaultEffect(
        link=LINK,
        episodes=settings.episodes,
        interval_ms=settings.interval_ms,
        healthy_ms=Spread.of(each.healthy_ms for each in episodes),
        effects={effect: _times([each for each in episodes if each.effect == effect]) for effect in EFFECTS},
    )


async def _episode(world: ProcessesWorld, sightings: Sightings, effect: str, fault_id: str) -> Episode:
    """Breaks the link, waits until that is felt, heals it, waits until that is felt; raises TimeoutError."""
    carrier = Carrier("link", LINK)
    healthy = await sightings.first(_is_healthy, since_ns=time.monotonic_ns())
    ordered_ns = time.monotonic_ns()
    await world.hold(carrier, fault_id, EFFECTS[effect])
    held_ns = time.monotonic_ns()
    bitten = await sightings.first(FEELS[effect], since_ns=ordered_ns)
    lifting_ns = time.monotonic_ns()
    await world.release(carrier, fault_id)
    lifted_ns = time.monotonic_ns()
    healed = await sightings.first(_is_healthy, since_ns=lifting_ns)
    return Episode(
        effect,
        bite_ms=(bitten.sent_ns - ordered_ns) / NS_PER_MS,
        heal_ms=(healed.ended_ns - lifting_ns) / NS_PER_MS,
        ordered_ms=(held_ns - ordered_ns) / NS_PER_MS,
        lifted_ms=(lifted_ns - lifting_ns) / NS_PER_MS,
        healthy_ms=healthy.latency_ms,
    )


def _is_healthy(probe: Probe) -> bool:
    return probe.outcome == "ok" and probe.latency_ms < LATE_MS


def _times(episodes: list[Episode]) -> EffectTimes:
    return EffectTimes(
        bite=_of([each.bite_ms for each in episodes]),
        heal=_of([each.heal_ms for each in episodes]),
        ordered=_of([each.ordered_ms for each in episodes]),
        lifted=_of([each.lifted_ms for each in episodes]),
    )


def _of(values_ms: list[float]) -> Times:
    p50_ms, p99_ms = (rounded(percentile(values_ms, share)) for share in (0.5, 0.99))
    kept = tuple(rounded(value) for value in values_ms)
    return Times(p50_ms=p50_ms, p99_ms=p99_ms, max_ms=max(kept), all_ms=kept)


def rows(figures: FaultEffect) -> tuple[Row, ...]:
    found = []
    for effect, times in figures.effects.items():
        found.append(Row(f"`{effect}`: from the order to the first request that feels it", _text(times.bite), AIM))
        found.append(Row(f"`{effect}`: from the order to heal to the first whole answer", _text(times.heal)))
        found.append(Row(f"`{effect}`: until the world has verified it (on, off)", _verified(times)))
    return tuple(found)


def _text(times: Times) -> str:
    found = (number(value) for value in (times.p50_ms, times.p99_ms, times.max_ms))
    return "p50 {} ms, p99 {} ms, max {} ms, {} episodes".format(*found, len(times.all_ms))


def _verified(times: EffectTimes) -> str:
    return f"p50 {number(times.ordered.p50_ms)} ms, {number(times.lifted.p50_ms)} ms"


BENCHMARK = Benchmark(
    name="fault_effect",
    title="A link fault bites, and heals",
    about="A prober of its own process sends a request over the link every 4 ms, each on a fresh connection.",
    figures=FaultEffect,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(episodes=1),
)

"""How many cached tokens one host node hands out in a second, straight at its port and through its client link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.report import Benchmark, Figures, Part, Row, Spread, text
from benchmarks.request_generator import Burst, Job, burst_apart
from benchmarks.stands import HOST_NODE, stack_pids, standing_stack
from benchmarks.tokens import address_of, raw_token_request
from brownout.harness.worlds.processes.stack import TOXIPROXY

GENERATOR = "plain sockets in a process of their own, every answer checked"
FROM_CACHE = ";hit"  # in the trail of an answer
PATHS = ("straight", "through_link")


@dataclass(frozen=True, slots=True)
class Settings:
    """`length_s` is of one burst; each round has one on each path."""

    rounds: int = 5
    length_s: float = 2.0
    connections: int = 16


class PathFigures(Part):
    """One path. CPU shares are of one core: what is near 1 is what limits a process that has one thread."""

    requests_per_s: Spread
    p50_ms: Spread
    p99_ms: Spread
    cpu_shares: Mapping[str, Spread]


class CachedTokens(Figures):
    """`link_ratio` is the rate through the link over the rate straight at the port, each pair in one round.

    The generator does not limit the rate as long as its share of a core is below the node's.
    """

    generator: str
    connections: int
    straight: PathFigures
    through_link: PathFigures
    link_ratio: Spread


def measure(settings: Settings) -> CachedTokens:
    rounds = asyncio.run(_measure(settings))
    return CachedTokens(
        generator=GENERATOR,
        connections=settings.connections,
        straight=_figures([each["straight"] for each in rounds]),
        through_link=_figures([each["through_link"] for each in rounds]),
        link_ratio=Spread.of(each["through_link"].rate_per_s / each["straight"].rate_per_s for each in rounds),
    )


async def _measure(settings: Settings) -> list[Mapping[str, Burst]]:
    async with standing_stack() as world:
        pids = await stack_pids(world)
        watched = {"node": pids[HOST_NODE], TOXIPROXY: pids[TOXIPROXY]}
        urls = {"straight": world.endpoints().control[HOST_NODE], "through_link": world.endpoints().clients[HOST_NODE]}
        return [
            {path: await asyncio.to_thread(_burst, urls[path], settings, watched) for path in PATHS}
            for _ in range(settings.rounds)
        ]


def _burst(url: str, settings: Settings, pids: Mapping[str, int]) -> Burst:
    """One burst in a process of its own; raises RuntimeError when an answer was not a token from the cache."""
    host, port = address_of(url)
    asked = raw_token_request(f"{host}:{port}").decode()
    return burst_apart(
        Job(
            host=host,
            port=port,
            requests=(asked,),
            mark=FROM_CACHE,
            connections=settings.connections,
            length_s=settings.length_s,
            pids=pids,
        )
    )


def _figures(bursts: list[Burst]) -> PathFigures:
    return PathFigures(
        requests_per_s=Spread.of(burst.rate_per_s for burst in bursts),
        p50_ms=Spread.of(burst.p50_ms for burst in bursts),
        p99_ms=Spread.of(burst.p99_ms for burst in bursts),
        cpu_shares={name: Spread.of(burst.cpu_shares[name] for burst in bursts) for name in bursts[0].cpu_shares},
    )


def rows(figures: CachedTokens) -> tuple[Row, ...]:
    found = []
    for name, path in (("straight at its port", figures.straight), ("through its client link", figures.through_link)):
        found.append(Row(f"cached tokens of one host node, {name}", text(path.requests_per_s, "per s")))
        found.append(Row("- p99 of an answer", text(path.p99_ms, "ms")))
        shares = ", ".join(f"{who} {100 * share.median:.0f} %" for who, share in path.cpu_shares.items())
        found.append(Row("- share of a core", shares))
    return (*found, Row("rate through the link over rate straight", text(figures.link_ratio, "times")))


BENCHMARK = Benchmark(
    name="cached_tokens",
    title="A host serves tokens from its cache",
    about=f"Closed loop over 16 kept connections; the generator: {GENERATOR}.",
    figures=CachedTokens,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, length_s=0.2, connections=2),
)

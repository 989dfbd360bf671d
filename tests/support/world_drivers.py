"""One way to drive any world: run a coroutine, run two at once, and see whether everything is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from brownout.harness.world import Carrier, World
from brownout.harness.worlds.live.http_world import SocketWorld
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.core.topology import ALL_VENDORS, StackSpec

T = TypeVar("T")
U = TypeVar("U")
EPOCH_S = 1_720_742_400.0
PROBE_TIMEOUT_MS = 5000.0
SLACK_MS = 1000.0  # what a busy machine may add to a real call
TIMER_MS = 1.0  # an event loop looks at its clock once per turn: its timers may be early by that much


class Driver(Protocol):
    """A world and the means to run its coroutines."""

    @property
    def world(self) -> World: ...

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine of the world to its end."""
        ...

    async def both(self, first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
        """Runs two coroutines of the world at once; the first one starts first."""
        ...

    async def require_whole(self, names: Collection[str] | None = None) -> None:
        """Asserts that no carrier is held and that every link carries; of these links and nodes only, when they are named."""
        ...

    def close(self) -> None:
        """Takes everything down, whatever state it is in."""
        ...


async def require_whole(world: World, names: Collection[str] | None) -> None:
    """Asserts that no carrier is held and that every link carries; of these links and nodes only, when they are named."""

    def meant(name: str) -> bool:
        return names is None or name in names

    carriers = [Carrier("link", str(link)) for link in world.spec.links()]
    carriers += [Carrier(kind, node) for kind in ("node", "control") for node in world.spec.nodes()]  # type: ignore[arg-type]
    looked_at = [carrier for carrier in carriers if meant(carrier.name)]
    readings = await world.together(world.read(carrier) for carrier in looked_at)
    left = {str(carrier): reading["holds"] for carrier, reading in zip(looked_at, readings, strict=True)}
    assert {name: holds for name, holds in left.items() if holds} == {}
    links = [str(link) for link in world.spec.links() if meant(str(link)) or meant(link.target)]
    probes = await world.together(world.probe(link, timeout_ms=PROBE_TIMEOUT_MS) for link in links)
    assert {link: probe.outcome for link, probe in zip(links, probes, strict=True) if probe.outcome != "ok"} == {}


@dataclass(frozen=True, slots=True)
class SimulationDriver:
    world: SimulationWorld

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.world.run(coroutine)

    async def both(self, first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
        one, two = self.world.kernel.spawn(first), self.world.kernel.spawn(second)
        return await one, await two

    async def require_whole(self, names: Collection[str] | None = None) -> None:
        await require_whole(self.world, names)

    def close(self) -> None:
        self.run(self.world.stop())
        self.world.kernel.close()


@dataclass(frozen=True, slots=True)
class LiveDriver:
    world: SocketWorld
    runner: asyncio.Runner

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    async def both(self, first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
        one, two = asyncio.ensure_future(first), asyncio.ensure_future(second)
        return await one, await two

    async def require_whole(self, names: Collection[str] | None = None) -> None:
        await require_whole(self.world, names)

    def close(self) -> None:
        self.run(self.world.stop())
        self.runner.close()


def spec_for(**settings: Any) -> StackSpec:
    """A stack of both vendors, as `up` brings it."""
    return build_stack(seed=21, settings=settings, vendors=ALL_VENDORS)


async def ask(world: World, node_name: str, request: Request, *, timeout_s: float = 5.0) -> str:
    """How a client's request ends: the status as text, or the failure."""
    try:
        return str((await world.client(node_name, request, timeout_s=timeout_s)).status)
    except CallFailed as failed:
        return failed.failure

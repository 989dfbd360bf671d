"""One look at all carriers of a stack in a live world: their holds, and what other programs did to the stack around the ledger.

Any user of the machine can reach Toxiproxy's API, which knows no rights. So whatever is found there that Brownout did not make
is named: toxics of other names, proxies that are no link, links that listen or lead elsewhere, and links that are gone.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from brownout.harness.errors import BrownoutError, WorldError
from brownout.harness.world import Carrier, Endpoints, Survey
from brownout.harness.worlds.control_plane import read_switches
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from brownout.harness.worlds.toxiproxy.holds import Seen
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import StackSpec

LINKS_TIMEOUT_S = 8.0
NODES_TIMEOUT_S = 8.0
SWITCHES_TIMEOUT_S = 2.0


class SurveyedWorld(ABC):
    """The part of a live world that a survey needs. `expected_proxies`: where each proxy listens and leads, by name."""

    spec: StackSpec
    expected_proxies: Mapping[str, tuple[str, str]]

    @abstractmethod
    def endpoints(self) -> Endpoints:
        """Where the stack is reached; raises WorldError when it is not up."""

    @abstractmethod
    async def status(self) -> Mapping[str, Any]:
        """Every node as it is, under `nodes`; raises WorldError."""

    @abstractmethod
    async def control(self, node: str, request: Request) -> Response:
        """One authenticated request to a node's control plane; raises WorldError."""

    async def repair(self) -> str:
        """A world whose links cannot end alone has nothing to repair."""
        return ""

    async def end_loads(self) -> tuple[str, ...]:
        """A world whose loads are all commands of this machine has none."""
        return ()

    async def survey(self, *, switches: bool = True) -> Survey:
        """One request to Toxiproxy, one look at the processes and, with `switches`, one request to each running node.

        Raises WorldError when neither Toxiproxy nor the processes can be looked at.
        """
        links, nodes = await asyncio.gather(_links(self), _nodes(self))
        found = [links, nodes]
        if switches:
            running = [name for name, state in nodes.states.items() if state == "running"]
            found += await asyncio.gather(*(_switches(self, name) for name in running))
        if links.silent and nodes.silent:
            raise WorldError("; ".join((*links.silent, *nodes.silent)))
        holds: dict[Carrier, Mapping[str, Any]] = {}
        for part in found:
            holds |= part.holds
        return Survey(holds, _joined(part.foreign for part in found), _joined(part.silent for part in found))


class _Part:
    """What was seen of one kind of carrier."""

    def __init__(
        self,
        holds: Mapping[Carrier, Mapping[str, Any]] | None = None,
        *,
        foreign: tuple[str, ...] = (),
        silent: tuple[str, ...] = (),
    ) -> None:
        self.holds, self.foreign, self.silent = holds or {}, foreign, silent
        self.states: Mapping[str, str] = {}


async def _links(world: SurveyedWorld) -> _Part:
    try:
        async with asyncio.timeout(LINKS_TIMEOUT_S):
            proxies = await asyncio.to_thread(Toxiproxy(world.endpoints().toxiproxy).survey)
    except (WorldError, TimeoutError) as error:
        return _Part(silent=(f"links: {_text(error, 'Toxiproxy does not answer')}",))
    held = {Carrier("link", name): seen.report()["holds"] for name, seen in proxies.items() if seen.markers}
    return _Part(held, foreign=tuple(foreign_proxies(proxies, world.expected_proxies)))


def foreign_proxies(proxies: Mapping[str, Seen], expected: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """A sentence for everything that others did to the proxies; `expected` says where each listens and leads."""
    for name, seen in proxies.items():
        if name not in expected:
            yield f"proxy {name}, which is no link of the stack, listens on {seen.listen} and leads to {seen.upstream}"
            continue
        at, to = expected[name]
        if not seen.listen.endswith(at) or not seen.upstream.endswith(to):
            yield f"link:{name} listens on {seen.listen} and leads to {seen.upstream}, instead of {at} and {to}"
        yield from (f"link:{name}: {what}" for what in seen.report()["foreign"])
    yield from (f"link:{name}: its proxy is gone" for name in expected if name not in proxies)


async def _nodes(world: SurveyedWorld) -> _Part:
    try:
        async with asyncio.timeout(NODES_TIMEOUT_S):
            nodes: Mapping[str, Mapping[str, Any]] = (await world.status())["nodes"]
    except (WorldError, TimeoutError) as error:
        return _Part(silent=(f"nodes: {_text(error, 'the stack does not answer')}",))
    part = _Part({Carrier("node", name): node["holds"] for name, node in nodes.items() if node.get("holds")})
    part.states = {name: str(node["state"]) for name, node in nodes.items()}
    return part


async def _switches(world: SurveyedWorld, node: str) -> _Part:
    try:
        async with asyncio.timeout(SWITCHES_TIMEOUT_S):
            holds = (await read_switches(world, node))["holds"]
    except (BrownoutError, TimeoutError) as error:
        return _Part(silent=(f"control:{node}: {_text(error, 'it does not answer')}",))
    return _Part({Carrier("control", node): holds} if holds else {})


def _text(error: Exception, otherwise: str) -> str:
    return error.message if isinstance(error, BrownoutError) else otherwise


def _joined(parts: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(text for part in parts for text in part)

"""The world `compose`: every node a container, one network per region, Toxiproxy the only way between them.

Where holds are stored: a link's in Toxiproxy, black holes in the firewall (`firewall`), a node's in a file beside the stack
(`nodes`), a switch's in the node itself. So any number of processes of one machine may drive one stack through
`ComposeWorld.attach` and see the same state.

The machine reaches everything through ports that Toxiproxy's container publishes on loopback. Links that begin in a region
are probed from there, by the prober on that region's network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from brownout.harness.base.ports import HOST
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.load.models.model import SignIn
from brownout.harness.world import EdgeDoors, Endpoints, Inside, ProbeResult
from brownout.harness.worlds.catalog import COMPOSE, WORLDS
from brownout.harness.worlds.compose import stack as compose_stack
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.firewall import Firewall
from brownout.harness.worlds.compose.layout import (
    DASHBOARD,
    PROBER,
    TOXIPROXY,
    Proxy,
    control_name,
    network_of,
    proxies,
    public_urls,
    published_ports,
    service_of,
)
from brownout.harness.worlds.compose.links import LinkHolds
from brownout.harness.worlds.compose.nodes import NodeHolds
from brownout.harness.worlds.compose.renewal import LastingWorld
from brownout.harness.worlds.compose.stack import ComposeStack, read_compose_stack
from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.live.reached_world import HEALTH, ask_control, says_ready
from brownout.harness.worlds.live.trust import edge_doors
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.core.topology import CLIENT, Link, StackSpec
from brownout.identity.server.shared_spec import SIGN_IN_NAME, SPEC_NAME
from brownout.identity.server.spec_file import ServedStack, read_served

PROBE_ROOM_S = 2.0


class ComposeWorld(LastingWorld):
    """Implements harness.world.LiveWorld. `folder` holds the stack's record and its secrets; its name is the stack's id."""

    name = COMPOSE
    abilities = WORLDS[COMPOSE].abilities
    ready_timeout_s = 90.0  # on a busy machine a container takes a minute to begin

    def __init__(self, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float) -> None:
        super().__init__(spec, folder=folder, epoch_s=epoch_s, rate=rate)
        self._stack: ComposeStack | None = None
        self._engine: DockerEngine | None = None
        self._edge: EdgeDoors | None = None
        self._proxies: Mapping[str, Proxy] = {proxy.name: proxy for proxy in proxies(spec)}
        self.expected_proxies = {name: (f":{proxy.port}", proxy.upstream) for name, proxy in self._proxies.items()}

    @classmethod
    def look(cls, say: Callable[[str], None]) -> None:
        """Looks at engine, Compose and images; raises BrownoutError for what is missing or too old."""
        say(compose_stack.prepare())

    prepare = look  # images are built by a command of their own

    @classmethod
    def create(cls, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float) -> Self:
        """A world over a stack that is not up."""
        return cls(spec, folder=folder, epoch_s=epoch_s, rate=rate)

    @classmethod
    def attach(cls, folder: Path) -> Self:
        """A world over the stack that another process brought up in `folder`; raises StackGone when there is none."""
        folder = folder.resolve()
        running = read_compose_stack(folder)
        try:
            served = read_served(folder / SPEC_NAME)
        except OSError as missing:
            compose_stack.take_down(running)  # its start or end was interrupted
            raise StackGone(f"the stack in {folder} is dead") from missing
        except ValueError as foreign:
            raise _of_another_version(running) from foreign
        if running.published != compose_stack.published_count(served.stack):
            raise _of_another_version(running)
        world = cls(served.stack, folder=folder, epoch_s=served.clock.epoch_s, rate=served.clock.rate)
        world._take(running, served)
        return world

    def _take(self, running: ComposeStack, served: ServedStack) -> None:
        self._stack, self.spec, self._clock = running, served.stack, served.clock
        self._edge = edge_doors(self.folder, served)

    def alive(self) -> bool:
        """True while the stack's Toxiproxy runs: without it nothing reaches anything."""
        if self._stack is None:
            return False
        found = self._docker().containers.find(self._stack.stack, TOXIPROXY)
        return found is not None and found.running

    async def _await_started(self) -> None:
        for node in self.spec.nodes():
            await self._await_first_ready(node)
        await self._share_sign_in()

    async def _await_first_ready(self, node: str) -> None:
        """Returns when a started node is ready; raises WorldError, with the tail of its log where it has ended."""
        try:
            await self.await_ready(node)
        except WorldError:
            await asyncio.to_thread(compose_stack.require_alive, self._docker(), self._up(), node)
            raise

    async def _share_sign_in(self) -> None:
        """Puts what a load signs in with where its containers find it: only the machine can ask for it; raises WorldError."""
        content = TypeAdapter(SignIn).dump_json(await sign_in(self))
        await asyncio.to_thread(compose_stack.share, self._docker(), self._up(), SIGN_IN_NAME, content)

    async def is_ready(self, node: str) -> bool:
        """A container that is starting may refuse, or give a waiting request up; until the time is over that means not yet."""
        try:
            return says_ready(await ask_control(self, node, HEALTH))  # the engine is busy, so it is not asked why each time
        except WorldError:
            return False

    def _bring_up(self) -> None:
        self._take(*compose_stack.bring_up(self.spec, self.folder, epoch_s=self._epoch_s, rate=self.rate))

    async def stop(self) -> None:
        """Removes everything of the stack from the engine, the nodes' volumes too; raises WorldError when something stays.

        May run twice.
        """
        await self.close()
        if self._stack is not None:
            await asyncio.to_thread(compose_stack.take_down, self._stack)
            self._stack = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def endpoints(self) -> Endpoints:
        """Clients' links, control planes and doors (through proxies that no fault touches) and the network for containers."""
        running = self._up()
        ports = published_ports(self.spec, running.first_port)
        clients = public_urls(self.spec, running.first_port)
        inside = Inside(
            network=f"{running.project}_{CLIENT}",
            urls={node: f"http://{self._proxies[str(Link(CLIENT, node))].inside}" for node in clients},
            compose_variables=self.folder / compose_stack.VARIABLES_NAME,
            dashboard_url=f"http://{HOST}:{ports[control_name(DASHBOARD)]}",
        )
        control = {node: f"http://{HOST}:{ports[control_name(node)]}" for node in self.spec.nodes()}
        return Endpoints(clients, control, running.toxiproxy_url, inside, self._edge)

    def log_hint(self, node: str) -> str:
        return f"`docker logs {self._up().project}-{service_of(node)}-1` shows its output"

    async def status(self) -> Mapping[str, Any]:
        """Every node's container as it is, under `nodes`; raises WorldError."""
        holds = self.node_holds()
        return {"nodes": {node: await asyncio.to_thread(holds.read, node) for node in self.spec.nodes()}}

    def node_holds(self) -> NodeHolds:
        """A file beside the stack stores them."""
        return NodeHolds(self._docker(), self._up(), self.spec)

    def link_holds(self) -> LinkHolds:
        """Toxiproxy and the firewall store them."""
        running = self._up()
        ports = {name: proxy.port for name, proxy in self._proxies.items()}
        firewall = Firewall(running.firewall_url, self.spec.control_token)
        return LinkHolds(Toxiproxy(running.toxiproxy_url), firewall, ports, runs=self.alive)

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        prober = f"{network_of(Link.parse(self.known_link(link)).source)}.{PROBER}"
        port = published_ports(self.spec, self._up().first_port)[control_name(prober)]
        query = {"address": self._proxies[link].inside, "timeout_ms": f"{timeout_ms:g}"}
        headers = {"authorization": f"Bearer {self.spec.control_token}"}
        asked = Request("GET", "/probe", query=query, headers=headers)
        try:
            answer = await self.send(f"http://{HOST}:{port}", asked, timeout_ms / 1000 + PROBE_ROOM_S)
        except CallFailed as failed:
            raise WorldError(f"{prober} does not answer ({failed.failure})", hint=self.log_hint(prober)) from failed
        if not answer.ok or answer.body is None:
            raise WorldError(f"{prober} could not look at {link}: status {answer.status}")
        return ProbeResult(answer.body["outcome"], float(answer.body["latency_ms"]))

    def _up(self) -> ComposeStack:
        if self._stack is None:
            raise WorldError("the stack is not up", hint="`brownout up --world compose` brings one up")
        return self._stack

    def _docker(self) -> DockerEngine:
        if self._engine is None:
            self._engine = DockerEngine()
        return self._engine


def _of_another_version(running: ComposeStack) -> StackGone:
    """The error for a stack that nothing here could drive, and that has been taken down."""
    compose_stack.take_down(running)
    problem = f"the stack in {running.folder} was made by another version of Brownout and has been taken down"
    return StackGone(problem, hint="`brownout up --world compose` brings a new one up")

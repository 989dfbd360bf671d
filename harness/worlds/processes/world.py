"""The world `processes`: every node a process of its own on loopback, every link a proxy of the real Toxiproxy.

Where holds are stored: a link's in Toxiproxy (`worlds.toxiproxy`), a node's in the supervisor of the node processes
(`supervisor`), a switch's in the node itself. This module stores none, so any number of processes may drive one stack
through `ProcessesWorld.attach` and see the same state.

Through its link a node that is down shows as `reset` and not as `refused`: the proxy's port is open, the node's port behind it
is closed. A connection to the node's own port is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from brownout.harness.base.ports import HOST
from brownout.harness.effects import LinkEffect
from brownout.harness.errors import CarrierGone, StackGone, WorldError
from brownout.harness.world import EdgeDoors, Endpoints, ProbeResult
from brownout.harness.worlds.catalog import PROCESSES, WORLDS
from brownout.harness.worlds.live.carrier_holds import CarrierHolds
from brownout.harness.worlds.live.probe import probe_address
from brownout.harness.worlds.live.trust import edge_doors
from brownout.harness.worlds.processes.daemon import LOG_FOLDER
from brownout.harness.worlds.processes.holds import SupervisorHolds
from brownout.harness.worlds.processes.renewal import RenewableWorld
from brownout.harness.worlds.processes.shortage import ProcessShortages
from brownout.harness.worlds.processes.stack import (
    SPEC_NAME,
    ProcessStack,
    ask,
    bring_up,
    dead_toxiproxy,
    lent_port,
    read_process_stack,
    repair_toxiproxy,
    take_down,
)
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from brownout.harness.worlds.toxiproxy.install import find_toxiproxy_server, toxiproxy_server
from brownout.identity.core.topology import CLIENT, Link, StackSpec
from brownout.identity.server.spec_file import ServedStack, read_served


class ProcessesWorld(RenewableWorld):
    """Implements brownout.harness.world.World. `folder` is the stack's: its record, its secrets, its logs, its nodes' state."""

    name = PROCESSES
    abilities = WORLDS[PROCESSES].abilities

    def __init__(self, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float, toxiproxy_binary: Path) -> None:
        super().__init__(spec, folder=folder, epoch_s=epoch_s, rate=rate)
        self._binary = toxiproxy_binary
        self._stack: ProcessStack | None = None
        self._links: Mapping[str, str] = {}
        self._edge: EdgeDoors | None = None

    @classmethod
    def look(cls, say: Callable[[str], None]) -> None:
        """Finds Toxiproxy's program; one that is missing will be built."""
        if find_toxiproxy_server(say=say) is None:
            say("Toxiproxy will be built first")

    @classmethod
    def prepare(cls, say: Callable[[str], None]) -> None:
        """Finds Toxiproxy's program, or builds it; raises BrownoutError."""
        toxiproxy_server(say=say)

    @classmethod
    def create(cls, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float) -> Self:
        """A world over a stack that is not up, with the Toxiproxy that `prepare` found."""
        binary = toxiproxy_server(say=lambda _: None)
        return cls(spec, folder=folder, epoch_s=epoch_s, rate=rate, toxiproxy_binary=binary)

    @classmethod
    def attach(cls, folder: Path) -> Self:
        """A world over the stack that another process brought up in `folder`; raises StackGone when there is none.

        The stack need not be whole: `stop` and `alive` work whatever has become of it.
        """
        folder = folder.resolve()
        running = read_process_stack(folder)
        try:
            served = read_served(folder / SPEC_NAME)
            binary = Path(served.sidecars[0].argv[0])
        except (OSError, ValueError, IndexError, TypeError) as wrong:  # the last two: no Toxiproxy is named
            if running.daemon.alive():
                raise WorldError(
                    f"the specification of the stack in {folder} cannot be read: {wrong}",
                    hint=f"a stack of another version: `kill {running.daemon.pid}`, then `brownout down`",
                ) from wrong
            take_down(running)  # its end was interrupted
            raise StackGone(f"the stack in {folder} is dead") from wrong
        clock = served.clock
        world = cls(served.stack, folder=folder, epoch_s=clock.epoch_s, rate=clock.rate, toxiproxy_binary=binary)
        world._take(running, served)
        return world

    def _take(self, running: ProcessStack, served: ServedStack) -> None:
        self._stack, self.spec = running, served.stack
        self.shortages = ProcessShortages(self.folder / LOG_FOLDER, running.daemon)
        self._clock, self._links = served.clock, served.links
        self._edge = edge_doors(self.folder, served)
        ports = {node: f"{HOST}:{port}" for node, port in running.ports.items()}
        # a stack that is still coming up has links before it has ports
        self.expected_proxies = {link: (at, ports.get(Link.parse(link).target, "")) for link, at in served.links.items()}

    def alive(self) -> bool:
        """True while the parent of the stack's processes runs."""
        return self._stack is not None and self._stack.daemon.alive()

    def _bring_up(self) -> None:
        up = bring_up(self.spec, self.folder, epoch_s=self._epoch_s, rate=self.rate, binary=self._binary)
        self._take(*up)

    async def stop(self) -> None:
        """Takes everything down, verified by process; raises WorldError when something does not end. May run twice."""
        await self.close()
        if self._stack is not None:
            await asyncio.to_thread(take_down, self._stack)
            self._stack, self._links = None, {}

    def endpoints(self) -> Endpoints:
        """Clients' links, the nodes' own ports, and the API of the stack's Toxiproxy."""
        running = self._up()
        links = {node: self._links.get(str(Link(CLIENT, node))) for node in self.spec.nodes()}
        clients = {node: f"http://{address}" for node, address in links.items() if address is not None}
        control = {node: f"http://{HOST}:{port}" for node, port in running.ports.items()}
        return Endpoints(clients, control, running.toxiproxy_url, edge=self._edge)

    async def status(self) -> Mapping[str, Any]:
        """Every process of the stack as it is: `pid`, `nodes` and `sidecars` by name; raises WorldError."""
        found = dict(await asyncio.to_thread(ask, self._up().folder, "status"))
        if "companions" in found:  # a stack of an earlier version
            found["sidecars"] = found.pop("companions")
        return found

    async def restart(self, node: str) -> Mapping[str, Any]:
        """Ends a node's process, if it still runs, and starts a new one on the same port; raises WorldError."""
        return await asyncio.to_thread(ask, self._up().folder, "restart", node=self.known_node(node))

    def log_hint(self, node: str) -> str:
        return f"its log is {self.folder / LOG_FOLDER / f'{node}.log'}"

    def link_holds(self) -> CarrierHolds[LinkEffect]:
        """Toxiproxy stores them, and borrows a link's port to end a refusal; raises CarrierGone when its process has ended."""
        if not _sidecars_alive(self._up()):
            self._stack = read_process_stack(self.folder)  # another process may have started a new one
            if not _sidecars_alive(self._stack):
                raise CarrierGone(f"Toxiproxy has ended (process {self._stack.sidecars[0].pid}), and every link with it")
        return Toxiproxy(self._up().toxiproxy_url, lent=partial(lent_port, self.folder))

    async def repair(self) -> str:
        """Starts a Toxiproxy that has ended again; raises WorldError when that fails."""
        running = read_process_stack(self.folder)
        if _sidecars_alive(running):
            return ""
        how = await asyncio.to_thread(dead_toxiproxy, self.folder)
        self._stack = await asyncio.to_thread(repair_toxiproxy, running, read_served(self.folder / SPEC_NAME))
        return f"its Toxiproxy had ended ({how or 'unknown how'}) and was started again, with its {len(self._links)} links"

    def node_holds(self) -> SupervisorHolds:
        """The supervisor of the node processes stores them."""
        return SupervisorHolds(self._up().folder)

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        self._up()
        return await probe_address(self._links[self.known_link(link)], timeout_ms=timeout_ms)

    def _up(self) -> ProcessStack:
        if self._stack is None:
            raise WorldError("the stack is not up", hint="`brownout up` brings one up")
        if not self._stack.daemon.alive():
            parent = f"the parent of the stack's processes has ended (process {self._stack.daemon.pid})"
            raise CarrierGone(f"{parent}, and all of them with it", hint="`brownout down` removes what is left")
        return self._stack


def _sidecars_alive(running: ProcessStack) -> bool:
    return all(sidecar.alive() for sidecar in running.sidecars)

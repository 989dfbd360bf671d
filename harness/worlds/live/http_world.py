"""What the two live worlds share: a stack of nodes on sockets, reached over HTTP, with Toxiproxy on every link.

The stack's clock is a function of the machine's monotonic clock. A link's holds are stored in Toxiproxy, a switch's in the
node itself; how a node is held down is each world's own. Nothing is stored here between two calls, so any number of
processes may drive one stack and see the same state.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from brownout.harness.base.permission import require_permission
from brownout.harness.effects import Effect, LinkEffect, NodeEffect, SwitchThrow
from brownout.harness.errors import WorldError
from brownout.harness.load import driver
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.world import Carrier, LoadHandle, Shortages, misplaced
from brownout.harness.worlds.control_plane import hold_switch, read_switches, release_switch
from brownout.harness.worlds.live.carrier_holds import CarrierHolds
from brownout.harness.worlds.live.reached_world import ReachedWorld
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from brownout.identity.core.topology import CLIENT, Link, StackSpec
from brownout.identity.server.clock import Clock

T = TypeVar("T")
E = TypeVar("E", LinkEffect, NodeEffect)


class SocketWorld(ReachedWorld):
    """Base of the live worlds. Subclasses say where things are and where holds are stored."""

    def __init__(self, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float) -> None:
        super().__init__()
        self.spec = spec
        self.rate = rate
        self.folder = folder.resolve()
        self._epoch_s = epoch_s
        self._clock: Clock | None = None
        self._stack: object | None = None  # the world's own record of a stack that is up
        self.shortages = Shortages()

    def link_holds(self) -> CarrierHolds[LinkEffect]:
        """The store of the links' holds; raises WorldError when the stack is not up."""
        return Toxiproxy(self.endpoints().toxiproxy)

    @abstractmethod
    def _bring_up(self) -> None:
        """Starts all of the stack's processes and sets `_stack`, `spec` and `_clock`; blocks; raises WorldError."""

    async def _await_started(self) -> None:
        """Returns when the stack that was just brought up is ready for use; raises WorldError."""
        for node in self.spec.nodes():  # one after another: asking all at once would take their time to get ready
            await self.await_ready(node)

    async def start(self) -> None:
        """Brings the whole stack up and returns when every node answers; raises WorldError, leaving nothing behind."""
        if self._stack is not None:
            raise WorldError(f"this stack is up already, in {self.folder}")
        rising = asyncio.ensure_future(asyncio.to_thread(self._bring_up))
        try:
            # Shielded: a thread cannot be interrupted, and a cancelled await would lose track of the processes it still starts.
            await asyncio.shield(rising)
            await self._await_started()
        except BaseException:
            # Wait for the thread after an interrupt, so that `stop` ends everything that it has started.
            with suppress(WorldError):
                await rising
            await self.stop()
            raise

    @abstractmethod
    async def stop(self) -> None:
        """Takes everything down that `start` brought up; raises WorldError when something stays. May run twice."""

    def now(self) -> float:
        return self._epoch_s if self._clock is None else self._clock.now()

    def clock_record(self) -> Mapping[str, float]:
        """How another process turns its monotonic clock into this stack's time: `epoch_s`, `monotonic_s`, `rate`."""
        if self._clock is None:
            raise WorldError("the stack is not up")
        return self._clock.to_record()

    async def sleep_until(self, at_s: float) -> None:
        clock = self._clock
        while clock is not None and (left_s := clock.real_s(at_s - clock.now())) > 0:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(left_s)

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        require_permission()
        match carrier.kind, effect:
            case "link", LinkEffect():
                link = self.known_link(carrier.name)
                return await asyncio.to_thread(_permitted, self.link_holds().hold, link, fault_id, effect)
            case "node", NodeEffect():
                node = self.known_node(carrier.name)
                return await asyncio.to_thread(_permitted, self.node_holds().hold, node, fault_id, effect)
            case "control", SwitchThrow():
                return await hold_switch(self, self.known_node(carrier.name), fault_id, effect)
            case _:
                raise misplaced(carrier, effect)

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        if carrier.kind == "control":
            await release_switch(self, self.known_node(carrier.name), fault_id)
        elif carrier.kind == "link":
            await asyncio.to_thread(self.link_holds().release, self.known_link(carrier.name), fault_id)
        else:
            await asyncio.to_thread(self.node_holds().release, self.known_node(carrier.name), fault_id)

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        if carrier.kind == "control":
            return await read_switches(self, self.known_node(carrier.name))
        if carrier.kind == "link":
            return await asyncio.to_thread(self.link_holds().read, self.known_link(carrier.name))
        return await asyncio.to_thread(self.node_holds().read, self.known_node(carrier.name))

    async def together(self, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        ended = asyncio.gather(*calls, return_exceptions=True)
        try:
            found = await asyncio.shield(ended)
        except asyncio.CancelledError:
            await ended  # threads cannot be interrupted: wait for their work, or it could take effect after its undo
            raise
        for error in found:
            if isinstance(error, BaseException):
                raise error
        return [result for result in found if not isinstance(result, BaseException)]

    async def start_load(self, plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> LoadHandle:
        urls = {str(Link(CLIENT, node)): url for node, url in self.endpoints().clients.items()}
        filled = plan.model_copy(update={"urls": {**plan.urls, **urls}, "clock": self.clock_record()})
        return await driver.start(filled, folder, dashboard_port=dashboard_port)


def _permitted(hold: Callable[[str, str, E], Mapping[str, Any]], name: str, fault_id: str, effect: E) -> Mapping[str, Any]:
    """`hold`, if it is still permitted when its thread gets to it: threads of one apply wait for each other."""
    require_permission()
    return hold(name, fault_id, effect)

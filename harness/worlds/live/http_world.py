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
from brownout.harness.world import AsksForStates, Carrier, Endpoints, LoadHandle, Shortages, misplaced
from brownout.harness.worlds.control_plane import hold_switch, read_switches, release_switch
from brownout.harness.worlds.live.carrier_holds import CarrierHolds
from brownout.harness.worlds.live.survey import SurveyedWorld
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.topology import CLIENT, Link, StackSpec
from brownout.identity.server.clock import Clock
from brownout.identity.server.http_client import BrokenOffError, HttpClient, NotConnectedError

T = TypeVar("T")
E = TypeVar("E", LinkEffect, NodeEffect)
CONTROL_TIMEOUT_S = 10.0
READY_INTERVAL_S = 0.01
HEALTH = Request("GET", "/healthz")


class SocketWorld(SurveyedWorld, AsksForStates):
    """Base of the live worlds. Subclasses say where things are and where holds are stored."""

    ready_timeout_s = 10.0

    def __init__(self, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float) -> None:
        self.spec = spec
        self.rate = rate
        self.folder = folder.resolve()
        self._epoch_s = epoch_s
        self._clock: Clock | None = None
        self._stack: object | None = None  # the world's own record of a stack that is up
        self._http = HttpClient(persistent=False)  # a connection that is kept may be dead unnoticed
        self.shortages = Shortages()

    @abstractmethod
    def endpoints(self) -> Endpoints:
        """Where the stack is reached; raises WorldError when it is not up."""

    @abstractmethod
    def log_hint(self, node: str) -> str:
        """A sentence that says where a node's log is."""

    @abstractmethod
    def node_holds(self) -> CarrierHolds[NodeEffect]:
        """The store of the nodes' holds; raises WorldError when the stack is not up."""

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

    async def await_ready(self, node: str) -> None:
        """Returns when the node reports ready, which includes its first replica; raises WorldError."""
        try:
            async with asyncio.timeout(self.ready_timeout_s):
                while not await self.is_ready(node):  # noqa: ASYNC110  # there is no event
                    await asyncio.sleep(READY_INTERVAL_S)
        except TimeoutError:
            raise WorldError(f"{node} is not ready after {self.ready_timeout_s:g} s", hint=self.log_hint(node)) from None

    async def is_ready(self, node: str) -> bool:
        """Whether the node reports ready; raises WorldError when it does not answer."""
        return bool(((await self.control(node, HEALTH)).body or {}).get("ready"))

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

    async def control(self, node: str, request: Request) -> Response:
        if "authorization" not in request.headers:
            request = request.with_headers({"authorization": f"Bearer {self.spec.control_token}"})
        url = self.endpoints().control[self.known_node(node)]
        try:
            return await self.send(url, request.below(self.spec.control_path), CONTROL_TIMEOUT_S)
        except CallFailed as failed:
            hint = f"node:{node} may be held down or paused"
            raise WorldError(f"the control plane of {node} does not answer: {failed.failure}", hint=hint) from failed

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        facing = self.endpoints().clients
        url = facing.get(self.known_node(node))
        if url is None:
            raise WorldError(f"clients have no link to {node}", hint=f"they have {', '.join(facing)}")
        return await self.send(url, request, timeout_s)

    async def start_load(self, plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> LoadHandle:
        urls = {str(Link(CLIENT, node)): url for node, url in self.endpoints().clients.items()}
        filled = plan.model_copy(update={"urls": {**plan.urls, **urls}, "clock": self.clock_record()})
        return await driver.start(filled, folder, dashboard_port=dashboard_port)

    def known_node(self, node: str) -> str:
        """`node`, if the stack has it; raises WorldError."""
        if node not in self.spec.nodes():
            raise WorldError(f"the stack has no node {node!r}", hint=f"it has {', '.join(self.spec.nodes())}")
        return node

    def known_link(self, link: str) -> str:
        """`link`, if the stack has it; raises WorldError."""
        links = tuple(map(str, self.spec.links()))
        if link not in links:
            raise WorldError(f"the stack has no link {link!r}", hint=f"it has {', '.join(links)}")
        return link

    async def close(self) -> None:
        """Closes connections; the stack is not changed."""
        self._http.close()

    async def send(self, base_url: str, request: Request, timeout_s: float) -> Response:
        """One request over a fresh connection; raises CallFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._http.send(base_url.removeprefix("http://"), request)
        except TimeoutError:
            raise CallFailed("timeout", base_url) from None
        except NotConnectedError:
            raise CallFailed("refused", base_url) from None
        except BrokenOffError:
            raise CallFailed("reset", base_url) from None


def _permitted(hold: Callable[[str, str, E], Mapping[str, Any]], name: str, fault_id: str, effect: E) -> Mapping[str, Any]:
    """`hold`, if it is still permitted when its thread gets to it: threads of one apply wait for each other."""
    require_permission()
    return hold(name, fault_id, effect)

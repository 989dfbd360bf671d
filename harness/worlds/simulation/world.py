"""The simulation: every node in this process, on a virtual clock, over simulated links. Deterministic and fast.

The nodes are the very same coroutines that the other worlds put on sockets; only the ports differ. One seed gives one
history, byte for byte.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from brownout.harness.effects import Effect, LinkEffect, NodeEffect, SwitchThrow
from brownout.harness.errors import WorldError
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.record.history import RequestSink
from brownout.harness.world import STATE_PATH, Carrier, LoadHandle, ProbeResult, misplaced, states_asked
from brownout.harness.worlds.catalog import SIMULATION, WORLDS
from brownout.harness.worlds.control_plane import hold_switch, read_switches, release_switch
from brownout.harness.worlds.simulation.kernel import Future, Kernel
from brownout.harness.worlds.simulation.links import Exchange, SimulatedLink
from brownout.harness.worlds.simulation.load import SimulatedLoad
from brownout.harness.worlds.simulation.node import SimulatedNode
from brownout.harness.worlds.simulation.signer import KeyedSigner
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.ports import Signer
from brownout.identity.core.topology import CLIENT, HEALTH_PATH, Link, NodeName, StackSpec, link_between

T = TypeVar("T")
CONTROL_TIMEOUT_S = 10.0
LATE_S = 1.0  # an answer that takes longer may never come: a node that is paused is named then, as in live worlds
REFUSAL_S = 0.0005
READY_LOOKS, READY_WAIT_S = 400, 0.05


class SimulationWorld:
    """World protocol on virtual time."""

    name = SIMULATION
    abilities = WORLDS[SIMULATION].abilities
    rate = 1.0

    def __init__(self, spec: StackSpec, *, epoch_s: float, recorder: RequestSink | None = None) -> None:
        self.spec = spec
        self.kernel = Kernel(epoch_s)
        self.signer: Signer = KeyedSigner(spec.seed)
        self.recorder = recorder
        self._is_up = False
        self._nodes = {name: SimulatedNode(self, name) for name in spec.nodes()}
        self._links = {str(link): _simulated(link, spec.seed) for link in spec.links()}
        self._between: dict[tuple[str, str], SimulatedLink] = {}  # by source and target, as far as there were calls
        ways_in = ((name, self._links.get(str(Link(CLIENT, name)))) for name in self._nodes)
        self._from_clients = {name: link for name, link in ways_in if link is not None}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine of this world to its end on the virtual clock."""
        return self.kernel.run(coroutine)

    def now(self) -> float:
        return self.kernel.now_s()

    async def sleep_until(self, at_s: float) -> None:
        await self.kernel.sleep_until(at_s)

    async def start(self) -> None:
        if self._is_up:
            raise WorldError("this stack is up already")
        self._is_up = True
        for node in self._nodes.values():
            await node.boot()
        for _ in range(READY_LOOKS):
            waiting = [node.name for node in self._nodes.values() if not node.is_ready]
            if not waiting:
                return
            await self.kernel.sleep(READY_WAIT_S)
        await self.stop()
        raise WorldError(f"these nodes never got ready: {', '.join(waiting)}")

    async def stop(self) -> None:
        self._is_up = False
        for node in self._nodes.values():
            node.clear()
        for link in self._links.values():
            link.clear()

    def call(self, source: str, target: str, request: Request, *, timeout_s: float) -> Future[Response]:
        """One call from node to node; awaiting it raises CallFailed."""
        link = self._between.get((source, target))
        if link is None:
            link = self._between[source, target] = self._links[str(link_between(source, target))]
        return self._travel(link, target, request, timeout_s)

    def _travel(self, link: SimulatedLink, target: str, request: Request, timeout_s: float) -> Future[Response]:
        """One call over a link: there, served, and back; awaiting it raises CallFailed as a socket would.

        As with the real proxies, whose ports are open when the node behind them is not, a node that is down resets.
        """
        node = self._nodes[target]
        if node.node is not None and not link.refuses:
            return Exchange(self.kernel, link, node, request, timeout_s)
        refused: Future[Response] = Future(self.kernel)
        failure = CallFailed("refused" if link.refuses else "reset", target)
        self.kernel.after(REFUSAL_S, lambda: refused.fail(failure))
        return refused

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        match carrier.kind, effect:
            case "link", LinkEffect():
                self._known("link", carrier.name, self._links).hold(fault_id, effect)
            case "node", NodeEffect():
                await self._known("node", carrier.name, self._nodes).hold(fault_id, effect)
            case "control", SwitchThrow():
                return await hold_switch(self, carrier.name, fault_id, effect)
            case _:
                raise misplaced(carrier, effect)
        return await self.read(carrier)

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        if carrier.kind == "link":
            self._known("link", carrier.name, self._links).release(fault_id)
        elif carrier.kind == "node":
            await self._known("node", carrier.name, self._nodes).release(fault_id)
        else:
            await release_switch(self, carrier.name, fault_id)

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        if carrier.kind == "link":
            return self._known("link", carrier.name, self._links).report()
        if carrier.kind == "node":
            return self._known("node", carrier.name, self._nodes).report()
        return await read_switches(self, carrier.name)

    async def together(self, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        ended = [self.kernel.started(call) for call in calls]
        under_way = [each for each in ended if not each.done]
        for each in under_way:
            each.when_done(_heard)  # its failure is not surfaced: one call that fails ends none of the others
        for each in under_way:
            with suppress(WorldError):
                await each
        return [each.result() for each in ended]

    async def states(self, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
        """A node that runs is looked at where it is: a run's looks ask every node, which would be a sixth of a search."""
        names = tuple(nodes)
        found = [self._known("node", name, self._nodes).holdings() for name in names]
        silent = [name for name, page in zip(names, found, strict=True) if page is None]
        if silent:
            asked = iter(await states_asked(self, silent))
            found = [next(asked) if page is None else page for page in found]
        return found

    def _known(self, what: str, name: str, parts: Mapping[str, T]) -> T:
        """The stack's part of that name; raises WorldError, also where the stack is not up."""
        if not self._is_up:
            raise WorldError("the stack is not up")
        if name not in parts:
            raise WorldError(f"the stack has no {what} {name!r}", hint=f"it has {', '.join(parts)}")
        return parts[name]

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        started_ns = self.kernel.now_ns
        known, target = self._known("link", link, self._links), Link.parse(link).target
        try:
            await self._travel(known, target, Request("GET", HEALTH_PATH), timeout_ms / 1000)
        except CallFailed as failed:
            return ProbeResult(failed.failure, (self.kernel.now_ns - started_ns) / 1e6)
        return ProbeResult("ok", (self.kernel.now_ns - started_ns) / 1e6)

    async def control(self, node: str, request: Request) -> Response:
        simulated = self._known("node", node, self._nodes)
        if request.path == STATE_PATH and request.method == "GET" and (page := simulated.page()) is not None:
            return page  # half of all control requests of a run, and the same page without the way to it
        authorized = request.with_headers({"authorization": f"Bearer {self.spec.control_token}"})
        asked = authorized.below(self.spec.control_path)
        answer = _ControlAnswer(self.kernel, simulated)
        simulated.serve(asked, answer)
        if not answer.done:  # most pages are answered at once, and need no time-out
            self.kernel.after(LATE_S, answer.late)
        return await answer

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        return await self.ask(node, request, timeout_s=timeout_s)

    def ask(self, node: str, request: Request, *, timeout_s: float) -> Future[Response]:
        """`client`, for callers that await a Future of the kernel."""
        link = self._from_clients.get(node)
        if link is None or not self._is_up:
            self._known("node", node, self._nodes)
            raise WorldError(f"clients have no link to {node}", hint=f"they have {', '.join(self._from_clients)}")
        return self._travel(link, node, request, timeout_s)

    async def start_load(self, plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> LoadHandle:
        if self.recorder is None:
            raise WorldError("load needs a recorder")
        return SimulatedLoad(self.kernel, self.ask, plan, self.recorder)


def _simulated(link: Link, seed: int) -> SimulatedLink:
    source, target = link.source.split(".")[0], NodeName.parse(link.target).region
    return SimulatedLink(str(link), seed, crosses=link.source != CLIENT and source != target)


def _heard() -> None:
    """What a call that is awaited later calls back when it has ended."""


class _ControlAnswer(Future[Response]):
    """What a request to a node's control plane waits for."""

    __slots__ = ("_node",)

    def __init__(self, kernel: Kernel, node: SimulatedNode) -> None:
        super().__init__(kernel)
        self._node = node

    def answer(self, response: Response) -> None:
        self.resolve(response)

    def late(self) -> None:
        """The answer takes long: a node that is paused is not waited for, but named."""
        if by := self._node.held_as("paused"):
            self.fail(WorldError(f"{self._node.name} does not answer: it is paused, held by {', '.join(by)}"))
        elif not self.done:
            self.kernel.after(CONTROL_TIMEOUT_S - LATE_S, self.reset)

    def reset(self) -> None:
        if not self.done:
            self.fail(WorldError(f"the control plane of {self._node.name} does not answer", hint="the node is down or paused"))

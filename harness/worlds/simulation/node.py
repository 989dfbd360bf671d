"""Nodes of the simulation. A node has one life after the other, each ended by a kill, and a disk that outlives them.

Laws. Work of a killed life never continues: it makes no calls and writes nothing, and callers that wait for its answer are
reset at once. A paused node stops between any two steps of its work, and continues from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Mapping
from hashlib import sha512
from typing import Any, Protocol

from brownout.harness.base.keyed_random import keyed_id
from brownout.harness.effects import NodeEffect, NodeEffectKind
from brownout.harness.errors import WorldError
from brownout.harness.worlds.simulation.kernel import NS_PER_S, Future, Kernel
from brownout.identity.core.messages import BadPayload, CallFailed, Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Signal, Signer
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import NodeSpec, StackSpec
from brownout.identity.roles import build_node


class Surroundings(Protocol):
    """What a simulated node needs of its world."""

    spec: StackSpec
    kernel: Kernel
    signer: Signer

    def call(self, source: str, target: str, request: Request, *, timeout_s: float) -> Awaitable[Response]:
        """One call from node to node over the link between them; awaiting it raises CallFailed."""
        ...


class CallingEnd(Protocol):
    """What waits for a node's response."""

    def answer(self, response: Response) -> None:
        """The response, at the instant at which the node gives it."""
        ...

    def reset(self) -> None:
        """There will be none: the node is down, or died while it was serving."""
        ...


class _SimulatedSignal:
    """A signal between coroutines of one life."""

    def __init__(self, node: SimulatedNode, life: int, given: Future[None]) -> None:
        self._node, self._life, self._given = node, life, given

    def give(self) -> None:
        self._given.resolve(None)

    async def wait(self) -> None:
        await self._given
        if self._node.is_hindered(self._life):
            await self._node.going_on(self._life)


class SimulatedPorts:
    """One life's ports onto the simulation."""

    def __init__(self, world: Surroundings, node: SimulatedNode, life: int) -> None:
        self._world, self._node, self._life = world, node, life
        self.signer: Signer = world.signer
        self.skew_s = 0.0
        self._kernel = world.kernel

    def now(self) -> float:
        return self._kernel.now_ns / NS_PER_S + self.skew_s  # `now_s` spelt out: a node asks for every request

    def machine_time(self, at_s: float) -> float:
        return at_s - self.skew_s  # the clients of the simulation have the kernel's clock

    def new_id(self) -> str:
        self._node.ids_made += 1
        return keyed_id(self._world.spec.seed, "id", self._node.name, self._node.ids_made)

    def chance(self) -> bytes:
        return sha512(f"session\n{self.new_id()}\n{self.new_id()}".encode()).digest()

    async def call(self, target: str, request: Request, *, timeout_s: float) -> Response:
        node, life = self._node, self._life
        if node.holds or node.life != life:  # `is_hindered` spelt out here and in `sleep`: half of a run's steps are these
            await node.going_on(life)
        try:
            response = await self._world.call(node.name, target, request, timeout_s=timeout_s)
        except CallFailed:
            if node.is_hindered(life):
                await node.going_on(life)
            raise
        if node.holds or node.life != life:
            await node.going_on(life)
        return response

    async def sleep(self, duration_s: float) -> None:
        await self._kernel.timer(duration_s)
        node = self._node
        if node.holds or node.life != self._life:
            await node.going_on(self._life)

    def signal(self) -> Signal:
        return _SimulatedSignal(self._node, self._life, Future(self._kernel))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._kernel.spawn(work)

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
        if self._node.is_hindered(self._life):
            await self._node.going_on(self._life)
        if record is None:
            self._node.disk.pop(key, None)
        else:
            self._node.disk[key] = record

    def restore(self) -> Mapping[str, Mapping[str, Any]]:
        return dict(self._node.disk)


class SimulatedNode:
    """A node's lives, one after the other."""

    def __init__(self, world: Surroundings, name: str) -> None:
        self._world = world
        self.name = name
        self.disk: dict[str, Mapping[str, Any]] = {}
        self.ids_made = 0
        self.holds: dict[str, NodeEffect] = {}
        self.node: Node | None = None
        self.life = 0
        self._callers: dict[CallingEnd, None] = {}
        self._moving: Future[None] | None = None

    def held_as(self, effect: NodeEffectKind) -> tuple[str, ...]:
        """The ids of the holds that have this effect."""
        return tuple(fault_id for fault_id, held in self.holds.items() if held.effect == effect)

    @property
    def is_ready(self) -> bool:
        """True when its role and its annexes can serve."""
        return self.node is not None and self.node.ready and self.node.annexes.ready

    async def boot(self) -> None:
        """A new life, from what the disk holds."""
        self.life += 1
        life = self.life
        node = build_node(NodeSpec(self.name, self._world.spec), SimulatedPorts(self._world, self, life))
        await node.start()
        await node.annexes.start()
        self.node = node
        for work in (*node.background(), *node.annexes.background()):
            self._world.kernel.spawn(work)

    def kill(self) -> None:
        """Ends the life at once; may run twice."""
        self.life += 1
        self.node = None
        callers, self._callers = self._callers, {}
        for caller in callers:
            caller.reset()

    async def hold(self, fault_id: str, effect: NodeEffect) -> None:
        """Adds a hold; raises WorldError for an effect that a simulated node cannot have."""
        if effect.effect not in ("down", "paused"):
            raise WorldError(f"node {self.name}: no effect {effect.effect!r} in the simulation", hint="effects: down, paused")
        self.holds[fault_id] = effect
        await self._settle()

    async def release(self, fault_id: str) -> None:
        self.holds.pop(fault_id, None)
        await self._settle()

    def report(self) -> Mapping[str, Any]:
        """The node's state: `holds` by fault id, and whether it is down."""
        return {"holds": {fault_id: effect.to_json() for fault_id, effect in self.holds.items()}, "down": self.node is None}

    def clear(self) -> None:
        """Ends the life, and the holds with it."""
        self.kill()
        self.holds.clear()

    async def _settle(self) -> None:
        """Makes the node what its holds say: gone, standing still, or running."""
        if self.held_as("down"):
            self.kill()
        elif self.node is None:
            await self.boot()
        if self._moving is not None and not self.held_as("paused"):
            self._moving.resolve(None)
            self._moving = None

    def is_hindered(self, life: int) -> bool:
        """True when that life cannot simply go on (cheap, for every step of every node)."""
        return bool(self.holds) or self.life != life

    async def going_on(self, life: int) -> None:
        """Returns when that life may go on: at once, when the pause is over, or never when it has ended."""
        while self.life == life and self.node is not None and self.held_as("paused"):
            self._moving = self._moving or Future(self._world.kernel)
            await self._moving
        if self.life != life:
            await Future[None](self._world.kernel)

    def holdings(self) -> Mapping[str, Any] | None:
        """The versions and keys in `GET /admin/state`; None where that would not be answered at once.

        That is while the node is down or held.
        """
        return None if self.node is None or self.holds else {**self.node.annexes.holdings(), **self.node.holdings()}

    def page(self) -> Response | None:
        """The answer to `GET /admin/state`; None where it would not be answered at once."""
        if self.node is None or self.holds:
            return None
        return Served(Response(200, self.node.shown()), self.node.hop()).sealed()

    def at_once(self, request: Request) -> Response | None:
        """What `serve` would give without waiting for anything, where that is known; None where `serve` is to be asked."""
        if self.node is None or self.holds:
            return None
        try:
            served = self.node.ready_answers.find(request)
        except BadPayload:  # `serve` meets it too, and says so
            return None
        return None if served is None else served.sealed()

    def serve(self, request: Request, caller: CallingEnd) -> None:
        """Serves a request that has arrived: the caller is answered, now or later, or reset.

        A request that waited for the end of a pause is served whether or not its caller still waits: it lay in the node's
        socket.
        """
        node, life = self.node, self.life
        if node is None:
            caller.reset()
            return
        self._callers[caller] = None
        work = self._handle_held(node, life, request) if self.holds else node.handle(request)
        self._world.kernel.begin(work, lambda response: self._give(life, response, caller))

    async def _handle_held(self, node: Node, life: int, request: Request) -> Response:
        await self.going_on(life)
        return await node.handle(request)

    def _give(self, life: int, response: Response, caller: CallingEnd) -> None:
        """The response of that life, at once or when it may go on."""
        if self.is_hindered(life):
            self._world.kernel.begin(self._give_held(life, response, caller))
        else:
            self._answer(response, caller)

    async def _give_held(self, life: int, response: Response, caller: CallingEnd) -> None:
        await self.going_on(life)
        self._answer(response, caller)

    def _answer(self, response: Response, caller: CallingEnd) -> None:
        self._callers.pop(caller, None)
        caller.answer(response)

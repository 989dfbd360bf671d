"""The simulation: every node in this process, on a virtual clock, over simulated links. Deterministic and fast.

The nodes are the very same coroutines that the other worlds put on sockets; only the ports differ. One seed gives one
history, byte for byte.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from harness.draw import draw_id
from harness.errors import Defended, WorldError
from harness.history import Recorder
from harness.kernel import Future, Kernel
from harness.load.plan import LoadPlan
from harness.world import Carrier, LoadHandle, ProbeResult
from harness.worlds.links import DOWNSTREAM, UPSTREAM, SimulatedLink
from harness.worlds.simulated_load import SimulatedLoad
from identity.core.messages import CallFailed, Request, Response
from identity.core.node import Node
from identity.core.nodes import build_node
from identity.core.ports import BadToken, Signer
from identity.core.topology import CLIENT, Link, NodeName, NodeSpec, StackSpec, link_between

T = TypeVar("T")
ABILITIES = frozenset({"link:refuse", "link:stall", "link:slow", "node:down", "node:paused", "control", "load"})
CONTROL_TIMEOUT_S = 10.0


class KeyedSigner:
    """Signatures that cost microseconds and are the same in every run: HMAC under a key made from the key id.

    Real signing is forty times dearer than the whole event loop, and its randomness would break equal histories. What
    the nodes do with a signature that is wrong, unknown or expired is the same.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def generate(self, key_id: str) -> str:
        return draw_id(self._seed, "signing", key_id)

    def public(self, key_id: str, private: str) -> Mapping[str, Any]:
        return {"kid": key_id, "use": "sig", "alg": "HS256", "kty": "oct", "k": private}

    def sign(self, key_id: str, private: str, claims: Mapping[str, Any]) -> str:
        head = _encode({"typ": "JWT", "alg": "HS256", "kid": key_id})
        body = _encode(claims)
        return f"{head}.{body}.{_mac(private, f'{head}.{body}')}"

    def verify(self, token: str, key_set: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        parts = token.split(".")
        if len(parts) != 3:
            raise BadToken("it is not a JWT")
        try:
            header, claims = _decode(parts[0]), _decode(parts[1])
        except ValueError as broken:
            raise BadToken("it cannot be decoded") from broken
        key = key_set.get(str(header.get("kid")))
        if key is None:
            raise BadToken(f"no key {header.get('kid')!r}")
        if not hmac.compare_digest(_mac(str(key["k"]), f"{parts[0]}.{parts[1]}"), parts[2]):
            raise BadToken("the signature does not match")
        return claims


def _encode(value: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(text: str) -> dict[str, Any]:
    found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if not isinstance(found, dict):
        raise ValueError(text)
    return found


def _mac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:43]


class SimulatedPorts:
    """One node's ports onto the simulation."""

    def __init__(self, world: SimulationWorld, name: str) -> None:
        self._world, self._name, self._made = world, name, 0
        self.signer: Signer = world.signer
        self.disk: dict[str, Mapping[str, Any]] = {}

    def now(self) -> float:
        return self._world.kernel.now_s()

    def new_id(self) -> str:
        self._made += 1
        return draw_id(self._world.spec.seed, "id", self._name, self._made)

    async def call(self, target: str, request: Request, *, timeout_s: float) -> Response:
        link = str(link_between(self._name, target))
        return await self._world.travel(link, target, request, timeout_s=timeout_s)

    async def sleep(self, duration_s: float) -> None:
        await self._world.kernel.sleep(duration_s)

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
        if record is None:
            self.disk.pop(key, None)
        else:
            self.disk[key] = record

    def restore(self) -> Mapping[str, Mapping[str, Any]]:
        return dict(self.disk)


class SimulatedNode:
    """A node's life: its disk outlives it, its memory does not."""

    def __init__(self, world: SimulationWorld, name: str) -> None:
        self._world = world
        self.name = name
        self.ports = SimulatedPorts(world, name)
        self.holds: dict[str, Mapping[str, Any]] = {}
        self.node: Node | None = None
        self.life = 0
        self._moving: Future[None] | None = None

    def _has(self, effect: str) -> bool:
        return any(state["effect"] == effect for state in self.holds.values())

    @property
    def is_down(self) -> bool:
        return self.node is None

    async def boot(self) -> None:
        node = build_node(NodeSpec(self.name, self._world.spec), self.ports)
        await node.start()
        self.node = node
        self.life += 1
        life = self.life
        for work in node.background():
            self._world.kernel.spawn(self._guard(work, life))

    async def _guard(self, work: Coroutine[Any, Any, None], life: int) -> None:
        await work

    async def settle(self) -> None:
        """Makes the node what its holds say: gone, standing still, or running."""
        if self._has("down"):
            self.node = None
        elif self.node is None:
            await self.boot()
        if self._moving is not None and not self._has("paused"):
            self._moving.resolve(None)
            self._moving = None

    async def running(self) -> None:
        """Returns at once, or when the pause is over."""
        while self._has("paused"):
            self._moving = self._moving or Future(self._world.kernel)
            await self._moving


class SimulationWorld:
    """World protocol on virtual time."""

    name = "simulation"
    abilities = ABILITIES
    rate = 1.0

    def __init__(self, spec: StackSpec, *, epoch_s: float, recorder: Recorder | None = None) -> None:
        self.spec = spec
        self.kernel = Kernel(epoch_s)
        self.signer = KeyedSigner(spec.seed)
        self.recorder = recorder
        self._nodes = {name: SimulatedNode(self, name) for name in spec.nodes()}
        self._links = {str(link): self._link(link) for link in spec.links()}

    def _link(self, link: Link) -> SimulatedLink:
        source, target = link.source.split(".")[0], NodeName.parse(link.target).region
        crosses = link.source != CLIENT and source != target
        return SimulatedLink(self.kernel, str(link), self.spec.seed, crosses=crosses)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine of this world to its end on the virtual clock."""
        return self.kernel.run(coroutine)

    def now(self) -> float:
        return self.kernel.now_s()

    async def sleep_until(self, at_s: float) -> None:
        await self.kernel.sleep_until(at_s)

    async def start(self) -> None:
        for node in self._nodes.values():
            await node.boot()
        while not all(node.node is not None and node.node.ready for node in self._nodes.values()):
            await self.kernel.sleep(0.05)

    async def stop(self) -> None:
        for node in self._nodes.values():
            node.node = None

    async def travel(self, link_name: str, target: str, request: Request, *, timeout_s: float) -> Response:
        """One call over a link: there, handled, and back; raises CallFailed as a socket would."""
        link = self._links[link_name]
        node = self._nodes[target]
        if link.refuses or node.is_down:
            await self.kernel.sleep(0.0005)
            raise CallFailed("refused", target)
        answer: Future[Response] = Future(self.kernel)
        self.kernel.spawn(self._round_trip(link, node, request, answer))
        self.kernel.after(timeout_s, lambda: answer.fail(CallFailed("timeout", target)))
        return await answer

    async def _round_trip(
        self, link: SimulatedLink, simulated: SimulatedNode, request: Request, answer: Future[Response]
    ) -> None:
        await link.carry(UPSTREAM)
        if simulated.holds:
            await simulated.running()
        node, life = simulated.node, simulated.life
        if node is None:
            answer.fail(CallFailed("reset", simulated.name))
            return
        response = await node.handle(request)
        if simulated.node is None or simulated.life != life:
            answer.fail(CallFailed("reset", simulated.name))
            return
        if simulated.holds:
            await simulated.running()
        await link.carry(DOWNSTREAM)
        if link.refuses:
            answer.fail(CallFailed("reset", simulated.name))
        answer.resolve(response)

    async def hold(self, carrier: Carrier, fault_id: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        if carrier.kind == "link":
            self._known_link(carrier.name).hold(fault_id, state)
        elif carrier.kind == "node":
            await self._hold_node(carrier.name, fault_id, state)
        else:
            return await self._hold_control(carrier.name, fault_id, state)
        return await self.read(carrier)

    async def _hold_node(self, name: str, fault_id: str, state: Mapping[str, Any]) -> None:
        if state.get("effect") not in ("down", "paused"):
            raise WorldError(f"node {name}: no effect {state.get('effect')!r}", hint="effects: down, paused")
        node = self._known_node(name)
        node.holds[fault_id] = dict(state)
        await node.settle()

    async def _hold_control(self, name: str, fault_id: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self.control(name, Request("PUT", f"/admin/holds/{fault_id}", body=state))
        message = str(((answer.body or {}).get("error") or {}).get("message", "")) if not answer.ok else ""
        if answer.status == 409:
            raise Defended(message)
        if not answer.ok or answer.body is None:
            raise WorldError(f"{name} did not take the hold ({answer.status}): {message}")
        return answer.body

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        if carrier.kind == "link":
            self._known_link(carrier.name).release(fault_id)
        elif carrier.kind == "node":
            node = self._known_node(carrier.name)
            node.holds.pop(fault_id, None)
            await node.settle()
        else:
            answer = await self.control(carrier.name, Request("DELETE", f"/admin/holds/{fault_id}"))
            if not answer.ok:
                raise WorldError(f"{carrier.name} did not release {fault_id} ({answer.status})")

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        if carrier.kind == "link":
            link = self._known_link(carrier.name)
            return {"holds": dict(link.holds), "refuses": link.refuses}
        if carrier.kind == "node":
            node = self._known_node(carrier.name)
            return {"holds": dict(node.holds), "down": node.is_down}
        answer = await self.control(carrier.name, Request("GET", "/admin/state"))
        if not answer.ok or answer.body is None:
            raise WorldError(f"{carrier.name} did not tell its state ({answer.status})")
        return answer.body

    def _known_link(self, name: str) -> SimulatedLink:
        if name not in self._links:
            raise WorldError(f"the stack has no link {name}")
        return self._links[name]

    def _known_node(self, name: str) -> SimulatedNode:
        if name not in self._nodes:
            raise WorldError(f"the stack has no node {name}")
        return self._nodes[name]

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        started_ns = self.kernel.now_ns
        self._known_link(link)
        target = Link.parse(link).target
        try:
            await self.travel(link, target, Request("GET", "/healthz"), timeout_s=timeout_ms / 1000)
        except CallFailed as failed:
            return ProbeResult(failed.failure, (self.kernel.now_ns - started_ns) / 1e6)
        return ProbeResult("ok", (self.kernel.now_ns - started_ns) / 1e6)

    async def control(self, node: str, request: Request) -> Response:
        simulated = self._known_node(node)
        headers = {**request.headers, "authorization": f"Bearer {self.spec.control_token}"}
        asked = Request(request.method, request.path, request.query, headers, request.body)
        answer: Future[Response] = Future(self.kernel)
        self.kernel.spawn(self._answer_control(simulated, asked, answer))
        problem = WorldError(f"the control plane of {node} does not answer", hint="the node is down or paused")
        self.kernel.after(CONTROL_TIMEOUT_S, lambda: answer.fail(problem))
        return await answer

    async def _answer_control(self, simulated: SimulatedNode, request: Request, answer: Future[Response]) -> None:
        await simulated.running()
        if simulated.node is None:
            answer.fail(WorldError(f"the control plane of {simulated.name} does not answer", hint="the node is down"))
            return
        answer.resolve(await simulated.node.handle(request))

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        return await self.travel(str(Link(CLIENT, node)), node, request, timeout_s=timeout_s)

    async def start_load(self, plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> LoadHandle:
        if self.recorder is None:
            raise WorldError("load needs a recorder")
        return SimulatedLoad(self.kernel, self.client, plan, self.recorder)

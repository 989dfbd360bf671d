"""The edge: clients' way to a stack by name. It stands where they stand, looks a name up, and leads to a node behind it.

It is the one place that knows names, so a client that chooses its endpoint by rules of its own (regional or global, this
region or that) chooses among the stack's. Nothing else can be reached through it. In worlds of sockets it has doors that
real clients use (brownout.identity.server.edge); in every world a request to its own port with the name as its host goes the
same way, which is how client models and looks use names.

Behind a name are several nodes. They take turns, and one on which a connection failed is left out for EJECTED_S, as a load
balancer does whose checks fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from brownout.identity.core import trail
from brownout.identity.core.edge.names import IN_USE_S, Endpoint, NameCache, NameFault, NameRoutes, Resolvers
from brownout.identity.core.holds import Refused, Switch, Value, nothing_to_undo
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json
from brownout.identity.core.settings import Settings
from brownout.identity.core.surface import Served, error
from brownout.identity.core.topology import EDGE, TOKEN, NodeSpec, StackSpec
from brownout.identity.core.trail import PROBE_AGENT, Hop

CLIENT_REGION = (
    "x-brownout-client-region"  # where a client of the edge's own port stands; the home region where it does not say
)
NAME_CACHE = "x-brownout-client-name-cache"  # the cache that a client of the edge's own port has, none where it does not say
NAME_SWITCH = "name"
EJECTED_S = 10.0
CALL_TIMEOUT_S = 60.0  # as long as the real clients' own
WORDS: Mapping[str, str] = {
    "nxdomain": "{name} does not exist (NXDOMAIN), says the resolver of {region}",
    "empty": "{name} has no address, says the resolver of {region}",
    "reset": "the connection to {name} was reset",
}

RoutesOf = Callable[[StackSpec, Settings], NameRoutes]


class UnknownName(Exception):
    """A name that is none of the stack's, or a region from which no client comes; the text says which there are."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a name leads: to `nodes`, the first to be tried first, or nowhere, for what `outcome` says.

    `cache` is `hit` or `miss` for a client with a cache of its own.
    """

    name: str
    region: str
    outcome: Literal["found", "nxdomain", "empty", "reset"]
    nodes: tuple[str, ...] = ()
    cache: Literal["", "hit", "miss"] = ""

    @property
    def problem(self) -> str:
        """Why it leads nowhere, a sentence."""
        return WORDS[self.outcome].format(name=self.name, region=self.region)


class Edge(Node):
    """The edge of one stack. `endpoints` says where each name leads; it is the vendors' (brownout.identity.roles)."""

    role = EDGE

    def __init__(self, spec: NodeSpec, ports: Ports, *, endpoints: RoutesOf) -> None:
        super().__init__(spec, ports)
        self._resolvers = Resolvers(endpoints(spec.stack, self.settings), self.settings.name_ttl_s)
        self._turns: dict[Endpoint, int] = {}
        self._out_until_s: dict[str, float] = {}
        self.holds.add({NAME_SWITCH: Switch(self._check_fault, nothing_to_undo)})

    @property
    def names(self) -> frozenset[str]:
        return self._resolvers.names

    def state(self) -> Json:
        now_s = self.ports.now()
        return {
            "names": sorted(self.names),
            "left_out": sorted(node for node, until_s in self._out_until_s.items() if now_s < until_s),
        }

    async def _check_fault(self, fault_id: str, value: Value) -> Value:
        fault = self._fault(value)
        if fault.effect == "lost" and self.settings.name_gate:
            self._check_unused(fault.name)
        return {}

    def _check_unused(self, name: str) -> None:
        """Raises Refused for a name in use: a record may go once no client has asked for it for a day."""
        used_s = self._resolvers.used_s(name)
        ago_s = None if used_s is None else self.ports.now() - used_s
        if ago_s is not None and ago_s < IN_USE_S:
            raise Refused(f"{name} is in use: it was asked for {ago_s:.0f} s ago")

    def _fault(self, value: Value) -> NameFault:
        return NameFault.of(value, names=self.names, regions=self.stack.regions)

    async def lead(self, name: str, region: str, *, cache: NameCache | None = None, counts: bool = True) -> Way:
        """Where a client in `region` gets by `name`, once its resolver has answered; raises UnknownName.

        `cache` is the client's own; `counts` says that it is use of the name.
        """
        if name not in self.names:
            raise UnknownName(f"{name!r} is no name of this stack; it has {', '.join(sorted(self.names))}")
        if region not in self.stack.regions:
            raise UnknownName(f"no client comes from {region!r}; regions are {', '.join(self.stack.regions)}")
        in_force = [fault for fault in map(self._fault, self.holds.held(NAME_SWITCH)) if fault.concerns(name, region)]
        asks = cache is None or self._resolvers.cached(name, region, cache, self.ports.now()) is None
        delay_s = max((fault.delay_s for fault in in_force), default=0.0)
        if delay_s and asks:
            await self.ports.sleep(delay_s)
        if any(fault.effect == "reset" for fault in in_force):
            return Way(name, region, "reset")
        looked = self._resolvers.look_up_for(name, region, in_force, self.ports.now(), cache=cache, counts=counts)
        record = looked.record
        if record.endpoint is None:
            return Way(name, region, record.problem or "empty", cache=looked.cache)
        return Way(name, region, "found", self.in_turn(record.endpoint), looked.cache)

    def in_turn(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The nodes behind an endpoint, whose turn it is first; those left out come last, for when nothing else answers."""
        single = f"{endpoint.region}.{endpoint.role}"
        nodes = self.stack.token_nodes(endpoint.region) if endpoint.role == TOKEN else (single,)
        turn = self._turns.get(endpoint, 0)
        self._turns[endpoint] = (turn + 1) % len(nodes)
        now_s = self.ports.now()
        rotated = (*nodes[turn:], *nodes[:turn])
        assert len(rotated) == len(nodes) > 0, "every node has its turn"
        return tuple(sorted(rotated, key=lambda node: now_s < self._out_until_s.get(node, 0.0)))  # sorting is stable

    def hop_by(self, way: Way, cache: str = "") -> Hop:
        """The hop of a client that was led this way, with its own cache of names if it has one."""
        # Whose own cache has the record does not depend on what is published for the region: it has another key.
        key_id = way.name if way.cache == "hit" else f"{way.name}@{way.region}"
        return Hop(self.name, key_id=key_id, key_kind=cache, cache=way.cache)

    def leave_out(self, node: str) -> None:
        """Notes that a connection to the node failed."""
        assert node.partition(".")[0] in self.stack.regions, "what is left out is a node of the stack"
        self._out_until_s[node] = self.ports.now() + EJECTED_S

    async def answer(self, request: Request) -> Served:
        """What the node behind the name in `host` answers, for a client in the region that CLIENT_REGION names."""
        region = request.headers.get(CLIENT_REGION, self.stack.home_region)
        name = request.headers.get("host", "").partition(":")[0].lower()
        told, counts = request.headers.get(NAME_CACHE, ""), request.headers.get("user-agent") != PROBE_AGENT
        try:
            cache = NameCache.of(told) if told else None
            way = await self.lead(name, region, cache=cache, counts=counts)
        except ValueError as wrong:
            return Served(error(400, "BadNameCache", str(wrong)), self.hop())
        except UnknownName as unknown:
            return Served(error(403, "NotOfThisStack", str(unknown)), self.hop())
        hop = self.hop_by(way, "" if cache is None else cache.name)
        if way.outcome != "found":
            return Served(error(502, way.outcome, way.problem), hop)
        return await self._forwarded(way, request, hop)

    async def _forwarded(self, way: Way, request: Request, hop: Hop) -> Served:
        """Tries another node only where the one before refused the connection: then nothing can have happened there."""
        failure = CallFailed("refused", way.nodes[0])
        for node in way.nodes:
            try:
                response = await self.ports.call(node, request, timeout_s=CALL_TIMEOUT_S)
            except CallFailed as failed:
                self.leave_out(node)
                failure = failed
                if failed.failure == "refused":
                    continue
                break
            return Served(response, hop, trail.of(response))
        status = 504 if failure.failure == "timeout" else 502
        return Served(
            error(status, f"backend-{failure.failure}", f"{failure.target}, to which {way.name} led, did not answer"), hop
        )

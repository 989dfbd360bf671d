"""The way of a request through the stack, from its trail: the nodes that it was served by and the links that it went over.

Hops stand in a trail in the order in which they were entered. A hop was called by the nearest earlier one that has a link to
it, and by the client when there is none: after `vault`, a `host` is the client's earlier call for the token that it then used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from brownout.harness.record.reach import Reach
from brownout.identity.core import trail
from brownout.identity.core.topology import CALLS, CLIENT, CLIENT_FACING, EDGE, Link, NodeName, link_between
from brownout.identity.core.trail import Hop

_LEAVES_REGION = {(source, target): leaves for source, target, leaves in CALLS}
_LEAVES_REGION |= {(EDGE, role): True for role in CLIENT_FACING if role != EDGE}


@dataclass(frozen=True, slots=True)
class Route:
    """Nodes, links, and the store keys by node (`(node, id or kind)`). `asks_caches`: a node looked into its cache."""

    nodes: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    keys: frozenset[tuple[str, str]] = frozenset()
    asks_caches: bool = False

    def meets(self, reach: Reach) -> bool:
        """Whether the way has something of the fault's reach, for any client."""
        if not self.links.isdisjoint(reach.links):
            return True
        if reach.keys:
            return any((node, key) in self.keys for node in reach.nodes for key in reach.keys)
        return not self.nodes.isdisjoint(reach.nodes)

    def rests_on_replica(self, reach: Reach) -> bool:
        """Whether a node answered whose replica the fault keeps from being fed."""
        return not self.nodes.isdisjoint(reach.replicas)


NOWHERE = Route()
SEVERAL = "|"


@lru_cache(maxsize=65_536)  # trails name no request, so a run of any length has few different ones
def route_of(text: str) -> Route:
    """The route that a trail shows; one of no hops for an empty trail."""
    hops = trail.parse(text)
    return Route(
        nodes=frozenset(hop.node for hop in hops),
        links=frozenset(_link_to(index, hops) for index in range(len(hops))),
        keys=frozenset((hop.node, key) for hop in hops for key in (hop.key_id, hop.key_kind) if key),
        asks_caches=any(hop.cache for hop in hops),
    )


@lru_cache(maxsize=65_536)
def routes_of(text: str) -> Route:
    """The route of one trail, or all of several trails together, which `SEVERAL` joins."""
    ways = [route_of(each) for each in text.split(SEVERAL)]
    if len(ways) == 1:
        return ways[0]
    return Route(
        nodes=frozenset[str]().union(*(way.nodes for way in ways)),
        links=frozenset[str]().union(*(way.links for way in ways)),
        keys=frozenset[tuple[str, str]]().union(*(way.keys for way in ways)),
        asks_caches=any(way.asks_caches for way in ways),
    )


def _link_to(index: int, hops: tuple[Hop, ...]) -> str:
    target = hops[index].node
    caller = next((hop.node for hop in reversed(hops[:index]) if _may_call(hop.node, target)), None)
    return str(Link(CLIENT, target) if caller is None else link_between(caller, target))


def _may_call(source: str, target: str) -> bool:
    first, second = NodeName.parse(source), NodeName.parse(target)
    leaves = _LEAVES_REGION.get((first.role, second.role))
    return leaves is not None and (leaves or first.region == second.region)

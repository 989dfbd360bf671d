"""node-pause: processes are frozen; connections to them are made and never answered."""

from __future__ import annotations

from pydantic import Field

from faults._nodes import NodeFault
from faults._targets import matching_nodes
from harness.world import World


class NodePause(NodeFault):
    """As in a long garbage collection or a hung disk: alive to the kernel, dead to its callers."""

    kind = "node-pause"
    effect = "paused"
    needs = frozenset({"node:paused"})
    signs = frozenset({"timeout"})

    node: str = Field(description='a node\'s name, or the start of several: "sydney.token" pauses all zones')

    def describe(self) -> str:
        return f"{self.node} is paused"

    def nodes(self, world: World) -> tuple[str, ...]:
        return matching_nodes(world, self.node)

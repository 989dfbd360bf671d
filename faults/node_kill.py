"""node-kill: processes die without a word."""

from __future__ import annotations

from pydantic import Field

from faults._nodes import KillFault
from faults._targets import matching_nodes
from harness.world import World


class NodeKill(KillFault):
    """One node, or every node below a name."""

    kind = "node-kill"

    node: str = Field(description='a node\'s name, or the start of several: "sydney.token" kills all zones')

    def describe(self) -> str:
        return f"{self.node} is killed"

    def nodes(self, world: World) -> tuple[str, ...]:
        return matching_nodes(world, self.node)

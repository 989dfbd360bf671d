"""region-kill: all nodes of a region are killed; in the home region the directory and the deployer as well."""

from __future__ import annotations

from pydantic import Field

from brownout.faults._nodes import NodeFault
from brownout.faults._targets import known_region, matching_nodes
from brownout.harness.world import StackSpec


class RegionKill(NodeFault):
    """All nodes of a region are killed; the revert starts them again."""

    kind = "region-kill"
    effect = "down"
    needs = frozenset({"node:down"})
    target = ("region",)

    region: str = Field(description="the region that is lost")

    def describe(self) -> str:
        return f"region {self.region} is lost"

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        return matching_nodes(spec, known_region(spec, self.region))

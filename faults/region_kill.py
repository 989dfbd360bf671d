"""region-kill: all nodes of a region die; in the home region that takes the directory and the deployer with it."""

from __future__ import annotations

from brownout.faults._nodes import KillFault
from brownout.faults._targets import known_region, matching_nodes
from brownout.harness.world import StackSpec


class RegionKill(KillFault):
    """A whole region is lost."""

    kind = "region-kill"
    target = ("region",)

    region: str

    def describe(self) -> str:
        return f"region {self.region} is lost"

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        return matching_nodes(spec, known_region(spec, self.region))

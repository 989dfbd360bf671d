"""zone-kill: every node in one zone of a region is killed (nodes without a zone are spread over all zones)."""

from __future__ import annotations

from pydantic import Field

from brownout.faults._nodes import NodeFault
from brownout.faults._targets import known_region, known_zone
from brownout.harness.world import StackSpec


class ZoneKill(NodeFault):
    """All nodes of a zone are killed, as when a data centre is lost; the revert starts them again."""

    kind = "zone-kill"
    effect = "down"
    needs = frozenset({"node:down"})
    target = ("region", "zone")

    region: str = Field(description="where the zone is")
    zone: str = Field(description="the zone that is lost, such as z2")

    def describe(self) -> str:
        return f"zone {self.zone} of {self.region} is lost"

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        region, zone = known_region(spec, self.region), known_zone(spec, self.zone)
        return tuple(node for node in spec.token_nodes(region) if node.endswith(f".{zone}"))

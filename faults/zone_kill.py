"""zone-kill: every node that lives in one zone of a region dies (nodes without a zone are spread over all of them)."""

from __future__ import annotations

from brownout.faults._nodes import KillFault
from brownout.faults._targets import known_region, known_zone
from brownout.harness.world import StackSpec


class ZoneKill(KillFault):
    """A data centre is lost."""

    kind = "zone-kill"
    target = ("region", "zone")

    region: str
    zone: str

    def describe(self) -> str:
        return f"zone {self.zone} of {self.region} is lost"

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        region, zone = known_region(spec, self.region), known_zone(spec, self.zone)
        return tuple(node for node in spec.token_nodes(region) if node.endswith(f".{zone}"))

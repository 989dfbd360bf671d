"""failover-zone: the machines of one zone use another zone's token nodes; a mitigation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._routes import RouteFault
from brownout.faults._targets import known_zone
from brownout.harness.errors import UsageError
from brownout.harness.fault import Observation, Reach
from brownout.harness.world import StackSpec, World


class FailoverZone(RouteFault):
    """The machines of one zone use another zone's token nodes."""

    kind = "failover-zone"
    switch = "route-zone"
    target = ("region", "zone")

    zone: str = Field(description="the zone that is left, such as z1")
    to: str = Field(description="the zone that takes over")

    def describe(self) -> str:
        return f"zone {self.zone} of {self.region} is failed over to {self.to}"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        if self.zone == self.to:
            raise UsageError(f"zone {self.zone} cannot be failed over to itself", hint="name another zone in `to`")
        return {"zone": known_zone(spec, self.zone), "to": known_zone(spec, self.to)}

    def reach(self, spec: StackSpec) -> Reach:
        """The way that the zone's machines leave. The way that they take instead others use anyway."""
        left = [node for node in spec.token_nodes(self.region) if node.endswith(f".{self.zone}")]
        return Reach(links=tuple(f"{self.holder(spec)}->{node}" for node in left))

    async def observe(self, world: World) -> Observation:
        first = (await self.first_choices(world))[self.zone]
        moved = first.endswith(f".{self.to}")
        return Observation("bitten" if moved else "absent", f"machines of {self.region} {self.zone} use {first}")

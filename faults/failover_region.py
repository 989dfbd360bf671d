"""failover-region: the machines of a region use another region's token nodes; a mitigation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._routes import RouteFault
from brownout.faults._targets import known_region
from brownout.harness.errors import UsageError
from brownout.harness.fault import Observation, Reach
from brownout.harness.world import StackSpec, World


class FailoverRegion(RouteFault):
    """A region's machines use another region's token nodes. Metadata of identities stays in their home region's store."""

    kind = "failover-region"
    switch = "route-region"
    target = ("region",)

    to: str = Field(description="the region that takes over")

    def describe(self) -> str:
        return f"clients of {self.region} are failed over to {self.to}"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        if self.region == self.to:
            raise UsageError(f"{self.region} cannot be failed over to itself", hint="name another region in `to`")
        return {"to": known_region(spec, self.to)}

    def reach(self, spec: StackSpec) -> Reach:
        nodes = (*spec.token_nodes(self.region), *spec.token_nodes(self.to))
        return Reach(links=tuple(f"{self.holder(spec)}->{node}" for node in nodes))

    async def observe(self, world: World) -> Observation:
        first = await self.first_choices(world)
        looks = {zone: (node.startswith(f"{self.to}."), f"uses {node}") for zone, node in first.items()}
        return everywhere(f"zones of {self.region} served by {self.to}", looks)

"""Base of failovers: the host of a region sends its machines' requests to other token nodes."""

from __future__ import annotations

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region
from brownout.harness.fault import node_state
from brownout.harness.world import HOST, StackSpec, World


class RouteFault(SwitchFault):
    """A change of one host's routing; the revert routes as before."""

    family = "load"

    region: str = Field(description="whose clients are led elsewhere")

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, HOST)

    async def first_choices(self, world: World) -> dict[str, str]:
        """The token node that the machines of each zone use first; raises WorldError."""
        routes = (await node_state(world, self.holder(world.spec)))["routes"]
        return {zone: nodes[0] for zone, nodes in routes.items()}

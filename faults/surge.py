"""surge: a backlog of machines comes up at once in a region, and each asks for a token that no cache has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import HOST, StackSpec, World


class Surge(SwitchFault):
    """Load beside that of the clients: the platform's own, in no request log and judged by no objective."""

    kind = "surge"
    family = "load"
    switch = "surge"
    target = ("region",)

    region: str = Field(description="where the requests come from")
    per_s: float = Field(gt=0, le=100_000, description="machines that come up in an emulated second")

    def describe(self) -> str:
        return f"{self.per_s:g} machines a second come up in {self.region} beside the usual ones"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, HOST)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"per_s": self.per_s}

    def reach(self, spec: StackSpec) -> Reach:
        """What the region's token nodes serve, and the stores that those read: they are what gets busy."""
        return Reach(nodes=spec.token_nodes(self.region))

    async def observe(self, world: World) -> Observation:
        """Whether the host's backlog is being worked on. What that does to others depends on what they can do."""
        surge = (await node_state(world, self.holder(world.spec))).get("surge")
        if surge is None or await self.in_force(world) is None:
            return Observation("absent", "no backlog of this kind")
        seen = f"{surge['asked']} machines came up so far, {surge['failed']} without a token"
        return Observation("bitten" if surge["asked"] else "unclear", seen)

"""store-read-only: a region's store refuses writes; reads go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region
from brownout.harness.fault import Observation, node_state
from brownout.harness.world import STORE, StackSpec, World


class StoreReadOnly(SwitchFault):
    """As of a cell that was isolated: tokens of identities that exist go on, nothing can be created, changed or deleted."""

    kind = "store-read-only"
    family = "data"
    switch = "read-only"
    target = ("region",)

    region: str = Field(description="whose store takes no writes")

    def describe(self) -> str:
        return f"the store of {self.region} takes no writes"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, STORE)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {}

    async def observe(self, world: World) -> Observation:
        """The store's own word: a write to try it would be one change more in the account."""
        takes = (await node_state(world, self.holder(world.spec)))["takes_writes"]
        return Observation("absent" if takes else "bitten", f"the store {'takes' if takes else 'refuses'} writes")

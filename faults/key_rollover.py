"""key-rollover: a region's store makes a new managed key by itself; the old key ends at once or after an overlap.

The new key is not published: the directory goes on publishing the old one. key-switch goes through the key manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._keys import key_ring, superseded
from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region
from brownout.harness.fault import Duration, Observation
from brownout.harness.world import STORE, StackSpec, World


class KeyRollover(SwitchFault):
    """The store of a region rolls its key; the revert makes the old key valid again."""

    kind = "key-rollover"
    family = "credential"
    switch = "roll-key"
    target = ("region",)

    region: str = Field(description="whose store rolls its key")
    overlap: Duration = Field(0.0, ge=0, description="how long the old key stays valid")

    def describe(self) -> str:
        return f"the store of {self.region} rolls its key, the old one ends {_when(self.overlap)}"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, STORE)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"overlap_s": self.overlap}

    async def observe(self, world: World) -> Observation:
        return superseded(self.region, await key_ring(world, self.region))


def _when(overlap_s: float) -> str:
    return f"after {overlap_s:g} s" if overlap_s else "at once"

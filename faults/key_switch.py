"""key-switch: the key manager takes over the store key of a region and rolls it, as on 00:55 UTC of 12 July 2024.

The directory throws a switch on the store under the same id, so both are carriers: the rest of a half-done switch
is released on both. A system with a readiness gate refuses it (Defended).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._keys import key_ring, superseded
from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home, in_region, known_region
from brownout.harness.fault import Duration, Observation, Reach, node_state
from brownout.harness.world import DIRECTORY, STORE, Carrier, StackSpec, World


class KeySwitch(SwitchFault):
    """A region's store key becomes a managed key; nodes that cannot use managed keys fail when the old key ends."""

    kind = "key-switch"
    family = "credential"
    switch = "switch-keys"
    target = ("region",)

    region: str = Field(description="whose store the key manager takes over")
    overlap: Duration | None = Field(None, ge=0, description="how long the old key stays valid; else the stack's setting")

    def describe(self) -> str:
        return f"the key manager takes over the store key of {self.region}"

    def holder(self, spec: StackSpec) -> str:
        return home(spec, DIRECTORY)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        overlap = {} if self.overlap is None else {"overlap_s": self.overlap}
        return {"region": known_region(spec, self.region), **overlap}

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        return (*super().carriers(spec), Carrier("control", in_region(spec, self.region, STORE)))

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=(in_region(spec, self.region, STORE),))  # and not what the directory serves: that stays as it was

    async def apply(self, world: World, fault_id: str) -> None:
        directory = Carrier("control", self.holder(world.spec))
        await world.hold(directory, fault_id, self.state(world.spec, directory))

    async def observe(self, world: World) -> Observation:
        ring = superseded(self.region, await key_ring(world, self.region))
        managed = (await node_state(world, self.holder(world.spec)))["managed_keys"]
        taken_over = self.region in managed
        evidence = f"{ring.evidence}; the key manager has {'taken it over' if taken_over else 'not taken it over'}"
        if (ring.state == "bitten") is taken_over:
            return Observation(ring.state, evidence)
        return Observation("unclear", evidence)

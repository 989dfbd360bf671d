"""key-accept: a region's store accepts a key in spite of a roll-over; a mitigation."""

from __future__ import annotations

from brownout.faults._keys import StoreKeyFault, ended_by_order, key_ring, ring_text
from brownout.harness.fault import Observation
from brownout.harness.world import World


class KeyAccept(StoreKeyFault):
    """One key is valid again. It has an effect only where that key was refused."""

    kind = "key-accept"
    switch = "accept-key"

    def describe(self) -> str:
        return f"the store of {self.region} is made to accept its {self.key_id} key"

    async def observe(self, world: World) -> Observation:
        """Bitten while the hold keeps a key valid that another hold ended; a key that is valid anyway proves nothing."""
        keys = await key_ring(world, self.region)
        text = f"key ring of {self.region}: {ring_text(keys)}"
        order = await self.in_force(world)
        if order is None:
            return Observation("absent", f"no such order stands; {text}")
        if "resolved" not in order:
            return Observation("unclear", f"the store does not say which key that is; {text}")
        key_id = str(order["resolved"])
        if key_id not in await ended_by_order(world, self.region):
            return Observation("unclear", f"{key_id} would be valid anyway; {text}")
        valid = any(key["key_id"] == key_id and key["valid"] for key in keys)
        return Observation("bitten" if valid else "unclear", text)

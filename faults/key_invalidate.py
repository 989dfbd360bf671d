"""key-invalidate: a region's store refuses one of its keys from now on, with nothing in its place."""

from __future__ import annotations

from pydantic import Field

from brownout.faults._keys import StoreKeyFault, key_ring, ring_text
from brownout.harness.fault import Observation
from brownout.harness.world import World


class KeyInvalidate(StoreKeyFault):
    """A key is withdrawn; the revert makes it valid again."""

    kind = "key-invalidate"
    switch = "invalidate-key"

    key_id: str = Field("current", description='an id, "manual" or "managed" (the newest of the kind), or "current"')

    def describe(self) -> str:
        return f"the store of {self.region} refuses its {self.key_id} key"

    async def observe(self, world: World) -> Observation:
        keys = await key_ring(world, self.region)
        named = [key for key in keys if self.key_id in ("current", key["key_id"], key["kind"])][-1:]
        refused = any(not key["valid"] for key in named)
        return Observation("bitten" if refused else "absent", f"key ring of {self.region}: {ring_text(keys)}")

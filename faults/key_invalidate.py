"""key-invalidate: a region's store refuses one of its keys, from now on or after a while, with nothing in its place.

A system with a check that the key is not in use (`key_use_gate_s`) refuses it (Defended).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from pydantic import Field

from brownout.faults._keys import Key, StoreKeyFault, key_ring, ring_text
from brownout.harness.fault import Duration, Observation
from brownout.harness.world import StackSpec, World


class KeyInvalidate(StoreKeyFault):
    """A key is withdrawn; the revert makes it valid again."""

    kind = "key-invalidate"
    switch = "invalidate-key"

    key_id: str = Field("current", description='an id, "manual" or "managed" (the newest of the kind), or "current"')
    after: Duration = Field(0.0, ge=0, description="how long the order takes to come into force: until then the key is valid")

    def describe(self) -> str:
        when = f" after {self.after:g} s" if self.after else ""
        return f"the store of {self.region} refuses its {self.key_id} key{when}"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        delay = {"after_s": self.after} if self.after else {}
        return {**super().value(spec), **delay}

    async def observe(self, world: World) -> Observation:
        """Bitten: the key is refused, or will be from the order's own time on. Another order may have ended it later anyway."""
        keys = await key_ring(world, self.region)
        order = await self.in_force(world) if self.after else None
        by_s = -inf if order is None else float(order["at_s"])
        named = [key for key in keys if self.key_id in ("current", key["key_id"], key["kind"])][-1:]
        bitten = any(_ends_by(key, by_s) for key in named)
        return Observation("bitten" if bitten else "absent", f"key ring of {self.region}: {ring_text(keys)}")


def _ends_by(key: Key, at_s: float) -> bool:
    ends_s = key["valid_until_s"]
    return not key["valid"] or (ends_s is not None and ends_s <= at_s)

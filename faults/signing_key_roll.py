"""signing-key-roll: tokens are signed with a new key, which is published beside the earlier one.

By itself it harms no verifier that hears of the new set in time. Verifiers that do not are what it finds (key-set-stale, and
the setting `verifier_refetches`). Undone, the earlier key signs again and tokens of the newer one are refused.
"""

from __future__ import annotations

from brownout.faults._looks import everywhere
from brownout.faults._signing_keys import SigningKeyFault, published
from brownout.harness.fault import Observation
from brownout.harness.world import World


class SigningKeyRoll(SigningKeyFault):
    """A newer signing key."""

    kind = "signing-key-roll"
    switch = "roll-signing-key"

    def describe(self) -> str:
        return "tokens are signed with a new key, which is published beside the earlier one"

    async def observe(self, world: World) -> Observation:
        """Bitten: the key that the directory made for it signs, and every region publishes it."""
        signs, rolled = await self.signs(world), await self.in_force(world)
        is_newer = rolled is not None and signs == rolled.get("key_id")
        looks = {}
        for region in world.spec.regions:
            known = await published(world, region)
            if known is None:
                return Observation("unclear", f"{region} shows no key set")
            looks[region] = (is_newer and signs in known, f"{signs} signs, published are {', '.join(known)}")
        return everywhere("regions with a newer key", looks)

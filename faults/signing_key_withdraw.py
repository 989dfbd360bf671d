"""signing-key-withdraw: a key that still signs tokens is taken out of the published key set.

Verifiers refuse good tokens from when they hear of the new set. What each has cached decides when that is, and again when
it hears of the set with the key in it (docs/reference/azure-wire.md#verifiers-key-sets).
"""

from __future__ import annotations

from brownout.faults._looks import everywhere
from brownout.faults._signing_keys import SigningKeyFault, published
from brownout.harness.fault import Observation
from brownout.harness.world import World


class SigningKeyWithdraw(SigningKeyFault):
    """The key that tokens are signed with is not published any more."""

    kind = "signing-key-withdraw"
    switch = "withdraw-signing-key"

    def describe(self) -> str:
        return "the live signing key is taken out of the published key set"

    async def observe(self, world: World) -> Observation:
        """Bitten: no region publishes the key that signs, as a verifier sees it. Absent: every one does."""
        signs = await self.signs(world)
        looks = {}
        for region in world.spec.regions:
            known = await published(world, region)
            if known is None:
                return Observation("unclear", f"{region} shows no key set")
            looks[region] = (signs not in known, f"publishes {', '.join(known)}")
        return everywhere(f"regions without {signs}", looks)

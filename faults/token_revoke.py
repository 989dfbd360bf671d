"""token-revoke: a region's Key Vault takes no token any more that was issued before, as when a session is revoked.

It says so in a claims challenge, which the SDK's clients follow: they ask for a new token. What they get is not new while the
caches behind their endpoint have the old one (docs/reference/azure-wire.md#claims-challenge).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region
from brownout.harness.fault import Observation, Reach, node_state, unknown_name
from brownout.harness.world import VAULT, StackSpec, World


class TokenRevoke(SwitchFault):
    """Tokens of one identity, or of all callers, that were issued until now."""

    kind = "token-revoke"
    family = "credential"
    switch = "revoke-tokens"
    target = ("region", "identity")
    vendor = "azure"

    region: str = Field(description="whose Key Vault takes them no more")
    identity: str = Field("", description="whose tokens, such as `web-1-system`; all callers' by default")

    def describe(self) -> str:
        return f"Key Vault of {self.region} takes no older token of {self.identity or 'any caller'}"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, VAULT)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        self.holder(spec)
        if not self.identity:
            return {}
        known = spec.by_name()
        if self.identity not in known:
            raise unknown_name("identity", self.identity, known)
        return {"caller": known[self.identity].object_id}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=(self.holder(spec),))

    async def observe(self, world: World) -> Observation:
        """Bitten: the vault says from when on it takes tokens."""
        caller = str(self.value(world.spec).get("caller", ""))
        since_s = (await node_state(world, self.holder(world.spec)))["azure"]["revoked"].get(caller)
        if since_s is None:
            return Observation("absent", f"{self.holder(world.spec)} takes tokens of any age")
        return Observation("bitten", f"{self.holder(world.spec)} takes tokens issued from {since_s} on")

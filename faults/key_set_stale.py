"""key-set-stale: a region's verifiers keep the key set that they have past every refresh.

Tokens that a newer key has signed are refused there, and only there. The bite is a key that signs and is not trusted: while no
key is newer than the kept set, the observation is `unclear`. A restart does not help: the set is on the verifier's disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home, in_region
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import DIRECTORY, VAULT, Settings, StackSpec, World


class KeySetStale(SwitchFault):
    """One region's protected APIs know no newer key."""

    kind = "key-set-stale"
    family = "credential"
    switch = "keep-key-set"
    target = ("region",)
    vendor = "azure"  # whose APIs alone verify with a key set

    region: str = Field(description="whose Key Vault and storage keep their key set")

    def describe(self) -> str:
        return f"verifiers of {self.region} keep the key set that they have"

    def settles_s(self, spec: StackSpec) -> float:
        return 2 * Settings.of(spec.settings).publish_interval_s

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, VAULT)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        self.holder(spec)
        return {}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=(self.holder(spec),))

    async def observe(self, world: World) -> Observation:
        """Bitten: kept, and the key that signs is not in it. Absent: not kept, and that key is trusted."""
        signs = str((await node_state(world, home(world.spec, DIRECTORY)))["signing_key_id"])
        trusted = [str(key_id) for key_id in (await node_state(world, self.holder(world.spec)))["key_ids"]]
        kept = await self.in_force(world) is not None
        told = f"{self.holder(world.spec)} trusts {', '.join(trusted) or 'no key'}; {signs} signs"
        if kept == (signs not in trusted):
            return Observation("bitten" if kept else "absent", told)
        reason = "kept, and no key is newer yet" if kept else "not kept, and it has not heard of the key that signs"
        return Observation("unclear", f"{reason}; {told}")

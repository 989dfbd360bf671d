"""access-key-revoke: long-term access keys are taken away in the control plane, and regions refuse them once they hear of it.

Sessions that were made with them live on. The key's own status stays as its user set it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home, key_readers
from brownout.harness.errors import UsageError
from brownout.harness.fault import Observation, Reach, control_page
from brownout.harness.world import DIRECTORY, VAULT, Settings, StackSpec, World


class AccessKeyRevoke(SwitchFault):
    """One access key, or all keys of a user, are refused as if they were inactive."""

    kind = "access-key-revoke"
    family = "credential"
    switch = "revoke-access-keys"
    target = ("user",)
    vendor = "aws"

    user: str | None = Field(None, min_length=1, description="all keys of this user, also those made meanwhile")
    access_key_id: str | None = Field(None, min_length=16, description="this key alone, in place of a user's")

    def describe(self) -> str:
        return f"access key{f' {self.access_key_id}' if self.access_key_id else f's of {self.user}'} revoked"

    def settles_s(self, spec: StackSpec) -> float:
        return 3 * Settings.of(spec.settings).iam_publish_interval_s

    def holder(self, spec: StackSpec) -> str:
        return home(spec, DIRECTORY)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        if (self.user is None) == (self.access_key_id is None):
            raise UsageError("access-key-revoke needs a user or an access_key_id, and not both")
        return {"user": self.user} if self.user else {"access_key_id": self.access_key_id}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(replicas=_holders(spec))

    async def observe(self, world: World) -> Observation:
        """Bitten: ordered, and every region refuses the keys. Absent: not ordered, and some key is taken everywhere."""
        looks = {node: await self._look(world, node) for node in _holders(world.spec)}
        refused = everywhere("nodes that refuse the keys", looks)
        ordered = await self.in_force(world) is not None
        if (refused.state == "bitten" and ordered) or (refused.state == "absent" and not ordered):
            return refused
        reason = "ordered, and not heard everywhere" if ordered else "not ordered, and refused"
        return Observation("unclear", f"{reason}; {refused.evidence}", refused.detail)

    async def _look(self, world: World, node: str) -> tuple[bool, str]:
        """Whether the node takes none of the keys, and what it knows of them; raises WorldError."""
        page = await control_page(world, node, "/admin/aws/access-keys", {"user": self.user or ""})
        keys = [key for key in page["keys"] if self.access_key_id in (None, key["access_key_id"])]
        refused = [key for key in keys if key["revoked"]]
        return bool(keys) and len(refused) == len(keys), f"{len(refused)} of {len(keys)} revoked"


def _holders(spec: StackSpec) -> tuple[str, ...]:
    """Every node that verifies signatures with its own copy of the account."""
    return (*key_readers(spec, spec.regions), *(f"{region}.{VAULT}" for region in spec.regions))

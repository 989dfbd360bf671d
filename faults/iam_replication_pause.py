"""iam-replication-pause: regions, or single nodes of them, get no newer account from IAM's control plane.

Permissions, keys and principals that change meanwhile are as before there. The bite is an account that lags. Without changes
none lags, and the observation is `unclear`.
"""

from __future__ import annotations

from brownout.faults._iam_replication import IamReplicationFault
from brownout.harness.fault import Observation
from brownout.harness.world import World


class IamReplicationPause(IamReplicationFault):
    """Old answers from those replicas; behind one endpoint, old and new ones in turn."""

    kind = "iam-replication-pause"
    family = "data"
    switch = "pause-iam-replication"

    def describe(self) -> str:
        return f"no newer account reaches {', '.join((*self.regions, *self.nodes))}"

    async def observe(self, world: World) -> Observation:
        """Bitten: paused and every account behind. Absent: not paused and none behind. A lag alone proves neither."""
        paused, found = await self.lag(world)
        if found.state == ("bitten" if paused else "absent"):
            return found
        reason = "paused, and nothing new to replicate yet" if paused else "not paused, accounts catch up"
        return Observation("unclear", f"{reason}; {found.evidence}", found.detail)

"""iam-replication-slow: regions, or single nodes of them, get each account from IAM's control plane some time late.

Each replica that is named follows at that distance, so what changes is in force there so much later; others know it at once.
The bite is an account that lags, or that came late. Without changes there is neither, and the observation is `unclear`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._iam_replication import IamReplicationFault
from brownout.harness.fault import Duration, Observation
from brownout.harness.world import StackSpec, World


class IamReplicationSlow(IamReplicationFault):
    """Old answers from those replicas for a while after each change; behind one endpoint, old and new ones in turn."""

    kind = "iam-replication-slow"
    family = "data"
    switch = "slow-iam-replication"

    delay: Duration = Field(gt=0, description="how much later each account comes, in emulated time")

    def describe(self) -> str:
        return f"each account reaches {', '.join((*self.regions, *self.nodes))} {self.delay:g} s late"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {**super().value(spec), "delay_s": self.delay}

    async def observe(self, world: World) -> Observation:
        """Bitten: slowed, and every account is behind or came late. Absent: not slowed and none behind."""
        slowed, found = await self.lag(world)
        if found.state == ("bitten" if slowed else "absent"):
            return found
        reason = "slowed, and nothing new came late yet" if slowed else "not slowed, accounts catch up"
        return Observation("unclear", f"{reason}; {found.evidence}", found.detail)

"""iam-errors: a share of the calls of IAM's control plane fails, while every region goes on with what it knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._iam import IamFault
from brownout.harness.fault import Observation
from brownout.harness.world import StackSpec, World

MISSED = 0.001  # how rarely a look may miss it
MOST_CALLS = 500


class IamErrors(IamFault):
    """Calls that create, change, delete, describe or list fail by chance."""

    kind = "iam-errors"
    family = "capacity"
    switch = "iam-errors"

    share: float = Field(1.0, ge=0.02, le=1, description="of all calls, from 0.02 to 1")
    code: str = Field("ServiceFailure", description="the error that they get, such as ServiceFailure or Throttling")

    def describe(self) -> str:
        return f"{self.share:.0%} of the calls of IAM's control plane fail with {self.code}"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"share": self.share, "code": self.code}

    async def observe(self, world: World) -> Observation:
        """Calls until one fails, or as often as it takes to be sure that none would."""
        calls = 1 if self.share == 1 else min(MOST_CALLS, math.ceil(math.log(MISSED) / math.log(1 - self.share)))
        for number in range(1, calls + 1):
            error = (await self.call(world))["error"]
            if error == self.code:
                return Observation("bitten", f"call {number} of at most {calls} failed with {error}")
        return Observation("absent", f"none of {calls} calls failed with {self.code}")

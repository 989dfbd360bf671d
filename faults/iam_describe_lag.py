"""iam-describe-lag: what IAM describes and lists is as it was some time ago, so what was just made is not found.

The bite is a description that is older than the newest change. Without changes nothing lags, and the observation is `unclear`
and idle.
A call that fails, as with `iam-errors` in place, describes nothing, so it is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._iam import IamFault
from brownout.harness.fault import Duration, Observation, node_state
from brownout.harness.world import StackSpec, World

_TRIES = 10


class IamDescribeLag(IamFault):
    """Reads of the control plane lag behind its writes."""

    kind = "iam-describe-lag"
    family = "data"
    switch = "describe-lag"

    lag: Duration = Field(gt=0, description="how old descriptions are, in emulated time; waiters of botocore give up after 20s")

    def describe(self) -> str:
        return f"IAM describes what was {self.lag:g} s ago"

    def settles_s(self, spec: StackSpec) -> float:
        return self.lag

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"lag_s": self.lag}

    async def observe(self, world: World) -> Observation:
        held = await self.in_force(world) is not None
        described = await self._described(world)
        if described is None:
            return Observation("unclear", "calls of IAM fail, so that nothing is described")
        newest = int((await node_state(world, self.holder(world.spec)))["aws"]["version"])
        told = f"version {described} of {newest} is described"
        if (described < newest) == held:
            return Observation("bitten" if held else "absent", told)
        if held:
            return Observation("unclear", f"{told}; nothing has changed since", idle=True)
        return Observation("unclear", f"{told}; no lag is ordered")

    async def _described(self, world: World) -> int | None:
        """The version of the account that a call describes; None when calls only fail."""
        for _ in range(_TRIES):
            found = await self.call(world)
            if not found["error"]:
                return int(found["version"])
        return None

"""iam-latency: IAM's control plane answers late, and is not down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._iam import IamFault
from brownout.harness.fault import Duration, Observation
from brownout.harness.world import StackSpec, World


class IamLatency(IamFault):
    """Every call of the control plane takes longer."""

    kind = "iam-latency"
    family = "capacity"
    switch = "iam-latency"

    delay: Duration = Field(ge=0.05, le=3600, description="how much longer each call takes, in emulated time")

    def describe(self) -> str:
        return f"calls of IAM's control plane take {self.delay:g} s longer"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"delay_s": self.delay}

    async def observe(self, world: World) -> Observation:
        """Times one call. Where that takes longer than a look may, the control plane says how long it makes calls wait."""
        held = await self.in_force(world) is not None
        if self.delay > world.rate:  # more than a second of network time
            return Observation(
                "bitten" if held else "absent", f"the control plane {'delays' if held else 'does not delay'} calls"
            )
        before_s = world.now()
        await self.call(world)
        took_s = world.now() - before_s
        return Observation("bitten" if took_s >= 0.9 * self.delay else "absent", f"a call took {took_s:.2f} s")

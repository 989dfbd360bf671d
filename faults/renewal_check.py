"""renewal-check: a region's host tries the renewals of all cached tokens; the report says who will fail, and when.

It changes nothing, so it is a step of the role `operation`. Its bite is a finding: with none, declare `bite: none-expected`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region
from brownout.harness.fault import Observation
from brownout.harness.world import HOST, StackSpec, World


class RenewalCheck(SwitchFault):
    """A look ahead: which cached tokens would not be renewed today, found by trying."""

    kind = "renewal-check"
    family = "load"
    switch = "renewal-check"
    target = ("region",)
    vendor = "azure"  # whose tokens alone a host caches to be renewed

    region: str = Field(description="whose hosts' cached tokens are tried")

    def describe(self) -> str:
        return f"the renewals of every cached token of {self.region} are tried"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, HOST)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        self.holder(spec)
        return {}

    async def observe(self, world: World) -> Observation:
        """Bitten: the check was made and found something."""
        found = await self.in_force(world)
        if found is None:
            return Observation("absent", "no check was made")
        told = f"{found.get('failing', 0)} of {found.get('tokens', 0)} cached tokens would not be renewed"
        return Observation("bitten" if found.get("failing") else "absent", told)

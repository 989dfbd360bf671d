"""name-slow: looking an endpoint's name up takes long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._names import EndpointNameFault, Look
from brownout.harness.fault import Duration
from brownout.harness.world import StackSpec


class NameSlow(EndpointNameFault):
    """Every connection by this name begins late. Connections that are open are not concerned."""

    kind = "name-slow"
    effect = "slow"

    delay: Duration = Field(ge=0.2, le=60, description="emulated time that a look-up takes longer, such as 3s")

    def what(self) -> str:
        return f"is looked up {self.delay:g} s late"

    def more(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"delay_s": self.delay}

    def longest_s(self) -> float:
        return self.delay

    def shows(self, look: Look) -> bool:
        return look.took_s >= 0.9 * self.delay

"""admit: traffic is taken away from nodes, and let back in by a ramp; a mitigation of overload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._overload import OverloadFault, held
from brownout.harness.fault import Duration

ROUNDING = 1e-3  # of the share that a node shows


class Admit(OverloadFault):
    """Nothing is let in for a while, then a share that grows to all. What is not let in is refused at once, with 503."""

    kind = "admit"
    family = "capacity"
    switch = "admit"

    closed: Duration = Field(0.0, ge=0, description="how long nothing is let in, in emulated time")
    share: float = Field(0.0, ge=0, le=1, description="the share that is let in when the ramp begins")
    ramp: Duration = Field(0.0, ge=0, description="how long the share takes to grow to all; 0: at once")

    def describe(self) -> str:
        return f"{self.node} takes nothing for {self.closed:g} s, then {self.share:.0%} growing to all in {self.ramp:g} s"

    def value(self) -> Mapping[str, Any]:
        return {"closed_s": self.closed, "share": self.share, "ramp_s": self.ramp}

    def shows(self, state: Mapping[str, Any]) -> tuple[bool, str]:
        """The node lets in what the ramp says, or less, since the moment that it gave the order itself; also past its end."""
        if "capacity" not in state:
            return False, "lets everything in"
        share, orders = float(state["capacity"]["admitted_share"]), held(state, self.switch, self.value())
        wanted = [self._share_after(state["now_s"] - order["from_s"]) for _, order in orders if "from_s" in order]
        return any(share <= most + ROUNDING for most in wanted), f"lets {share:.0%} in"

    def _share_after(self, elapsed_s: float) -> float:
        """What is let in so long after the order."""
        ramped_s = elapsed_s - self.closed
        if ramped_s < 0:
            return 0.0
        return self.share + (1 - self.share) * min(1.0, ramped_s / self.ramp) if self.ramp else 1.0

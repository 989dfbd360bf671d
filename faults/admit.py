"""admit: traffic is taken away from nodes, and let back in by a ramp; a mitigation of overload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._overload import OverloadFault, is_held
from brownout.harness.fault import Duration


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
        """The order stands for as long as it is held, also when its ramp has come to its end."""
        share = state.get("capacity", {}).get("admitted_share", 1.0)
        return is_held(state, self.switch, self.value()), f"lets {share:.0%} in"

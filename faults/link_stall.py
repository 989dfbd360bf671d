"""link-stall: connections are made, then no byte moves; callers wait until their own time-out."""

from __future__ import annotations

from brownout.faults._links import DirectedLinkFault
from brownout.harness.world import ProbeResult


class LinkStall(DirectedLinkFault):
    """Connections over the links are made and no byte moves; with `downstream` the request still happens."""

    kind = "link-stall"
    effect = "stall"
    needs = frozenset({"link:stall"})

    def describe(self) -> str:
        return f"{self.concerned()} over links {self.link} hang"

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "timeout"

"""link-blackhole: packets vanish; connections cannot even be made, and open ones fall silent."""

from __future__ import annotations

from brownout.faults._links import DirectedLinkFault
from brownout.harness.world import ProbeResult


class LinkBlackhole(DirectedLinkFault):
    """A cut cable, or a route lost in one direction: nobody is told anything, not even that there is nobody."""

    kind = "link-blackhole"
    effect = "blackhole"
    needs = frozenset({"link:blackhole"})

    def describe(self) -> str:
        return f"packets of {self.concerned()} over links {self.link} vanish"

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "timeout"

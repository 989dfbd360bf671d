"""link-blackhole: packets are dropped; connections cannot be made, and open ones get no answer."""

from __future__ import annotations

from brownout.faults._links import DirectedLinkFault
from brownout.harness.world import ProbeResult


class LinkBlackhole(DirectedLinkFault):
    """Packets of the links are dropped without any reply, as with a cut cable or a route lost in one direction."""

    kind = "link-blackhole"
    effect = "blackhole"
    needs = frozenset({"link:blackhole"})

    def describe(self) -> str:
        return f"packets of {self.concerned()} over links {self.link} vanish"

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "timeout"

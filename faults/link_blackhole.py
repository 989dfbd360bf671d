"""link-blackhole: packets are dropped; connections cannot be made, and open ones get no answer."""

from __future__ import annotations

from brownout.faults._links import SilentLinkFault


class LinkBlackhole(SilentLinkFault):
    """Packets of the links are dropped without any reply, as with a cut cable or a route lost in one direction."""

    kind = "link-blackhole"
    effect = "blackhole"
    needs = frozenset({"link:blackhole"})

    def describe(self) -> str:
        return f"packets of {self.concerned()} over links {self.link} vanish"

"""link-stall: connections are made, then no byte moves; callers wait until their own time-out."""

from __future__ import annotations

from brownout.faults._links import SilentLinkFault


class LinkStall(SilentLinkFault):
    """Connections over the links are made and no byte moves; with `downstream` the request still happens."""

    kind = "link-stall"
    effect = "stall"
    needs = frozenset({"link:stall"})

    def describe(self) -> str:
        return f"{self.concerned()} over links {self.link} hang"

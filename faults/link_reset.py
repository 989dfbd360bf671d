"""link-reset: connections are made, and the first byte ends them."""

from __future__ import annotations

from brownout.faults._links import DirectedLinkFault
from brownout.harness.world import ProbeResult


class LinkReset(DirectedLinkFault):
    """Connections over the links are reset at their first byte; with `downstream` only after the request happened."""

    kind = "link-reset"
    effect = "reset"
    needs = frozenset({"link:reset"})

    def describe(self) -> str:
        return f"{self.concerned()} over links {self.link} are cut off with a reset"

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "reset"

"""link-refuse: connections over the links are refused at once, and open ones are closed."""

from __future__ import annotations

from brownout.faults._links import LinkFault
from brownout.harness.world import ProbeResult


class LinkRefuse(LinkFault):
    """Connections over the links are refused at once, as when no process listens at the other end."""

    kind = "link-refuse"
    effect = "refuse"
    needs = frozenset({"link:refuse"})

    def describe(self) -> str:
        return f"links {self.link} refuse connections"

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "refused"

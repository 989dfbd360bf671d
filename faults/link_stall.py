"""link-stall: connections are made, then no byte moves; callers wait until their own time-out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from faults._links import Direction, LinkFault
from harness.world import Carrier, ProbeResult, World


class LinkStall(LinkFault):
    """The far end hangs, or (`upstream`, `downstream`) one direction of it: with `downstream` the request still happens."""

    kind = "link-stall"
    effect = "stall"
    needs = frozenset({"link:stall"})

    direction: Direction = Field("both", description="upstream: requests hang; downstream: answers hang")

    def describe(self) -> str:
        which = {"both": "requests and answers", "upstream": "requests", "downstream": "answers"}[self.direction]
        return f"{which} over links {self.link} hang"

    def state(self, world: World, carrier: Carrier) -> Mapping[str, Any]:
        return {"effect": self.effect, "direction": self.direction}

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "timeout"

"""Replicas that are kept behind: each is sent the account as its region was sent it some time ago, at the same rate.

The delay is a switch on the directory (`slow-iam-replication`). A replica that is slowed gets nothing until the delay has
passed once, for what it would have been sent earlier is not known; then it follows at that distance. So it lags from the first
change on, also where the directory was restarted meanwhile, and never goes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from brownout.identity.aws.control.past import Past
from brownout.identity.core.holds import HoldSet, Value
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import NodeName

SLOW = "slow-iam-replication"


def concerns(value: Value, node: str) -> bool:
    """Whether a switch that names regions and nodes names this node."""
    return node in value.get("nodes", ()) or NodeName.parse(node).region in value.get("regions", ())


@dataclass(slots=True)
class _Slowed:
    """One node that is kept behind. `late` counts the editions that it took after the delay."""

    past: Past[Request] = field(default_factory=Past)
    last: Request | None = None
    late: int = 0


class PublicationDelays:
    """What is known of the nodes that are kept behind."""

    def __init__(self, holds: HoldSet, now: Callable[[], float]) -> None:
        self._holds, self._now = holds, now
        self._slowed: dict[str, _Slowed] = {}
        self._taken: dict[str, Request] = {}  # by node, whether it is kept behind or not

    def delay_s(self, node: str) -> float:
        """How far the node is kept behind, 0 for not at all: the longest of all holds."""
        if not self._holds.holds(SLOW):  # asked in each round of each node
            return 0.0
        return max((float(value["delay_s"]) for value in self._holds.held(SLOW) if concerns(value, node)), default=0.0)

    def begin(self, node: str, current: Request) -> None:
        """Begins to keep the node behind; `current` is what it has, or would be sent next: then that is late already."""
        slowed = self._slowed[node] = _Slowed(last=self._taken.get(node, current))
        slowed.past.note(current, self._now())

    def due(self, node: str, current: Request) -> Request | None:
        """What the node is sent now, where others are sent `current`; None for nothing."""
        if not self._slowed and not self._holds.holds(SLOW):  # as in nearly each round of each node
            return current
        delay_s = self.delay_s(node)
        if delay_s <= 0:
            self._slowed.pop(node, None)
            return current
        slowed, now_s = self._slowed.setdefault(node, _Slowed()), self._now()
        slowed.past.note(current, now_s)
        return slowed.past.at(now_s - delay_s)

    def taken(self, node: str, sent: Request) -> None:
        """Notes that the node took what it was sent."""
        self._taken[node] = sent
        if not self._slowed:
            return
        slowed = self._slowed.get(node)
        if slowed is not None and sent is not slowed.last:
            slowed.late += slowed.last is not None  # after a restart it is not known what the node had
            slowed.last = sent

    def told(self) -> dict[str, dict[str, Any]]:
        """Each node that is kept behind: by how much, and how many editions came late since."""
        if not self._slowed:  # nearly always
            return {}
        return {
            node: {"delay_s": self.delay_s(node), "late": slowed.late}
            for node, slowed in self._slowed.items()
            if self.delay_s(node) > 0
        }

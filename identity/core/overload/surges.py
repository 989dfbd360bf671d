"""A surge: a backlog of machines that come up at once, each of which needs a token that no cache has.

So it was in February 2026 (docs/reference/overload.md): what could not be created for hours was created within minutes. The
backlog is the platform's own and no client of the load's, so its requests are in no request log. It asks at its rate
however slow the answers are, and asks once for each machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import isfinite
from typing import Any

from brownout.identity.core.holds import HoldSet, Switch, Value, nothing_to_undo
from brownout.identity.core.ports import Ports

SURGE = "surge"
MOST_PER_S = 100_000.0
ComeUp = Callable[[int], Awaitable[bool]]


class Surges:
    """The surges of one host. `come_up(number)` lets one machine come up and is true when it got its token."""

    def __init__(self, ports: Ports, holds: HoldSet, come_up: ComeUp) -> None:
        self._ports, self._holds, self._come_up = ports, holds, come_up
        self._asked = self._failed = 0
        self.switch = Switch(self._begin, nothing_to_undo)

    def resume(self) -> None:
        """Goes on with what an earlier life was told to do."""
        for fault_id, hold in self._holds.items():
            if hold.switch == SURGE:
                self._ports.spawn(self._surge(fault_id, hold.order, float(hold.value["per_s"])))

    async def _begin(self, fault_id: str, value: Value) -> Value:
        per_s = float(value["per_s"])
        if not (isfinite(per_s) and 0 < per_s <= MOST_PER_S):
            raise ValueError(f"per_s is machines in an emulated second, above 0 and up to {MOST_PER_S:g}, not {per_s!r}")
        self._ports.spawn(self._surge(fault_id, self._holds[fault_id].order, per_s))
        return {"per_s": per_s}

    async def _surge(self, fault_id: str, order: int, per_s: float) -> None:
        """Asks until the hold is released or replaced; on an absolute schedule, so that slow answers thin nothing out."""
        begun_s, sent = self._ports.now(), 0
        while fault_id in self._holds and self._holds[fault_id].order == order:
            sent += 1
            self._ports.spawn(self._one())
            await self._ports.sleep(max(0.0, begun_s + sent / per_s - self._ports.now()))

    async def _one(self) -> None:
        self._asked += 1
        assert self._asked > self._failed, "what failed was asked before"
        if not await self._come_up(self._asked):
            self._failed += 1

    def state(self) -> dict[str, Any]:
        """What a host shows of its surges while there are any."""
        rates = [float(value["per_s"]) for value in self._holds.held(SURGE)]
        return {SURGE: {"per_s": sum(rates), "asked": self._asked, "failed": self._failed}} if rates else {}

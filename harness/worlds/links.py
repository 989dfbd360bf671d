"""Simulated links: latency, and what holds on a link do to a message in each direction.

Words as in the other worlds. `refuse`: new calls are refused at once. `stall`: bytes of that direction stop moving; what
was sent arrives when the stall ends, if anybody still waits. `slow`: that direction takes longer, by latency and jitter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.draw import Draws
from harness.errors import WorldError
from harness.kernel import Future, Kernel

UPSTREAM, DOWNSTREAM = "upstream", "downstream"
LATENCY_MS = 0.4
JITTER_MS = 0.4
CROSS_REGION_MS = 5.5  # Sydney-Melbourne, one way
EFFECTS = ("refuse", "stall", "slow")


class SimulatedLink:
    """One link of the simulation."""

    def __init__(self, kernel: Kernel, name: str, seed: int, *, crosses: bool) -> None:
        self._kernel, self.name = kernel, name
        self._draws = Draws(seed, "latency", name)
        self._base_ms = CROSS_REGION_MS if crosses else LATENCY_MS
        self._messages = 0
        self._moving: Future[None] | None = None
        self.holds: dict[str, Mapping[str, Any]] = {}

    @property
    def refuses(self) -> bool:
        return bool(self.holds) and any(state["effect"] == "refuse" for state in self.holds.values())

    def hold(self, fault_id: str, state: Mapping[str, Any]) -> None:
        """Adds a hold; raises WorldError for an effect or a direction that links do not have."""
        if state.get("effect") not in EFFECTS:
            raise WorldError(f"link {self.name}: no effect {state.get('effect')!r}", hint=f"effects: {', '.join(EFFECTS)}")
        if state.get("direction", "both") not in (UPSTREAM, DOWNSTREAM, "both"):
            raise WorldError(f"link {self.name}: no direction {state['direction']!r}", hint="upstream, downstream or both")
        self.holds[fault_id] = dict(state)

    def release(self, fault_id: str) -> None:
        self.holds.pop(fault_id, None)
        if self._moving is not None and not self._stalled(UPSTREAM) and not self._stalled(DOWNSTREAM):
            self._moving.resolve(None)
            self._moving = None

    def _of(self, effect: str, direction: str) -> list[Mapping[str, Any]]:
        wanted = (direction, "both")
        return [s for s in self.holds.values() if s["effect"] == effect and s.get("direction", "both") in wanted]

    def _stalled(self, direction: str) -> bool:
        return bool(self.holds) and bool(self._of("stall", direction))

    async def carry(self, direction: str) -> None:
        """Takes as long as one message in this direction takes, for ever if need be."""
        await self._kernel.sleep(self._delay_ms(direction) / 1000)
        while self._stalled(direction):
            self._moving = self._moving or Future(self._kernel)
            await self._moving

    def _delay_ms(self, direction: str) -> float:
        self._messages += 1
        chance = self._draws.at(self._messages)
        if not self.holds:
            return self._base_ms + JITTER_MS * chance
        slow = sum(
            float(state.get("latency_ms", 0.0)) + float(state.get("jitter_ms", 0.0)) * (2 * chance - 1)
            for state in self._of("slow", direction)
        )
        return self._base_ms + JITTER_MS * chance + max(0.0, slow)

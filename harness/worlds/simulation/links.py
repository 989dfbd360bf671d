"""Simulated links: latency, and what holds on a link do to a message in each direction.

The words mean what they mean with the real proxy:

- `refuse`  new calls are refused at once, and calls under way are reset.
- `reset`   a message of that direction is lost, and its caller is reset at once. What is under way and sends nothing into it
            goes on, until the last reset of the direction ends: then it is reset.
- `stall`   a message that meets the stall is lost; its caller hears nothing. When the last stall of a direction ends,
            every call that is under way is reset: its stream has a hole in it. So it is when a reset takes its place.
- `slow`    every message of that direction takes longer, by latency and jitter; several holds add up.

One thing differs: whatever the real proxy is delaying when its set of holds changes it lets through at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.harness.base.seeded import Draws
from brownout.harness.effects import LinkEffect, is_refused, streams_of
from brownout.harness.errors import WorldError
from brownout.harness.worlds.simulation.kernel import Future, Kernel
from brownout.identity.core.messages import CallFailed, Response

UPSTREAM, DOWNSTREAM = "upstream", "downstream"
LATENCY_MS = 0.4
JITTER_MS = 0.4
CROSS_REGION_MS = 5.5  # Sydney-Melbourne, one way

Answer = Future[Response]


class SimulatedLink:
    """One link of the simulation."""

    def __init__(self, kernel: Kernel, name: str, target: str, seed: int, *, crosses: bool) -> None:
        self._kernel, self.name, self._target = kernel, name, target
        self._draws = Draws(seed, "latency", name)
        self._base_ms = CROSS_REGION_MS if crosses else LATENCY_MS
        self._messages = 0
        self._calls: dict[Answer, None] = {}
        self._holds: dict[str, LinkEffect] = {}
        self.refuses = False
        self._stalled: frozenset[str] = frozenset()
        self._reset: frozenset[str] = frozenset()
        self._lost: frozenset[str] = frozenset()  # directions in which nothing arrives

    def report(self) -> Mapping[str, Any]:
        """The link's state: `holds` by fault id, and whether it refuses."""
        return {"holds": {fault_id: effect.to_json() for fault_id, effect in self._holds.items()}, "refuses": self.refuses}

    def hold(self, fault_id: str, effect: LinkEffect) -> None:
        """Adds a hold; raises WorldError for an effect that a simulated link cannot have."""
        if effect.effect == "blackhole":
            raise WorldError("no packets vanish in the simulation", hint="a world that can has the ability link:blackhole")
        self._change({**self._holds, fault_id: effect})

    def release(self, fault_id: str) -> None:
        self._change({known: hold for known, hold in self._holds.items() if known != fault_id})

    def clear(self) -> None:
        """Back to the baseline, with every call under way cut."""
        self._change({})
        self._cut()

    def _change(self, holds: dict[str, LinkEffect]) -> None:
        """Takes a new set of holds, from which everything follows."""
        reset = streams_of(holds.values(), "reset")
        stalled = streams_of(holds.values(), "stall") - reset
        refuses = is_refused(holds.values())
        lost = stalled | reset
        cut = (refuses and not self.refuses) or bool((self._stalled - stalled) | (self._lost - lost))
        self._holds, self.refuses = holds, refuses
        self._stalled, self._reset, self._lost = stalled, reset, lost
        if cut:
            self._cut()

    def _cut(self) -> None:
        calls, self._calls = self._calls, {}
        for answer in calls:
            answer.fail(CallFailed("reset", self._target))

    def begin(self, answer: Answer) -> None:
        """A call sets out; whatever cuts the link fails its answer until `end`."""
        self._calls[answer] = None

    def end(self, answer: Answer) -> None:
        self._calls.pop(answer, None)

    async def carry(self, direction: str, answer: Answer) -> bool:
        """Takes as long as one message of the call takes in this direction; False when it never arrives."""
        await self._kernel.sleep(self._delay_ms(direction) / 1000)
        if direction in self._reset:
            answer.fail(CallFailed("reset", self._target))
        return direction not in self._lost and answer in self._calls

    def _delay_ms(self, direction: str) -> float:
        self._messages += 1
        chance = self._draws.at(self._messages)
        if not self._holds:
            return self._base_ms + JITTER_MS * chance
        slow = sum(
            hold.latency_ms + hold.jitter_ms * (2 * chance - 1)
            for hold in self._holds.values()
            if hold.effect == "slow" and direction in hold.streams() and direction not in self._reset
        )
        return self._base_ms + JITTER_MS * chance + slow

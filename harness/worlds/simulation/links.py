"""Simulated links: latency, and the effect of a link's holds on messages in each direction.

The effects mean the same as with the real proxy:

- `refuse`  new calls are refused at once, and calls under way are reset.
- `reset`   a message of that direction is lost, and its caller is reset at once. A call that sends nothing in that direction
            meanwhile continues; when the last reset of the direction ends, it is reset too.
- `stall`   a message that meets the stall is lost; its caller hears nothing. When the last stall of a direction ends,
            every call that is under way is reset: its stream has a hole in it. So it is when a reset takes its place.
- `slow`    every message of that direction takes longer, by latency and jitter; several holds add up.

One difference: when its set of holds changes, the real proxy sends at once whatever it was delaying.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from brownout.harness.base.keyed_random import keyed_stream
from brownout.harness.effects import LinkEffect, is_refused, streams_of
from brownout.harness.errors import WorldError
from brownout.harness.worlds.simulation.kernel import Future, Kernel, TimerPlace
from brownout.harness.worlds.simulation.node import SimulatedNode
from brownout.identity.core.messages import CallFailed, Request, Response

UPSTREAM, DOWNSTREAM = "upstream", "downstream"
LATENCY_MS = 0.4
JITTER_MS = 0.4
CROSS_REGION_MS = 5.5  # Sydney-Melbourne, one way


class SimulatedLink:
    """One link of the simulation."""

    def __init__(self, name: str, seed: int, *, crosses: bool) -> None:
        self.name = name
        self._seed = seed
        self._base_ms = CROSS_REGION_MS if crosses else LATENCY_MS
        self.under_way: dict[Exchange, None] = {}  # whatever cuts the link resets them
        self._holds: dict[str, LinkEffect] = {}
        self.refuses = False
        self._stalled: frozenset[str] = frozenset()
        self._reset: frozenset[str] = frozenset()
        self._lost: frozenset[str] = frozenset()  # directions in which nothing arrives

    @cached_property
    def _draw(self) -> Callable[[], float]:
        """The next number of the link's own stream, which is made for the first message: most links of a stack carry none."""
        return keyed_stream(self._seed, "latency", self.name).random

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
        """Sets the holds, and cuts the calls under way where the change from the old set to the new one demands it."""
        reset = streams_of(holds.values(), "reset")
        stalled = streams_of(holds.values(), "stall") - reset
        refuses = is_refused(holds.values())
        lost = stalled | reset
        # A stall or reset that ends leaves a hole in the streams; so does a stall that a reset replaces.
        cut = (refuses and not self.refuses) or bool((self._stalled - stalled) | (self._lost - lost))
        self._holds, self.refuses = holds, refuses
        self._stalled, self._reset, self._lost = stalled, reset, lost
        if cut:
            self._cut()

    def _cut(self) -> None:
        cut, self.under_way = self.under_way, {}
        for exchange in cut:
            exchange.reset()

    def delay_s(self, direction: str) -> float:
        """Seconds that the next message of this direction takes."""
        chance = self._draw()  # one draw per message, slowed or not: a hold changes no draw of later messages
        delay_ms = self._base_ms + JITTER_MS * chance
        if self._holds:
            delay_ms += sum(
                hold.latency_ms + hold.jitter_ms * (2 * chance - 1)
                for hold in self._holds.values()
                if hold.effect == "slow" and direction in hold.streams() and direction not in self._reset
            )
        return delay_ms / 1000

    def carries(self, direction: str, exchange: Exchange) -> bool:
        """Whether a message that is due now arrives. If it meets a reset, its call is reset."""
        if direction not in self._lost:
            return exchange in self.under_way
        if direction in self._reset:
            exchange.reset()
        return False


class Exchange(Future[Response]):
    """One call over a link, from the request's departure; the future is its answer.

    It takes two timers, one for each message. The node serves it at the instant at which the request arrives, also when the
    caller has given up by then. The caller's time-out is set only once the answer may come later than that.
    """

    __slots__ = ("_gives_up", "_link", "_node", "_request", "_response")

    def __init__(self, kernel: Kernel, link: SimulatedLink, node: SimulatedNode, request: Request, timeout_s: float) -> None:
        super().__init__(kernel)
        self._link, self._node, self._request = link, node, request
        self._response: Response | None = None
        self._gives_up: TimerPlace | None
        gives_up = self._gives_up = kernel.place(timeout_s)
        link.under_way[self] = None
        if kernel.after(link.delay_s(UPSTREAM), self._arrive) >= gives_up[0]:
            self._may_give_up()

    def _may_give_up(self) -> None:
        """Sets the time-out, once: the call goes on after it, or nothing tells when."""
        place, self._gives_up = self._gives_up, None
        if place is not None:
            self.kernel.put(place, self._time_out)

    def reset(self) -> None:
        """The connection is lost."""
        self.fail(CallFailed("reset", self._node.name))

    def _time_out(self) -> None:
        if not self.done:
            self.fail(CallFailed("timeout", self._node.name))

    def _arrive(self) -> None:
        if not self._link.carries(UPSTREAM, self):
            self._finish()
            return
        ready = self._node.at_once(self._request)
        if ready is not None:
            self.answer(ready)
            return
        self._node.serve(self._request, self)
        if self._response is None:
            self._may_give_up()
            if self.done:  # the node is down
                self._finish()

    def answer(self, response: Response) -> None:
        """The node's response, which leaves now."""
        self._response, gives_up = response, self._gives_up
        returns_ns = self.kernel.after(self._link.delay_s(DOWNSTREAM), self._return)
        if gives_up is not None and returns_ns >= gives_up[0]:
            self._may_give_up()

    def _return(self) -> None:
        link, response = self._link, self._response
        assert response is not None
        if not link.carries(DOWNSTREAM, self):
            self._finish()
            return
        del link.under_way[self]
        if response.sent_bytes is None:
            self.resolve(response)
        else:
            self.reset()

    def _finish(self) -> None:
        """No message of the call is on its way. Without an answer the call stays on the link until a cut or the time-out."""
        if self.done:
            self._link.under_way.pop(self, None)
        else:
            self._may_give_up()
            self.when_done(self._finish)

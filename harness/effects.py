"""What a hold does to its carrier: an effect on a link, an effect on a node, or a switch that is thrown on a control plane.

An effect is checked when it is made, so that whatever gets one may rely on it; both a wrong value and JSON that is none raise
WorldError. The JSON forms are those of the wire (markers in Toxiproxy, the supervisor socket, the control plane of a node) and
of files beside a stack; in between an effect stays typed. Which effects a world can have is its abilities' business.

What a *set* of link effects means is the same for the real proxy and for the simulation, so it stands here too: a link
refuses when any of them does, and a stream on which one of them is a reset carries nothing, so no other is put on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from brownout.harness.errors import WorldError

LinkEffectKind = Literal["refuse", "reset", "stall", "slow", "blackhole"]
NodeEffectKind = Literal["down", "paused", "stopped", "restarted", "wiped", "old-image", "disconnected"]
Stream = Literal["upstream", "downstream"]
Direction = Literal["both", "upstream", "downstream"]

STREAMS: tuple[Stream, ...] = get_args(Stream)
LINK_EFFECTS: tuple[LinkEffectKind, ...] = get_args(LinkEffectKind)
NODE_EFFECTS: tuple[NodeEffectKind, ...] = get_args(NodeEffectKind)
_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True, slots=True)
class LinkEffect:
    """An effect on one link, on requests (`upstream`), on answers (`downstream`) or on both.

    `refuse` always concerns both. `slow` alone has `latency_ms` and `jitter_ms`, whole milliseconds; they are added to each
    direction named, so `both` adds them twice to a round trip.
    """

    effect: LinkEffectKind
    direction: Direction = "both"
    latency_ms: int = 0
    jitter_ms: int = 0

    def __post_init__(self) -> None:
        if self.effect not in LINK_EFFECTS:
            raise WorldError(f"link effect {self.effect!r} is unknown", hint=f"known effects: {', '.join(LINK_EFFECTS)}")
        if self.direction not in _DIRECTIONS or (self.effect == "refuse" and self.direction != "both"):
            hint = f"a direction is one of {', '.join(_DIRECTIONS)}; refuse concerns both"
            raise WorldError(f"the link effect {self.effect} {self.direction} makes no sense", hint=hint)
        numbers = (self.latency_ms, self.jitter_ms)
        if self.effect == "slow" and not 0 <= self.jitter_ms <= self.latency_ms != 0:
            raise WorldError(f"slow needs latency_ms above 0 and jitter_ms no larger than it, not {numbers}")
        if self.effect != "slow" and numbers != (0, 0):
            raise WorldError(f"the link effect {self.effect} takes no latency", hint="latency_ms and jitter_ms belong to slow")

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> LinkEffect:
        surplus = sorted(key for key in state.keys() - {"effect", "direction", "latency_ms", "jitter_ms"} if state[key])
        if surplus:
            raise WorldError(f"the link effect {dict(state)} makes no sense", hint=f"no effect takes {', '.join(surplus)}")
        # What the two really are, __post_init__ looks at.
        direction = cast(Direction, state.get("direction") or "both")
        effect = cast(LinkEffectKind, state.get("effect"))
        return cls(effect, direction, _whole_ms(state, "latency_ms"), _whole_ms(state, "jitter_ms"))

    def to_json(self) -> dict[str, Any]:
        if self.effect == "refuse":
            return {"effect": "refuse"}
        plain = {"effect": self.effect, "direction": self.direction}
        return plain | {"latency_ms": self.latency_ms, "jitter_ms": self.jitter_ms} if self.effect == "slow" else plain

    def streams(self) -> tuple[Stream, ...]:
        return STREAMS if self.direction == "both" else (self.direction,)


def _whole_ms(state: Mapping[str, Any], key: str) -> int:
    value = state.get(key) or 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        raise WorldError(f"{key} is {value!r}, but latency counts in whole milliseconds from 0")
    return int(value)


@dataclass(frozen=True, slots=True)
class NodeEffect:
    """An effect on one node. `old-image` alone has a `build`: that of the image which the node then runs from."""

    effect: NodeEffectKind
    build: str = ""

    def __post_init__(self) -> None:
        if self.effect not in NODE_EFFECTS:
            raise WorldError(f"node effect {self.effect!r} is unknown", hint=f"known effects: {', '.join(NODE_EFFECTS)}")
        if bool(self.build) is not (self.effect == "old-image"):
            raise WorldError(f"the node effect {self.effect} with build {self.build!r} makes no sense")

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> NodeEffect:
        effect = cast(NodeEffectKind, state.get("effect"))  # what it really is, __post_init__ looks at
        return cls(effect, str(state.get("build") or ""))

    def to_json(self) -> dict[str, Any]:
        return {"effect": self.effect} | ({"build": self.build} if self.build else {})


@dataclass(frozen=True, slots=True)
class SwitchThrow:
    """A switch on a node's control plane and the value it is thrown with (docs/design.md lists them). The node checks both."""

    switch: str
    value: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"switch": self.switch, "value": dict(self.value)}


Effect = LinkEffect | NodeEffect | SwitchThrow


def is_refused(effects: Iterable[LinkEffect]) -> bool:
    """Whether a link with this set of effects refuses connections."""
    return any(each.effect == "refuse" for each in effects)


def streams_of(effects: Iterable[LinkEffect], effect: LinkEffectKind) -> frozenset[Stream]:
    """The streams on which one of the set puts `effect`."""
    return frozenset(stream for each in effects if each.effect == effect for stream in each.streams())

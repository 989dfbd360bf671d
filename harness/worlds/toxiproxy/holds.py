"""What a set of holds on one link means, and how it is spelt in toxics. Pure: it talks to nobody.

Each hold is a *marker*, a toxic of type `noop` whose name spells fault id and state
(`f-3-link-slow-1a2b|slow|both|200|20`), so the set lives in the proxy itself and any process can read it back.
Effects are a function of the set:

- `refuse`  the proxy is disabled: its port refuses, and connections that were open are closed.
- `reset`   connects succeed, and the first byte of a stream ends the connection (a `reset_peer` toxic of 0 ms).
- `stall`   connects succeed and no byte moves (a `timeout` toxic of 0 ms on each stream concerned).
- `slow`    every byte of a stream is held `latency_ms` ± `jitter_ms` (one `latency` toxic for each hold: they add up).

A stream that is reset carries nothing, so no other effect is put on it.

Why `stall` drops instead of queueing (`bandwidth` of 0): a queueing toxic does not hear an end hang up, so every caller
that gives up leaves a socket pair open at its target until the target runs out of descriptors and fails on links that
nobody touched; and on release it delivers requests whose callers are long gone. With the dropping one, hang-ups travel
through, a request sent into a stall never arrives, and release cannot block on a slow reader. The price: release closes
connections that lived through the stall (the stream has a hole in it), so a pooled connection must be opened anew.

What `reset_peer` does: a connection that begins under it gets a lingering time of zero and so ends with RST; one that was
open already ends with FIN. The lingering time stays, and would tear the end off answers long after the release. So a
`timeout` toxic stands behind each `reset_peer`: it sees no byte, and its removal closes what lived through the reset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brownout.harness.errors import WorldError

STREAMS = ("upstream", "downstream")
FAULT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_DIRECTIONS = (*STREAMS, "both")
_ALLOWED_KEYS: Mapping[str, frozenset[str]] = {
    "refuse": frozenset({"effect", "direction"}),
    "reset": frozenset({"effect", "direction"}),
    "stall": frozenset({"effect", "direction"}),
    "slow": frozenset({"effect", "direction", "latency_ms", "jitter_ms"}),
}
# One toxic for all stalls of a stream: removing one cuts live connections, which must wait for the last hold.
_STALL_NAME: Mapping[str, str] = {stream: f"brownout|stalled|{stream}" for stream in STREAMS}
_RESET_NAME: Mapping[str, str] = {stream: f"brownout|reset|{stream}" for stream in STREAMS}
_OUR_EFFECT = re.compile(rf"(brownout\|(?:stalled|reset)|{FAULT_ID.pattern}\|latency)\|(upstream|downstream)")


@dataclass(frozen=True, slots=True)
class Hold:
    """One validated hold. Latency is added to each direction named, so `both` adds it twice to a round trip."""

    effect: str
    direction: str = "both"
    latency_ms: int = 0
    jitter_ms: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Hold:
        """The hold that a carrier state means; raises WorldError for anything that is not exactly one."""
        effect, direction = str(state.get("effect")), str(state.get("direction") or "both")
        allowed = _ALLOWED_KEYS.get(effect)
        if allowed is None:
            raise WorldError(f"link effect {effect!r} is unknown", hint=f"known effects: {', '.join(_ALLOWED_KEYS)}")
        surplus = [key for key in state.keys() - allowed if state[key] not in (None, 0)]
        if surplus or direction not in _DIRECTIONS or (effect == "refuse" and direction != "both"):
            hint = f"{effect} takes {', '.join(sorted(allowed))}; a direction is one of {', '.join(_DIRECTIONS)}"
            raise WorldError(f"link state {dict(state)} makes no sense", hint=hint)
        hold = cls(effect, direction, _whole_ms(state, "latency_ms"), _whole_ms(state, "jitter_ms"))
        if effect == "slow" and not 0 <= hold.jitter_ms <= hold.latency_ms != 0:
            raise WorldError(f"link state {dict(state)} needs latency_ms above 0 and jitter_ms no larger than it")
        return hold

    def state(self) -> dict[str, Any]:
        """The carrier state that means this hold."""
        if self.effect == "refuse":
            return {"effect": "refuse"}
        plain = {"effect": self.effect, "direction": self.direction}
        return plain | {"latency_ms": self.latency_ms, "jitter_ms": self.jitter_ms} if self.effect == "slow" else plain

    def marker(self, fault_id: str) -> str:
        """The name of the toxic that stands for this hold."""
        return "|".join((fault_id, *(str(part) for part in self.state().values())))

    def streams(self) -> tuple[str, ...]:
        return STREAMS if self.direction == "both" else (self.direction,)


def _whole_ms(state: Mapping[str, Any], key: str) -> int:
    value = state.get(key) or 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        raise WorldError(f"{key} is {value!r}, but Toxiproxy counts in whole milliseconds from 0")
    return int(value)


def parse_marker(name: str) -> tuple[str, Hold] | None:
    """Fault id and hold that a marker's name spells; None for any other name."""
    fault_id, *parts = name.split("|")
    keys = ("effect", "direction", "latency_ms", "jitter_ms")
    state: dict[str, Any] = dict(zip(keys, (int(p) if p.isdecimal() else p for p in parts), strict=False))
    try:
        hold = Hold.of(state)
    except WorldError:
        return None
    return (fault_id, hold) if hold.marker(fault_id) == name else None


@dataclass(frozen=True, slots=True)
class Effect:
    """A toxic: on which stream, of which type, with which numbers (ordered by name)."""

    stream: str
    type: str
    attributes: tuple[tuple[str, int], ...] = ()


MARKER = Effect("downstream", "noop")


def is_effect_name(name: str) -> bool:
    """True for the names that `wanted_effects` gives."""
    return _OUR_EFFECT.fullmatch(name) is not None


def wanted_effects(holds: Mapping[str, Hold]) -> dict[str, Effect]:
    """The toxics that a set of holds asks for, by name, in the order in which they must stand; a pure function of the set."""
    reset = streams_of(holds, "reset")
    stalled = reset | streams_of(holds, "stall")
    wanted = {_RESET_NAME[stream]: Effect(stream, "reset_peer", (("timeout", 0),)) for stream in STREAMS if stream in reset}
    wanted |= {_STALL_NAME[stream]: Effect(stream, "timeout", (("timeout", 0),)) for stream in STREAMS if stream in stalled}
    for fault_id, hold in holds.items():
        for stream in hold.streams():
            if hold.effect == "slow" and stream not in reset:
                numbers = (("jitter", hold.jitter_ms), ("latency", hold.latency_ms))
                wanted[f"{fault_id}|latency|{stream}"] = Effect(stream, "latency", numbers)
    return wanted


def streams_of(holds: Mapping[str, Hold], effect: str) -> frozenset[str]:
    """The streams on which some hold puts an effect."""
    return frozenset(stream for hold in holds.values() if hold.effect == effect for stream in hold.streams())


def hidden_resets(names: Sequence[str]) -> tuple[str, ...]:
    """The stalls, of effects in the order in which they stand, that swallow what a reset behind them should see."""
    places = {name: place for place, name in enumerate(names)}
    return tuple(
        _STALL_NAME[stream]
        for stream in STREAMS
        if places.get(_STALL_NAME[stream], len(names)) < places.get(_RESET_NAME[stream], -1)
    )


def is_refused(holds: Mapping[str, Hold]) -> bool:
    """Whether a set of holds asks for a disabled proxy."""
    return any(hold.effect == "refuse" for hold in holds.values())


@dataclass(frozen=True, slots=True)
class Seen:
    """A proxy as one read showed it: `markers` and `effects` by toxic name, ours only; `foreign` tells of others."""

    enabled: bool
    listen: str
    upstream: str
    markers: Mapping[str, tuple[str, Hold]]
    effects: Mapping[str, Effect]
    foreign: tuple[str, ...]

    def holds(self, *, ignoring: frozenset[str] = frozenset()) -> dict[str, Hold]:
        """Holds by fault id, less some markers; where a crash left two markers of one id, the newer counts."""
        return dict(owned for marker, owned in self.markers.items() if marker not in ignoring)

    def markers_of(self, fault_id: str) -> frozenset[str]:
        return frozenset(marker for marker, (owner, _) in self.markers.items() if owner == fault_id)

    def report(self) -> dict[str, Any]:
        """The carrier's state for people and checks."""
        holds = self.holds()
        unowned = () if self.enabled or is_refused(holds) else ("disabled without a hold",)
        return {
            "enabled": self.enabled,
            "listen": self.listen,
            "upstream": self.upstream,
            "holds": {fault_id: hold.state() for fault_id, hold in holds.items()},
            "foreign": [*self.foreign, *unowned],
        }

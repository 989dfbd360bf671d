"""What a set of holds on one link means, and how toxics encode it. Pure functions (docs/reference/toxiproxy.md).

Each hold is a *marker*, a toxic of type `noop` whose name encodes fault id and state
(`f-3-link-slow-1a2b|slow|both|200|20`), so the set lives in the proxy itself and any process can read it back.
Effects are a function of the set:

- `refuse`  the proxy is disabled: its port refuses, and connections that were open are closed.
- `reset`   connects succeed, and the first byte of a stream ends the connection (a `reset_peer` toxic of 0 ms).
- `stall`   connects succeed and no byte moves (a `timeout` toxic of 0 ms on each stream concerned).
- `slow`    every byte of a stream is held `latency_ms` ± `jitter_ms` (one `latency` toxic for each hold: they add up).

A stream that is reset carries nothing, so no other effect is put on it.

Why `stall` drops instead of queueing (`bandwidth` of 0): a queueing toxic does not notice that an end closes, so every
caller that gives up leaves a socket pair open at its target, until the target runs out of descriptors and fails on other
links too; and on release it delivers requests whose callers have given up. With the dropping toxic, closes pass through, a
request sent into a stall never arrives, and release cannot block on a slow reader. The price: release closes connections
that were open during the stall (bytes are missing), so a pooled connection must be opened anew.

What `reset_peer` does: a connection that begins under it gets a zero linger and so ends with RST; a connection that was
open already ends with FIN. The zero linger stays, and would cut the end off answers long after the release. So a `timeout`
toxic stands behind each `reset_peer`: it sees no byte, and its removal closes the connections that were open during the reset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brownout.harness.effects import STREAMS, LinkEffect, is_refused, streams_of
from brownout.harness.errors import WorldError

FAULT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_KEYS = ("effect", "direction", "latency_ms", "jitter_ms")
# One toxic for all stalls of a stream: removing one cuts open connections, which must wait for the last hold.
_STALL_NAME: Mapping[str, str] = {stream: f"brownout|stalled|{stream}" for stream in STREAMS}
_RESET_NAME: Mapping[str, str] = {stream: f"brownout|reset|{stream}" for stream in STREAMS}
_OUR_EFFECT = re.compile(rf"(brownout\|(?:stalled|reset)|{FAULT_ID.pattern}\|latency)\|(upstream|downstream)")


def marker_of(fault_id: str, effect: LinkEffect) -> str:
    """The name of the toxic that stands for a hold; raises WorldError for an effect that toxics cannot have."""
    if effect.effect == "blackhole":
        raise WorldError("Toxiproxy cannot make packets vanish", hint="a world that can has the ability link:blackhole")
    return "|".join((fault_id, *(str(part) for part in effect.to_json().values())))


def parse_marker(name: str) -> tuple[str, LinkEffect] | None:
    """Fault id and effect that a marker's name encodes; None for any other name."""
    fault_id, *parts = name.split("|")
    state: dict[str, Any] = dict(zip(_KEYS, (int(p) if p.isdecimal() and len(p) < 10 else p for p in parts), strict=False))
    try:
        effect = LinkEffect.from_json(state)
        return (fault_id, effect) if marker_of(fault_id, effect) == name else None
    except WorldError:
        return None


@dataclass(frozen=True, slots=True)
class Toxic:
    """A toxic: on which stream, of which type, with which numbers (ordered by name)."""

    stream: str
    type: str
    attributes: tuple[tuple[str, int], ...] = ()


MARKER = Toxic("downstream", "noop")


def is_effect_name(name: str) -> bool:
    """True for the names that `wanted_toxics` gives."""
    return _OUR_EFFECT.fullmatch(name) is not None


def wanted_toxics(holds: Mapping[str, LinkEffect]) -> dict[str, Toxic]:
    """The toxics that a set of holds asks for, by name, in the order in which they must stand; a pure function of the set."""
    reset = streams_of(holds.values(), "reset")
    stalled = reset | streams_of(holds.values(), "stall")  # behind each reset stands a `timeout` toxic (see above)
    wanted = {_RESET_NAME[stream]: Toxic(stream, "reset_peer", (("timeout", 0),)) for stream in STREAMS if stream in reset}
    wanted |= {_STALL_NAME[stream]: Toxic(stream, "timeout", (("timeout", 0),)) for stream in STREAMS if stream in stalled}
    for fault_id, effect in holds.items():
        for stream in effect.streams():
            # One toxic per hold, so that latencies add up and each release takes away its own. None on a reset stream: it
            # carries nothing, and delayed bytes would only put off the reset.
            if effect.effect == "slow" and stream not in reset:
                numbers = (("jitter", effect.jitter_ms), ("latency", effect.latency_ms))
                wanted[f"{fault_id}|latency|{stream}"] = Toxic(stream, "latency", numbers)
    return wanted


def hidden_resets(names: Sequence[str]) -> tuple[str, ...]:
    """The stall toxics that stand before the reset of the same stream, `names` being in the order of the proxy.

    Such a stall swallows the byte on which the reset would act.
    """
    places = {name: place for place, name in enumerate(names)}
    return tuple(
        _STALL_NAME[stream]
        for stream in STREAMS
        if places.get(_STALL_NAME[stream], len(names)) < places.get(_RESET_NAME[stream], -1)
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """A proxy as one read showed it: `markers` and `toxics` (of effects) by name, ours only; `foreign` has the rest."""

    enabled: bool
    listen: str
    upstream: str
    markers: Mapping[str, tuple[str, LinkEffect]]
    toxics: Mapping[str, Toxic]
    foreign: tuple[str, ...]

    def holds(self, *, ignoring: frozenset[str] = frozenset()) -> dict[str, LinkEffect]:
        """Holds by fault id, less some markers; where a crash left two markers of one id, the newer counts."""
        # Toxiproxy lists toxics in the order of their creation, and in a dict the later pair wins.
        return dict(owned for marker, owned in self.markers.items() if marker not in ignoring)

    def markers_of(self, fault_id: str) -> frozenset[str]:
        return frozenset(marker for marker, (owner, _) in self.markers.items() if owner == fault_id)

    def lacking(self) -> list[str]:
        """What the holds ask for and the proxy does not do, because another program undid it (or a change is under way)."""
        holds = self.holds()
        gone = [f"has no toxic {name}" for name, asked in wanted_toxics(holds).items() if self.toxics.get(name) != asked]
        return [*gone, *(["is enabled, though it is held to refuse"] if self.enabled and is_refused(holds.values()) else [])]

    def report(self) -> dict[str, Any]:
        """The carrier's state for people and checks. `lacking` is there only where something is."""
        holds = self.holds()
        unowned = () if self.enabled or is_refused(holds.values()) else ("disabled without a hold",)
        return {
            "enabled": self.enabled,
            "listen": self.listen,
            "upstream": self.upstream,
            "holds": {fault_id: effect.to_json() for fault_id, effect in holds.items()},
            "foreign": [*self.foreign, *unowned],
            **({"lacking": lacking} if (lacking := self.lacking()) else {}),
        }

"""Effects are checked when they are made, keep their JSON forms, and mean together what each of a set means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from brownout.harness.effects import (
    LINK_EFFECTS,
    NODE_EFFECTS,
    LinkEffect,
    NodeEffect,
    SwitchThrow,
    is_refused,
    streams_of,
)
from brownout.harness.errors import WorldError


@pytest.mark.parametrize(
    "make",
    [
        lambda: LinkEffect("explode"),
        lambda: LinkEffect("stall", "sideways"),
        lambda: LinkEffect("stall", latency_ms=5),
        lambda: LinkEffect("reset", "sideways"),
        lambda: LinkEffect("reset", latency_ms=5),
        lambda: LinkEffect("refuse", "upstream"),
        lambda: LinkEffect("slow"),
        lambda: LinkEffect("slow", latency_ms=-5),
        lambda: LinkEffect("slow", latency_ms=10, jitter_ms=20),
        lambda: NodeEffect("burnt"),
        lambda: NodeEffect(""),
        lambda: NodeEffect("old-image"),
        lambda: NodeEffect("down", "0.9"),
    ],
)
def test_an_effect_that_makes_no_sense_is_never_made(make: Callable[[], object]) -> None:
    """A wrong value raises WorldError at once, so that no world needs to look again."""
    with pytest.raises(WorldError):
        make()


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"effect": "explode"},
        {"effect": "stall", "direction": "both", "colour": "red"},
        {"effect": "slow", "latency_ms": 1.5},
        {"effect": "slow", "latency_ms": -5},
        {"effect": "slow", "latency_ms": True},
        {"effect": "slow", "latency_ms": "5"},
    ],
)
def test_json_that_is_no_link_effect_is_refused(record: Mapping[str, Any]) -> None:
    """What is not exactly an effect raises WorldError, whoever wrote it."""
    with pytest.raises(WorldError):
        LinkEffect.from_json(record)


@pytest.mark.parametrize("record", [{}, {"effect": None}, {"effect": "refuse"}, {"effect": "old-image"}])
def test_json_that_is_no_node_effect_is_refused(record: Mapping[str, Any]) -> None:
    """As for links."""
    with pytest.raises(WorldError):
        NodeEffect.from_json(record)


@pytest.mark.parametrize("kind", LINK_EFFECTS)
def test_the_json_of_a_link_effect_makes_an_equal_one(kind: Any) -> None:
    """There and back, whether or not it has numbers."""
    effect = LinkEffect(kind, latency_ms=20 if kind == "slow" else 0)
    assert LinkEffect.from_json(effect.to_json()) == effect


@pytest.mark.parametrize("kind", NODE_EFFECTS)
def test_the_json_of_a_node_effect_makes_an_equal_one(kind: Any) -> None:
    """There and back, with the build of an old image."""
    effect = NodeEffect(kind, "0.9" if kind == "old-image" else "")
    assert NodeEffect.from_json(effect.to_json()) == effect


def test_the_json_forms_are_those_of_the_wire() -> None:
    """Markers, the supervisor socket and the control plane of stacks that are up have these forms."""
    assert LinkEffect("refuse").to_json() == {"effect": "refuse"}
    assert LinkEffect("stall", "upstream").to_json() == {"effect": "stall", "direction": "upstream"}
    slow = {"effect": "slow", "direction": "both", "latency_ms": 200, "jitter_ms": 20}
    assert LinkEffect("slow", latency_ms=200, jitter_ms=20).to_json() == slow
    assert list(LinkEffect("slow", latency_ms=200).to_json()) == ["effect", "direction", "latency_ms", "jitter_ms"]
    assert NodeEffect("down").to_json() == {"effect": "down"}
    assert NodeEffect("old-image", "0.9").to_json() == {"effect": "old-image", "build": "0.9"}
    assert SwitchThrow("pin", {"region": "sydney"}).to_json() == {"switch": "pin", "value": {"region": "sydney"}}


def test_a_set_of_effects_is_read_as_a_whole() -> None:
    """A link refuses when any effect does, and a stream is reset when any effect resets it."""
    held = (LinkEffect("stall", "upstream"), LinkEffect("reset", "downstream"), LinkEffect("reset", "downstream"))
    assert not is_refused(held)
    assert is_refused((*held, LinkEffect("refuse")))
    assert streams_of(held, "reset") == {"downstream"}
    assert streams_of(held, "stall") == {"upstream"}
    assert streams_of((LinkEffect("stall"),), "stall") == {"upstream", "downstream"}

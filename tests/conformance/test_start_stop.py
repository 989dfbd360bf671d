"""The conformance suite's part about coming up and going down (harness/world.py)."""

from __future__ import annotations

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect, SwitchThrow
from brownout.harness.errors import WorldError
from brownout.harness.worlds.catalog import COMPOSE
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import HEALTH_PATH
from support.carriers import link, node, switch
from support.client_requests import token_request
from support.world_drivers import Driver, ask

FRONT = "client->sydney.host"
HEALTH = Request("GET", "/healthz")
REFUSE = LinkEffect("refuse")
STALL = LinkEffect("stall")


def test_a_stack_is_started_once_and_stopped_any_number_of_times(fresh: Driver) -> None:
    """A second start is refused and leaves the stack up; stop may come before, after and again; then nothing answers."""
    world = fresh.world
    fresh.run(world.stop())
    fresh.run(world.start())
    with pytest.raises(WorldError, match="up already"):
        fresh.run(world.start())
    assert fresh.run(ask(world, "sydney.host", Request("GET", HEALTH_PATH))) == "200"
    fresh.run(world.hold(link(FRONT), "f-1", REFUSE))
    fresh.run(world.stop())
    fresh.run(world.stop())
    for call in (lambda: world.probe(FRONT, timeout_ms=100), lambda: world.control("sydney.host", HEALTH)):
        with pytest.raises(WorldError):
            fresh.run(call())


def test_a_stack_that_was_stopped_starts_again_whole(fresh: Driver) -> None:
    """A new start has no link or node held and serves; it keeps what was durable, unless `stop` took the volumes."""
    world = fresh.world
    fresh.run(world.start())
    fresh.run(world.hold(link(FRONT), "f-1", STALL))
    fresh.run(world.hold(node("sydney.vault"), "f-2", NodeEffect("down")))
    fresh.run(world.hold(switch("sydney.host"), "f-3", SwitchThrow("route-zone", {"zone": "z1", "to": "z2"})))
    fresh.run(world.stop())
    fresh.run(world.start())
    assert fresh.run(world.read(link(FRONT)))["holds"] == {}
    assert fresh.run(world.read(node("sydney.vault")))["holds"] == {}
    kept = set() if world.name == COMPOSE else {"f-3"}
    assert set(fresh.run(world.read(switch("sydney.host")))["holds"]) == kept
    assert fresh.run(ask(world, "sydney.host", token_request("web-1"))) == "200"


def test_calls_before_the_start_are_refused(fresh: Driver) -> None:
    """A stack that is not up says so, for every kind of call."""
    world = fresh.world
    calls = (
        lambda: world.probe(FRONT, timeout_ms=100),
        lambda: world.control("sydney.host", HEALTH),
        lambda: world.hold(link(FRONT), "f-1", REFUSE),
        lambda: world.hold(node("sydney.host"), "f-1", NodeEffect("down")),
        lambda: world.read(switch("sydney.host")),
    )
    for call in calls:
        with pytest.raises(WorldError, match="not up"):
            fresh.run(call())  # type: ignore[no-untyped-call]

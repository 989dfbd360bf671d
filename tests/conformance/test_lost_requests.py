"""The conformance suite's part about requests that a fault swallows: which of them are carried out after all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.carriers import link, node
from support.client_requests import ARM_VERSION, user_token
from support.world_drivers import Driver, ask

NODE, FRONT = "sydney.management", "client->sydney.management"
CASES: tuple[tuple[str, Carrier, Mapping[str, Any], str], ...] = (
    ("stalled", link(FRONT), LinkEffect("stall", "upstream"), "404"),
    ("unanswered", link(FRONT), LinkEffect("stall", "downstream"), "200"),
    ("refused", link(FRONT), LinkEffect("refuse"), "404"),
    ("reset", link(FRONT), LinkEffect("reset", "upstream"), "404"),
    ("cut", link(FRONT), LinkEffect("reset", "downstream"), "200"),
    ("paused", node(NODE), NodeEffect("paused"), "200"),
    ("down", node(NODE), NodeEffect("down"), "404"),
)


@pytest.mark.parametrize(("name", "carrier", "state", "found"), CASES, ids=[case[0] for case in CASES])
def test_what_becomes_of_a_request_whose_caller_gave_up(
    driver: Driver, name: str, carrier: Carrier, state: Mapping[str, Any], found: str
) -> None:
    """Carried out is what reached its node, be it a paused one; nothing that a link swallowed comes through later."""
    world = driver.world
    group = f"/subscriptions/{world.spec.subscription_id}/resourceGroups/load"
    path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"

    async def story() -> tuple[str, str]:
        headers = {"authorization": f"Bearer {await user_token(world)}"}
        await world.hold(carrier, "f-1", state)
        ended = await ask(world, NODE, Request("PUT", path, ARM_VERSION, headers, {"location": "australiaeast"}), timeout_s=0.7)
        await world.release(carrier, "f-1")
        await world.sleep_until(world.now() + 0.5)
        return ended, await ask(world, NODE, Request("GET", path, ARM_VERSION, headers))

    ended, after = driver.run(story())
    assert ended in ("timeout", "refused", "reset")
    assert after == found

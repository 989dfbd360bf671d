"""The token node: static stability, and the circle of access by managed identity."""

from __future__ import annotations

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from support.identity_stacks import HOUR_S, QUIET_S, Stack, body, on_stack


@pytest.mark.parametrize("hours", [24])
def test_the_data_plane_is_statically_stable(hours: float) -> None:
    """I11: with the directory gone for 24 hours and everything restarted, tokens are issued and judged as before."""

    async def story(stack: Stack) -> list[int]:
        await stack.world.hold(Carrier("node", "sydney.directory"), "f", NodeEffect("down"))
        await stack.wait(hours * HOUR_S)
        for node in ("sydney.token.z1", "sydney.vault", "sydney.store", "sydney.host"):
            await stack.restart(node)
        token = await stack.imds("scaleout_3")
        return [token.status, (await stack.secret(str(body(token)["access_token"]))).status]

    assert on_stack(story, publish_interval_s=QUIET_S) == [200, 200]


async def lose_all_memory(stack: Stack) -> None:
    """Every token node of the stack is killed and comes back."""
    for region in stack.world.spec.regions:
        for zone in stack.world.spec.zones:
            await stack.restart(f"{region}.token.{zone}")


def test_store_access_by_managed_identity_cannot_start_again() -> None:
    """Claim C10: where the service needs a token of its own to read the store, a full loss of caches is for ever."""

    async def story(stack: Stack) -> list[int]:
        seen = [(await stack.imds("scaleout_1")).status]
        await lose_all_memory(stack)
        seen.append((await stack.imds("scaleout_2")).status)
        await stack.wait(12 * HOUR_S)
        return [*seen, (await stack.imds("scaleout_3")).status]

    assert on_stack(story, store_access="managed-identity", publish_interval_s=QUIET_S) == [200, 500, 500]


def test_store_access_by_key_starts_again() -> None:
    """Claim C10, control: with keys the same loss of caches costs nothing."""

    async def story(stack: Stack) -> int:
        await lose_all_memory(stack)
        return (await stack.imds("scaleout_2")).status

    assert on_stack(story) == 200


def test_the_circle_also_closes_by_itself_when_nobody_asks() -> None:
    """Claim C10: a token of one's own that is not renewed in its life locks the node out just so."""

    async def story(stack: Stack) -> int:
        await stack.wait(25 * HOUR_S)
        return (await stack.imds("scaleout_1")).status

    assert on_stack(story, store_access="managed-identity", publish_interval_s=QUIET_S) == 500

"""The directory as key manager: switches, their undo, the readiness gate, and what did not help (claims C14, C19, C22, C25)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.errors import Defended
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.identity_stacks import Stack, on_stack

DIRECTORY = "sydney.directory"


async def switch(stack: Stack, fault_id: str = "f", region: str = "sydney", **value: Any) -> Any:
    return await stack.hold(DIRECTORY, fault_id, "switch-keys", region=region, **value)


async def validity(stack: Stack, region: str = "sydney") -> dict[str, bool]:
    return {row["key_id"]: row["valid"] for row in (await stack.state(f"{region}.store"))["keys"]}


def test_a_switch_rolls_the_key_and_publishes_the_new_one() -> None:
    """Claim C14: the switch takes the key over, rolls it at once and publishes the new key to every reader."""

    async def story(stack: Stack) -> tuple[Any, Any, Any]:
        report = await switch(stack, overlap_s=0)
        return report, await validity(stack), await stack.state(DIRECTORY)

    report, keys, state = on_stack(story)
    assert report["key_id"] == "managed-sydney-1"
    assert set(report["published"].values()) == {True}
    assert keys == {"manual-sydney-1": False, "managed-sydney-1": True}
    assert state["managed_keys"] == {"sydney": "managed-sydney-1"}


@pytest.mark.parametrize("order", list(permutations("abc")), ids="".join)
def test_overlapping_switches_are_undone_in_any_order(order: tuple[str, ...]) -> None:
    """The directory names the key of the newest switch that is left, and the store accepts exactly that one."""

    async def story(stack: Stack) -> None:
        made = {fault_id: (await switch(stack, fault_id, overlap_s=0))["key_id"] for fault_id in "abc"}
        left = dict(made)
        for fault_id in order:
            await stack.release(DIRECTORY, fault_id)
            del left[fault_id]
            newest = next(reversed(left.values()), None)
            state = await stack.state(DIRECTORY)
            assert state["managed_keys"].get("sydney") == newest
            accepted = [key for key, valid in (await validity(stack)).items() if valid]
            assert accepted == [newest or "manual-sydney-1"]
            assert (await stack.imds(f"scaleout_{len(left)}")).status == 200

    on_stack(story, builds={"sydney": "2.0"})


@pytest.mark.parametrize("builds", [{"sydney": "2.0"}, {"melbourne": "2.0"}, {}])
def test_the_gate_refuses_a_switch_that_somebody_could_not_follow(builds: dict[str, str]) -> None:
    """Claim C25: with the gate on, nodes of either region on a build that cannot use the key block the switch, by name."""

    async def story(stack: Stack) -> str:
        with pytest.raises(Defended) as refused:
            await switch(stack)
        assert await validity(stack) == {"manual-sydney-1": True}
        return refused.value.reason

    reason = on_stack(story, readiness_gate=True, builds=builds)
    for region in {"sydney", "melbourne"} - builds.keys():
        assert f"{region}: {region}.token.z1 runs build 1.0" in reason
    for region in builds:
        assert f"{region}:" not in reason


def test_the_gate_lets_through_what_everybody_can_follow() -> None:
    """Claim C22: with every region on a capable build or configuration the same switch goes through, and nobody fails."""

    async def story(stack: Stack) -> list[int]:
        await switch(stack, overlap_s=0)
        return [(await stack.imds("scaleout_1")).status, (await stack.imds("visitor", region="melbourne")).status]

    assert on_stack(story, readiness_gate=True, builds={"sydney": "2.0"}, force_managed_key=["melbourne"]) == [200, 200]


def test_configuration_does_not_make_a_build_ready_that_cannot() -> None:
    """Claim C25: a build that cannot take a managed key is unready whatever its configuration says."""

    async def story(stack: Stack) -> None:
        with pytest.raises(Defended, match=r"runs build 0\.9"):
            await switch(stack)

    on_stack(story, readiness_gate=True, builds={"sydney": "2.0", "melbourne": "0.9"}, force_managed_key=["melbourne"])


def test_a_node_that_does_not_answer_the_gate_is_not_ready() -> None:
    """Claim C25: silence is no consent."""

    async def story(stack: Stack) -> None:
        await stack.world.hold(Carrier("node", "melbourne.token.z2"), "down", NodeEffect("down"))
        with pytest.raises(Defended, match=r"melbourne\.token\.z2 did not answer"):
            await switch(stack)

    on_stack(story, readiness_gate=True, builds={"sydney": "2.0", "melbourne": "2.0"})


def test_a_switch_whose_store_is_away_is_not_in_force() -> None:
    """When the store cannot be told, the switch fails, nothing is held and no key is published."""

    async def story(stack: Stack) -> tuple[int, Any, Any]:
        await stack.world.hold(Carrier("node", "sydney.store"), "down", NodeEffect("down"))
        answer = await stack.try_hold(DIRECTORY, "f", "switch-keys", {"region": "sydney"})
        state = await stack.state(DIRECTORY)
        return answer.status, state["holds"], state["managed_keys"]

    assert on_stack(story) == (503, {}, {})


def test_an_undo_that_the_store_does_not_hear_can_be_repeated() -> None:
    """A release that fails half-way says so, keeps the hold, and succeeds when the store is back (world laws)."""

    async def story(stack: Stack) -> None:
        await switch(stack, overlap_s=0)
        await stack.world.hold(Carrier("node", "sydney.store"), "down", NodeEffect("down"))
        failed = await stack.world.control(DIRECTORY, Request("DELETE", "/admin/holds/f"))
        assert failed.status == 503
        assert "f" in (await stack.state(DIRECTORY))["holds"]
        await stack.world.release(Carrier("node", "sydney.store"), "down")
        await stack.release(DIRECTORY, "f")
        assert await validity(stack) == {"manual-sydney-1": True}
        assert (await stack.state(DIRECTORY))["managed_keys"] == {}

    on_stack(story)


def test_the_directory_keeps_a_switch_through_a_restart() -> None:
    """Killed and back, the directory still publishes the managed key, under a version that replicas take."""

    async def story(stack: Stack) -> tuple[Any, bool, int]:
        await switch(stack, overlap_s=0)
        before = (await stack.state(DIRECTORY))["version"]
        await stack.restart(DIRECTORY)
        state = await stack.state(DIRECTORY)
        answer = await stack.imds("scaleout_1")
        return state["managed_keys"], state["version"] > before, answer.status

    assert on_stack(story, builds={"sydney": "2.0"}) == ({"sydney": "managed-sydney-1"}, True, 200)


@pytest.mark.parametrize("value", [{}, {"region": "perth"}])
@pytest.mark.parametrize("what", ["switch-keys", "push-keys"])
def test_a_region_that_is_not_there_is_a_bad_value(what: str, value: dict[str, Any]) -> None:
    """An unknown region is refused by name and nothing is held."""

    async def story(stack: Stack) -> tuple[int, Any]:
        answer = await stack.try_hold(DIRECTORY, "f", what, value)
        return answer.status, (await stack.state(DIRECTORY))["holds"]

    assert on_stack(story) == (400, {})


def test_pushing_the_key_again_does_not_help_an_old_build() -> None:
    """Claim C19: publishing the new key again reaches every node, and nodes of the pinned build go on with the old one."""

    async def story(stack: Stack) -> tuple[Any, int]:
        await switch(stack, overlap_s=0)
        report = await stack.hold(DIRECTORY, "push", "push-keys", region="sydney")
        return set(report["published"].values()), (await stack.imds("scaleout_1")).status

    assert on_stack(story) == ({True}, 500)


@pytest.mark.parametrize(("key_id", "status"), [("managed", 500), ("manual", 200)])
def test_accepting_the_new_key_does_not_help_and_the_old_one_would(key_id: str, status: int) -> None:
    """Claim C19: making storage accept the new key changes nothing; accepting the old one again would have helped."""

    async def story(stack: Stack) -> int:
        await switch(stack, overlap_s=0)
        await stack.hold("sydney.store", "accept", "accept-key", key_id=key_id)
        return (await stack.imds("scaleout_1")).status

    assert on_stack(story) == status

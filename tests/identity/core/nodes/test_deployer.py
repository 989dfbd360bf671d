"""The deployer: roll-outs region by region, pins, what it reports, configuration and the freeze (claims C11-C13, C20-C23)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.errors import Defended
from brownout.harness.world import Carrier
from support.identity_stacks import Stack, body, error_code, on_stack

DEPLOYER = "sydney.deployer"
READERS = ("token.z1", "token.z2", "token.z3", "management")


async def builds(stack: Stack) -> dict[str, set[str]]:
    """Per region the builds that its nodes themselves say they run."""
    found = {}
    for region in stack.world.spec.regions:
        found[region] = {str((await stack.state(f"{region}.{node}"))["build"]) for node in READERS}
    return found


async def forced(stack: Stack) -> dict[str, set[bool]]:
    """Per region whether nodes are configured to use the managed key, as they say themselves."""
    found = {}
    for region in stack.world.spec.regions:
        found[region] = {bool((await stack.state(f"{region}.{node}"))["config"]["force_managed_key"]) for node in READERS}
    return found


def test_a_rollout_moves_every_node_of_its_regions() -> None:
    """Claim C11: without pins every token and management node of the named regions gets the build, and no other node."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        report = await stack.hold(DEPLOYER, "f", "roll-out", build="2.0", regions=["sydney"])
        return report, await builds(stack)

    report, seen = on_stack(story)
    assert report == {"success": True, "regions": {"sydney": {"reported": "succeeded", "actual": ["2.0"]}}}
    assert seen == {"sydney": {"2.0"}, "melbourne": {"1.0"}}


def test_a_rollout_without_regions_is_for_all() -> None:
    """No list of regions means every region."""

    async def story(stack: Stack) -> Any:
        await stack.hold(DEPLOYER, "f", "roll-out", build="2.0")
        return await builds(stack)

    assert on_stack(story) == {"sydney": {"2.0"}, "melbourne": {"2.0"}}


@pytest.mark.parametrize("detects", [False, True])
def test_a_pinned_region_is_skipped_and_the_posture_decides_what_is_said(detects: bool) -> None:
    """Claims C12, C13, C23: the pin holds either way; as in July 2024 it is called a success, repaired it is named."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        report = await stack.hold(DEPLOYER, "f", "roll-out", build="2.0")
        return report, await builds(stack)

    report, seen = on_stack(story, pins={"sydney": "1.0"}, deployer_detects_pins=detects)
    assert seen == {"sydney": {"1.0"}, "melbourne": {"2.0"}}
    assert report["success"] is not detects
    assert report["regions"]["sydney"] == {"reported": "pinned to 1.0" if detects else "succeeded", "actual": ["1.0"]}
    assert report["regions"]["melbourne"] == {"reported": "succeeded", "actual": ["2.0"]}


def test_a_pin_on_the_very_build_is_no_obstacle() -> None:
    """A region pinned to the build that is rolled out gets it, and is a success for a deployer that detects pins."""

    async def story(stack: Stack) -> tuple[bool, Any]:
        report = await stack.hold(DEPLOYER, "f", "roll-out", build="2.0", regions=["sydney"])
        return bool(report["success"]), (await builds(stack))["sydney"]

    assert on_stack(story, pins={"sydney": "2.0"}, deployer_detects_pins=True) == (True, {"2.0"})


def test_rolling_back_restores_the_builds() -> None:
    """Releasing a roll-out puts every node back on what it ran."""

    async def story(stack: Stack) -> Any:
        await stack.hold(DEPLOYER, "f", "roll-out", build="2.0")
        await stack.release(DEPLOYER, "f")
        return await builds(stack)

    assert on_stack(story, builds={"melbourne": "0.9"}) == {"sydney": {"1.0"}, "melbourne": {"0.9"}}


STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "a": ("roll-out", {"build": "2.0", "regions": ["sydney", "melbourne"]}),
    "b": ("pin", {"region": "sydney", "build": "0.9"}),
    "c": ("roll-out", {"build": "1.0", "regions": ["sydney"]}),
    "d": ("configure", {"regions": ["sydney"], "set": {"force_managed_key": True}}),
    "e": ("configure", {"regions": [], "set": {"force_managed_key": False}}),
}


@pytest.mark.parametrize("order", list(permutations("abc")), ids="".join)
def test_pins_and_rollouts_may_be_released_in_any_order(order: tuple[str, ...]) -> None:
    """What runs is a function of the holds that are left, as if the released ones had never been put."""

    async def after(stack: Stack, ids: tuple[str, ...]) -> Any:
        for fault_id in ids:
            switch, value = STEPS[fault_id]
            await stack.hold(DEPLOYER, fault_id, switch, **value)
        return await builds(stack)

    async def story(stack: Stack) -> list[Any]:
        await after(stack, ("a", "b", "c"))
        seen = []
        for fault_id in order:
            await stack.release(DEPLOYER, fault_id)
            seen.append(await builds(stack))
        return seen

    seen = on_stack(story)
    for released in (1, 2, 3):
        kept = tuple(sorted(set("abc") - set(order[:released])))
        assert seen[released - 1] == on_stack(lambda stack, kept=kept: after(stack, kept)), order[:released]
    assert seen[-1] == {"sydney": {"1.0"}, "melbourne": {"1.0"}}


def test_a_pin_holds_a_later_rollout_back() -> None:
    """A pin put as a fault moves its region to its build and keeps it there."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        await stack.hold(DEPLOYER, "b", "pin", region="melbourne", build="0.9")
        await stack.hold(DEPLOYER, "a", "roll-out", build="2.0")
        return await builds(stack), (await stack.state(DEPLOYER))["regions"]["melbourne"]

    seen, told = on_stack(story)
    assert seen == {"sydney": {"2.0"}, "melbourne": {"0.9"}}
    assert (told["pin"], told["target"], set(told["builds"].values())) == ("0.9", "0.9", {"0.9"})


def test_configuration_reaches_the_nodes_and_is_undone() -> None:
    """Claim C20: the configuration change reaches every node that reads stores, without a new build; release undoes it."""

    async def story(stack: Stack) -> list[Any]:
        report = await stack.hold(DEPLOYER, "f", "configure", regions=["sydney"], set={"force_managed_key": True})
        seen = [set(report["nodes"].values()), await forced(stack), await builds(stack)]
        await stack.release(DEPLOYER, "f")
        return [*seen, await forced(stack)]

    ok, during, versions, after = on_stack(story)
    assert ok == {True}
    assert during == {"sydney": {True}, "melbourne": {False}}
    assert versions == {"sydney": {"1.0"}, "melbourne": {"1.0"}}
    assert after == {"sydney": {False}, "melbourne": {False}}


@pytest.mark.parametrize("order", list(permutations("de")), ids="".join)
@pytest.mark.parametrize("started", [[], ["melbourne"]])
def test_overlapping_configurations_restore_what_was(order: tuple[str, ...], started: list[str]) -> None:
    """The newest hold on a setting counts; without holds it is what the region started with."""

    async def story(stack: Stack) -> list[Any]:
        seen = []
        for fault_id in ("d", "e"):
            switch, value = STEPS[fault_id]
            await stack.hold(DEPLOYER, fault_id, switch, **value)
        seen.append(await forced(stack))
        for fault_id in order:
            await stack.release(DEPLOYER, fault_id)
            seen.append(await forced(stack))
        return seen

    south = {bool(started)}
    both, one, none = on_stack(story, force_managed_key=started)
    assert both == {"sydney": {False}, "melbourne": {False}}
    left = {"d": {"sydney": {False}, "melbourne": {False}}, "e": {"sydney": {True}, "melbourne": south}}
    assert one == left[order[0]]
    assert none == {"sydney": {False}, "melbourne": south}


def test_a_configuration_takes_its_propagation_time() -> None:
    """The change is in force only after `config_delay_s`."""

    async def story(stack: Stack) -> float:
        began_s = stack.world.now()
        await stack.hold(DEPLOYER, "f", "configure", set={"force_managed_key": True})
        return stack.world.now() - began_s

    assert 5 <= on_stack(story, config_delay_s=5) < 6


def test_a_configuration_on_its_way_is_nowhere_in_force() -> None:
    """While a change propagates no node has it, though the deployer looks after its nodes all the time."""

    async def story(stack: Stack) -> list[Any]:
        deployer, content = stack.node(DEPLOYER), {"switch": "configure", "value": {"set": {"force_managed_key": True}}}
        stack.world.kernel.spawn(deployer.handle(deployer.internal("PUT", "/admin/holds/f", content)))
        seen = []
        for _ in range(2):
            await stack.wait(150)
            seen.append((await forced(stack))["sydney"])
        return seen

    assert on_stack(story, config_delay_s=200) == [{False}, {True}]


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("roll-out", {"build": "3.0"}),
        ("roll-out", {"build": "2.0", "regions": ["perth"]}),
        ("roll-out", {}),
        ("pin", {"region": "sydney", "build": "3.0"}),
        ("pin", {"region": "perth", "build": "1.0"}),
        ("pin", {"build": "1.0"}),
        ("configure", {"set": {"force_manged_key": True}}),
        ("configure", {"set": {"force_managed_key": "yes"}}),
        ("configure", {"regions": ["perth"], "set": {"force_managed_key": True}}),
        ("configure", {}),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(switch: str, value: dict[str, Any]) -> None:
    """An unknown build, region or setting is a bad value; nodes and holds are as before."""

    async def story(stack: Stack) -> tuple[Any, Any, Any]:
        answer = await stack.try_hold(DEPLOYER, "f", switch, value)
        return answer, await builds(stack), (await stack.state(DEPLOYER))["holds"]

    answer, seen, holds = on_stack(story)
    assert (answer.status, error_code(answer)) == (400, "BadValue")
    assert seen == {"sydney": {"1.0"}, "melbourne": {"1.0"}}
    assert holds == {}


@pytest.mark.parametrize(
    ("node", "switch", "value"),
    [
        (DEPLOYER, "roll-out", {"build": "2.0"}),
        (DEPLOYER, "pin", {"region": "sydney", "build": "0.9"}),
        (DEPLOYER, "configure", {"set": {"force_managed_key": True}}),
        ("sydney.directory", "switch-keys", {"region": "sydney"}),
    ],
)
def test_under_a_freeze_every_change_is_refused(node: str, switch: str, value: dict[str, Any]) -> None:
    """Claim C21: while changes are frozen, deployments and key switches are refused as a defence; afterwards they work."""

    async def story(stack: Stack) -> str:
        await stack.hold(DEPLOYER, "freeze", "freeze")
        with pytest.raises(Defended) as refused:
            await stack.hold(node, "f", switch, **value)
        assert (await stack.state(node))["holds"].keys() - {"freeze"} == set()
        await stack.release(DEPLOYER, "freeze")
        await stack.hold(node, "f", switch, **value)
        return refused.value.reason

    assert on_stack(story) == "all changes are frozen"


def test_what_was_done_before_a_freeze_can_be_undone_in_it() -> None:
    """A freeze stops changes, never an undo."""

    async def story(stack: Stack) -> Any:
        await stack.hold(DEPLOYER, "f", "roll-out", build="2.0")
        await stack.hold(DEPLOYER, "freeze", "freeze")
        await stack.release(DEPLOYER, "f")
        return await builds(stack)

    assert on_stack(story) == {"sydney": {"1.0"}, "melbourne": {"1.0"}}


def test_a_freeze_that_the_directory_cannot_be_told_of_is_not_in_force() -> None:
    """The freeze covers deployer and directory or neither; the answer says that it could not be done."""

    async def story(stack: Stack) -> tuple[int, bool]:
        await stack.world.hold(Carrier("node", "sydney.directory"), "down", NodeEffect("down"))
        answer = await stack.try_hold(DEPLOYER, "f", "freeze", {})
        return answer.status, bool((await stack.state(DEPLOYER))["frozen"])

    assert on_stack(story) == (503, False)


def test_a_freeze_that_cannot_be_lifted_yet_stays() -> None:
    """A release that the directory does not hear fails, keeps the freeze, and works when tried again."""

    async def story(stack: Stack) -> tuple[int, bool, bool]:
        from brownout.identity.core.messages import Request

        await stack.hold(DEPLOYER, "f", "freeze")
        await stack.world.hold(Carrier("node", "sydney.directory"), "down", NodeEffect("down"))
        failed = await stack.world.control(DEPLOYER, Request("DELETE", "/admin/holds/f"))
        still = bool((await stack.state(DEPLOYER))["frozen"])
        await stack.world.release(Carrier("node", "sydney.directory"), "down")
        await stack.release(DEPLOYER, "f")
        return failed.status, still, bool((await stack.state("sydney.directory"))["holds"])

    assert on_stack(story) == (503, True, False)


def test_a_node_that_was_away_is_no_success_and_follows_later() -> None:
    """A roll-out that a node did not take is reported as failed, and the node gets the build once it is back."""

    async def story(stack: Stack) -> tuple[Any, Any, Any]:
        carrier = Carrier("node", "melbourne.token.z2")
        await stack.world.hold(carrier, "down", NodeEffect("down"))
        report = await stack.hold(DEPLOYER, "f", "roll-out", build="2.0")
        await stack.world.release(carrier, "down")
        before = (await stack.state("melbourne.token.z2"))["build"]
        await stack.wait(70)
        return report, before, await builds(stack)

    report, before, after = on_stack(story)
    assert report["success"] is False
    assert report["regions"]["melbourne"] == {"reported": "failed", "actual": ["1.0", "2.0"]}
    assert before == "1.0"
    assert after == {"sydney": {"2.0"}, "melbourne": {"2.0"}}


def test_an_undo_reaches_a_node_that_was_away() -> None:
    """What is released while a node is down is undone on that node when it is back: builds and configuration."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        await stack.hold(DEPLOYER, "f", "roll-out", build="2.0")
        await stack.hold(DEPLOYER, "g", "configure", set={"force_managed_key": True})
        carrier = Carrier("node", "sydney.management")
        await stack.world.hold(carrier, "down", NodeEffect("down"))
        await stack.release(DEPLOYER, "f")
        await stack.release(DEPLOYER, "g")
        await stack.world.release(carrier, "down")
        await stack.wait(70)
        return await builds(stack), await forced(stack)

    assert on_stack(story) == ({"sydney": {"1.0"}, "melbourne": {"1.0"}}, {"sydney": {False}, "melbourne": {False}})


def test_builds_and_configuration_survive_a_restart_of_everyone_concerned() -> None:
    """Deployer and nodes come back from a kill with what was rolled out, and it can still be undone."""

    async def story(stack: Stack) -> list[Any]:
        await stack.hold(DEPLOYER, "f", "roll-out", build="2.0", regions=["sydney"])
        await stack.hold(DEPLOYER, "g", "configure", regions=["melbourne"], set={"force_managed_key": True})
        for node in (DEPLOYER, "sydney.token.z1", "melbourne.management"):
            await stack.restart(node)
        seen = [await builds(stack), await forced(stack)]
        await stack.release(DEPLOYER, "f")
        await stack.release(DEPLOYER, "g")
        return [*seen, await builds(stack), await forced(stack)]

    held_builds, held_config, free_builds, free_config = on_stack(story)
    assert held_builds == {"sydney": {"2.0"}, "melbourne": {"1.0"}}
    assert held_config == {"sydney": {False}, "melbourne": {True}}
    assert free_builds == {"sydney": {"1.0"}, "melbourne": {"1.0"}}
    assert free_config == {"sydney": {False}, "melbourne": {False}}


def test_holds_keep_their_order_through_a_restart() -> None:
    """The newest of two overlapping holds is the newest after a restart too, whatever their ids."""

    async def story(stack: Stack) -> list[Any]:
        for fault_id, build in (("z", "2.0"), ("a", "0.9")):
            await stack.hold(DEPLOYER, fault_id, "pin", region="sydney", build=build)
        disk = stack.world._nodes[DEPLOYER].disk
        stack.world._nodes[DEPLOYER].disk = dict(sorted(disk.items()))  # as the durable store gives it back
        await stack.restart(DEPLOYER)
        return [(await stack.state(DEPLOYER))["regions"]["sydney"]["pin"], (await builds(stack))["sydney"]]

    assert on_stack(story) == ["0.9", {"0.9"}]


@pytest.mark.parametrize(
    ("path", "content"), [("/admin/build", {"build": "9.9"}), ("/admin/build", {}), ("/admin/config", {"x": True})]
)
def test_a_node_takes_no_build_or_configuration_that_there_is_not(path: str, content: dict[str, Any]) -> None:
    """A node refuses an unknown build or setting by name and goes on as before."""

    async def story(stack: Stack) -> tuple[int, Any]:
        answer = await stack.raw("sydney.token.z1", "POST", path, stack.world.spec.control_token, content)
        assert body(answer)["error"]["message"]
        return answer.status, (await builds(stack))["sydney"]

    assert on_stack(story) == (400, {"1.0"})

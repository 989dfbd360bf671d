"""Holds: put, put again, refused, released, and there again after a restart."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from brownout.harness.world import Carrier
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.holds import PASSIVE, Hold, HoldSet, Switch, Unreachable, nothing_to_do
from brownout.identity.core.messages import Request
from brownout.identity.core.ports import Ports
from support.identity_stacks import Stack, body, error_code, on_stack

NODES = build_stack(seed=1).nodes()


@pytest.mark.parametrize("node", NODES)
def test_an_unknown_switch_is_404_with_those_that_there_are(node: str) -> None:
    """`UnknownSwitch` names the role and its switches."""

    async def story(stack: Stack) -> Any:
        return await stack.try_hold(node, "f", "self-destruct", {})

    answer = on_stack(story)
    assert (answer.status, error_code(answer)) == (404, "UnknownSwitch")
    assert "it has" in body(answer)["error"]["message"]


@pytest.mark.parametrize("value", ["x", [1], 7, True])
@pytest.mark.parametrize(
    ("node", "switch"), [("sydney.store", "roll-key"), ("sydney.host", "answer"), ("sydney.deployer", "pin")]
)
def test_a_value_that_is_no_object_is_refused(node: str, switch: str, value: Any) -> None:
    """A switch's value is a JSON object; anything else is a bad value and holds nothing."""

    async def story(stack: Stack) -> tuple[int, Any]:
        return (await stack.try_hold(node, "f", switch, value)).status, (await stack.state(node))["holds"]

    assert on_stack(story) == (400, {})


def test_a_hold_that_is_put_again_is_not_done_again() -> None:
    """The very same hold twice is once: no second key, no second report."""

    async def story(stack: Stack) -> tuple[Any, int]:
        await stack.hold("sydney.store", "f", "roll-key", overlap_s=0)
        again = await stack.hold("sydney.store", "f", "roll-key", overlap_s=0)
        return again, len((await stack.state("sydney.store"))["keys"])

    assert on_stack(story) == ({"unchanged": True}, 2)


@pytest.mark.parametrize("second", [{"overlap_s": 50}, {}])
def test_a_hold_that_is_put_with_another_value_replaces_the_first(second: dict[str, Any]) -> None:
    """One id has one hold: the old one is undone, the new one done, whether its value has more or fewer parts."""

    async def story(stack: Stack) -> list[Any]:
        await stack.hold("sydney.store", "f", "roll-key", overlap_s=1000)
        await stack.hold("sydney.store", "f", "roll-key", **second)
        return (await stack.state("sydney.store"))["keys"]

    rows = on_stack(story, key_overlap_s=50)
    assert [row["key_id"] for row in rows] == ["manual-sydney-1", "managed-sydney-2"]
    assert rows[0]["valid_until_s"] is not None
    assert rows[0]["valid_until_s"] < 1_720_742_400 + 60


def test_a_refused_hold_leaves_nothing_behind() -> None:
    """After a defence the id is free, in memory and on disk."""

    async def story(stack: Stack) -> tuple[int, Any, bool]:
        await stack.hold("sydney.deployer", "freeze", "freeze")
        answer = await stack.try_hold("sydney.deployer", "f", "pin", {"region": "sydney", "build": "1.0"})
        disk = stack.world._nodes["sydney.deployer"].disk
        return answer.status, (await stack.state("sydney.deployer"))["holds"], "hold:f" in disk

    status, holds, on_disk = on_stack(story)
    assert (status, set(holds), on_disk) == (409, {"freeze"}, False)


@pytest.mark.parametrize("node", ["sydney.store", "sydney.host", "sydney.directory", "sydney.deployer"])
def test_releasing_what_is_not_held_is_success(node: str) -> None:
    """`DELETE` of an unknown id is 200, also twice (world laws)."""

    async def story(stack: Stack) -> list[int]:
        return [(await stack.world.control(node, Request("DELETE", "/admin/holds/none"))).status for _ in range(2)]

    assert on_stack(story) == [200, 200]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_holds_are_put_and_deleted_and_nothing_else(method: str) -> None:
    """Another verb on a hold is 405."""

    async def story(stack: Stack) -> int:
        return (await stack.world.control("sydney.store", Request(method, "/admin/holds/f"))).status

    assert on_stack(story) == 405


def test_a_hold_shows_what_was_decided_but_no_secret() -> None:
    """A hold's record keeps everything, what it shows lacks the secret."""
    hold = Hold("roll-key", {"overlap_s": 0}, {"made": "k", "secret": "s"}, 3)
    assert Hold.from_json(hold.to_json()) == hold
    assert hold.shown() == {"switch": "roll-key", "value": {"overlap_s": 0, "made": "k"}}


@pytest.mark.parametrize("node", ["sydney.store", "sydney.directory", "sydney.deployer", "melbourne.host"])
def test_holds_are_durable(node: str) -> None:
    """A killed node is held again after its restart, and a release ends the hold."""
    switches: dict[str, tuple[str, dict[str, Any]]] = {
        "sydney.store": ("invalidate-key", {"key_id": "current"}),
        "sydney.directory": ("pause-replication", {"regions": ["melbourne"]}),
        "sydney.deployer": ("freeze", {}),
        "melbourne.host": ("answer", {"status": 500, "times": 3}),
    }

    async def story(stack: Stack) -> tuple[Any, Any, Any]:
        switch, value = switches[node]
        await stack.hold(node, "f", switch, **value)
        before = (await stack.state(node))["holds"]
        await stack.restart(node)
        after = (await stack.state(node))["holds"]
        await stack.world.release(Carrier("control", node), "f")
        return before, after, (await stack.state(node))["holds"]

    before, after, released = on_stack(story)
    assert before == after != {}
    assert released == {}


def test_a_hold_that_cannot_be_released_stands_before_one_that_was_put_meanwhile() -> None:
    """While a release waits for another node a hold is put; the release fails, and both stand in the order of their puts."""

    class Disk:
        async def persist(self, key: str, record: Any) -> None: ...

    holds = HoldSet(cast(Ports, Disk()))

    async def unreachable(fault_id: str, value: Any) -> None:
        await holds.put("later", "easy", {})
        raise Unreachable

    holds.switches = {"easy": PASSIVE, "hard": Switch(nothing_to_do, unreachable)}

    async def story() -> None:
        await holds.put("first", "hard", {})
        with pytest.raises(Unreachable):
            await holds.release("first")

    asyncio.run(story())
    assert [fault_id for fault_id, _ in holds.items()] == ["first", "later"]
    assert holds["first"].order < holds["later"].order


def test_the_order_of_holds_is_asserted() -> None:
    """A hold that is newer than the newest that was put is a bug, and the next put stops at it."""
    holds = HoldSet(cast(Ports, None))
    holds.switches = {"easy": PASSIVE}
    holds._holds["from nowhere"] = Hold("easy", {}, order=7)
    with pytest.raises(AssertionError, match="strictly grows"):
        asyncio.run(holds.put("f", "easy", {}))
    with pytest.raises(AssertionError, match="no hold is newer"):
        asyncio.run(holds.release("from nowhere"))


def test_a_hold_that_is_taken_up_twice_is_asserted() -> None:
    """An earlier life left one record for an id, so a second one is a bug."""
    holds = HoldSet(cast(Ports, None))
    holds.take_up("f", Hold("easy", {}, order=1).to_json())
    with pytest.raises(AssertionError, match="taken up once"):
        holds.take_up("f", Hold("easy", {}, order=2).to_json())

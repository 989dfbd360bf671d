"""Every node's control plane: closed without the token, silent about secrets, and a set of holds (docs/design.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.harness.world import Carrier
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.holds import Hold
from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.publisher import managed_keys
from support.identity_stacks import Stack, body, error_code, on_stack

NODES = build_stack(seed=1).nodes()


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("token", ["", "guess"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/admin/state"), ("PUT", "/admin/holds/f"), ("DELETE", "/admin/holds/f"), ("POST", "/admin/anything")],
)
def test_the_control_plane_is_closed_without_its_token(node: str, token: str, method: str, path: str) -> None:
    """401 for no token and for a wrong one, on every node and for every control request."""

    async def story(stack: Stack) -> tuple[int, str]:
        answer = await stack.raw(node, method, path, token, {"switch": "freeze", "value": {}})
        return answer.status, error_code(answer)

    assert on_stack(story) == (401, "Unauthorized")


@pytest.mark.parametrize("node", NODES)
def test_health_needs_no_token_and_tells_little(node: str) -> None:
    """`/healthz` has the node, its build and whether it is ready, for anybody."""

    async def story(stack: Stack) -> Any:
        return await stack.raw(node, "GET", "/healthz")

    answer = on_stack(story)
    assert (answer.status, body(answer)) == (200, {"node": node, "build": "1.0", "ready": True})


@pytest.mark.parametrize("node", NODES)
def test_state_has_what_every_node_has(node: str) -> None:
    """Node, build, time, holds and reports are in every node's state; the trail names it."""

    async def story(stack: Stack) -> tuple[Any, float]:
        return await stack.world.control(node, Request("GET", "/admin/state")), stack.world.now()

    answer, now_s = on_stack(story)
    assert {"node", "build", "now_s", "holds", "reports"} <= set(body(answer))
    assert body(answer)["now_s"] == pytest.approx(now_s, abs=1)
    assert answer.headers["x-brownout-trail"].startswith(node)


async def busy(stack: Stack) -> list[Any]:
    """Everything that control planes answer while a lot is held."""
    answers: list[Any] = []
    for node, switch, value in (
        ("sydney.store", "roll-key", {"overlap_s": 0}),
        ("sydney.store", "roll-key", {"overlap_s": 0, "secret": "given-secret"}),
        ("sydney.directory", "switch-keys", {"region": "sydney"}),
        ("melbourne.store", "accept-key", {"key_id": "manual"}),
        ("sydney.deployer", "roll-out", {"build": "2.0"}),
        ("sydney.deployer", "freeze", {}),
    ):
        answers += [await stack.try_hold(node, f"f{len(answers)}", switch, value) for _ in range(2)]
    answers.append(await stack.try_hold("sydney.directory", "bad", "switch-keys", {"region": "perth"}))
    answers.append(await stack.try_hold("sydney.store", "bad", "accept-key", {"key_id": "none"}))
    await stack.imds("web-1")
    for node in NODES:
        answers.append(await stack.world.control(node, Request("GET", "/admin/state")))
        answers.append(await stack.raw(node, "GET", "/healthz"))
    return answers


def secrets_of(stack: Stack) -> set[str]:
    """Everything in the stack that must stay secret."""
    store: Any = stack.node("sydney.store")
    directory: Any = stack.node("sydney.directory")
    keys = {key.secret for key in store.ring.keys.values()}
    managed = {key.secret for key in managed_keys(directory.holds).values()}
    spec = stack.world.spec
    return keys | managed | {directory.catalog.signing.private, spec.control_token, *spec.store_keys.values(), "given-secret"}


def test_no_control_answer_has_a_secret_in_it() -> None:
    """Keys, the control token and the signing key appear in no state, health page or answer to a hold."""

    async def story(stack: Stack) -> tuple[str, set[str]]:
        answers = await busy(stack)
        return json.dumps([[answer.body, dict(answer.headers)] for answer in answers], default=dict), secrets_of(stack)

    text, secrets = on_stack(story)
    assert len(secrets) >= 7
    assert [secret for secret in secrets if secret in text] == []


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


@pytest.mark.parametrize("node", NODES)
def test_an_unknown_control_request_is_404(node: str) -> None:
    """What a role does not know is 404, with the request in the message."""

    async def story(stack: Stack) -> Any:
        return await stack.world.control(node, Request("POST", "/admin/self-destruct"))

    answer = on_stack(story)
    assert answer.status == 404
    assert "self-destruct" in body(answer)["error"]["message"]


def test_state_is_a_picture_and_not_a_window() -> None:
    """What was read stays as it was read, whatever happens afterwards."""

    async def story(stack: Stack) -> bool:
        before = await stack.state("sydney.token.z1")
        copied = json.dumps(before, sort_keys=True)
        await stack.hold("sydney.deployer", "f", "configure", set={"force_managed_key": True})
        await stack.hold("sydney.deployer", "g", "roll-out", build="2.0")
        return json.dumps(before, sort_keys=True) == copied

    assert on_stack(story)


def test_a_hold_shows_what_was_decided_but_no_secret() -> None:
    """A hold's record keeps everything, what it shows lacks the secret."""
    hold = Hold("roll-key", {"overlap_s": 0}, {"made": "k", "secret": "s"}, 3)
    assert Hold.from_json(hold.to_json()) == hold
    assert hold.shown() == {"switch": "roll-key", "value": {"overlap_s": 0, "made": "k"}}


@pytest.mark.parametrize("node", ["sydney.store", "sydney.directory", "sydney.deployer", "melbourne.host"])
def test_holds_are_durable(node: str) -> None:
    """A node that was killed comes back still held, and lets go when told."""
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

"""Every node's control plane: closed without the token, silent about secrets, and a set of holds (docs/design.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.stack_spec import build_stack
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


@pytest.mark.parametrize(
    ("node", "request_"),
    [
        ("sydney.token.z1", Request("GET", "/t/discovery/keys")),
        ("sydney.vault", Request("GET", "/secrets/x", headers={"authorization": "Bearer x"})),
        ("sydney.management", Request("GET", "/subscriptions/x", headers={"authorization": "Bearer x"})),
    ],
)
def test_a_node_that_never_had_a_snapshot_says_that_it_is_not_ready(node: str, request_: Request) -> None:
    """A node without its first replica answers 503 and is not `ready`, instead of refusing or failing oddly (I12)."""

    async def story(stack: Stack) -> tuple[int, Any]:
        await stack.world.hold(Carrier("node", "sydney.directory"), "f", NodeEffect("down"))
        stack.world._nodes[node].disk.clear()
        await stack.restart(node)
        health = await stack.raw(node, "GET", "/healthz")
        return (await stack.node(node).handle(request_)).status, body(health)["ready"]

    assert on_stack(story) == (503, False)

"""The directory: what it answers, and whom."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.core.messages import Request
from support.identity_stacks import Stack, body, error_code, on_stack

DIRECTORY = "sydney.directory"


@pytest.mark.parametrize("path", ["/snapshot/keys", "/resources", "/principals/x"])
def test_the_directory_answers_the_stacks_own_nodes_only(path: str) -> None:
    """Everything on the directory needs the stack's own token; it hands out secrets."""

    async def story(stack: Stack) -> list[int]:
        return [(await stack.raw(DIRECTORY, "GET", path, token)).status for token in ("", "guess")]

    assert on_stack(story) == [401, 401]


def test_what_a_vendor_adds_to_an_identity_reaches_every_replica() -> None:
    """The core carries a vendor's details of an identity to the replicas, and to a store that is given it back."""
    details = {"access_keys": ["AKIA1"], "policy": {"Version": "2012-10-17"}}

    async def story(stack: Stack) -> tuple[Any, Any]:
        await stack.publish_identity("new", details=details)
        await stack.wait(61)
        restored = await stack.raw(DIRECTORY, "POST", "/principals/new/restore", stack.world.spec.control_token)
        vault: Any = stack.node("melbourne.vault")
        return vault.replica.known("new").details, body(restored)["details"]

    assert on_stack(story) == (details, details)


def test_the_directory_says_what_it_does_not_have() -> None:
    """An unknown path or resource is 404, a deletion of what was never there 204."""

    async def story(stack: Stack) -> list[int]:
        token = stack.world.spec.control_token
        return [
            (await stack.raw(DIRECTORY, "GET", "/nothing", token)).status,
            (await stack.raw(DIRECTORY, "GET", "/resources", token)).status,
            (await stack.raw(DIRECTORY, "DELETE", "/principals/nobody", token)).status,
        ]

    assert on_stack(story) == [404, 404, 204]


def test_a_user_token_needs_a_lifetime_that_is_a_number() -> None:
    """The control request for an operator's token refuses nonsense with 400."""

    async def story(stack: Stack) -> Any:
        return await stack.world.control(DIRECTORY, Request("POST", "/admin/user-token", body={"lifetime_s": "long"}))

    answer = on_stack(story)
    assert (answer.status, error_code(answer)) == (400, "BadRequest")

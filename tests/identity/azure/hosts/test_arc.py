"""The Arc agent: a challenge first, then the key of the file that it names; selectors are echoed, and every error."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.core.messages import Request
from support.azure_endpoints import ONE, OWN, SEVERAL, VAULT, ask, ask_raw, asked, client_id, secret_of
from support.identity_stacks import Stack, body, on_stack

KIND = "arc"
NO_KEY = {"headers": {"authorization": ""}}


def test_the_challenge_names_a_file_that_the_machine_has_and_its_key_opens() -> None:
    """401 first; the path is in the agent's folder, ends in .key, and what the machine's file has is the key."""

    async def story(stack: Stack) -> None:
        refused = await ask(stack, KIND, **NO_KEY)
        assert refused.status == 401
        scheme, _, path = refused.headers["www-authenticate"].partition("=")
        assert scheme == "Basic realm"
        answer = await stack.world.control("sydney.host", Request("GET", "/admin/azure/files", {"machine": OWN}))
        key = body(answer)["files"][path]
        assert path.startswith("/var/opt/azcmagent/tokens/")
        assert path.endswith(".key")
        assert len(key) <= 4096
        assert (await ask(stack, KIND, headers={"authorization": f"Basic {key}"})).status == 200

    on_stack(story)


@pytest.mark.parametrize("given", ["Basic wrong", "Bearer x", "Basic", "basic  ü"])
def test_a_wrong_key_is_challenged_again(given: str) -> None:
    """401 with the same challenge."""
    answer = asked(KIND, headers={"authorization": given})
    assert answer.status == 401
    assert "www-authenticate" in answer.headers


def test_the_key_of_another_machine_is_none() -> None:
    """Each machine has its own file and key."""

    async def story(stack: Stack) -> int:
        return (await ask(stack, KIND, headers={"authorization": f"Basic {secret_of(stack, KIND, 'web-2')}"})).status

    assert on_stack(story) == 401


@pytest.mark.parametrize("selector", ["client_id", "object_id", "msi_res_id"])
def test_a_selector_is_echoed(selector: str) -> None:
    """A client refuses a token whose answer does not name what it asked for."""

    async def story(stack: Stack) -> None:
        wanted = stack.world.spec.identity("second-id")
        value = getattr(wanted, {"msi_res_id": "resource_id"}.get(selector, selector))
        answer = await ask(stack, KIND, SEVERAL, query={selector: value})
        assert body(answer)[selector] == value
        assert body(answer)["client_id"] == wanted.client_id

    on_stack(story)


@pytest.mark.parametrize("machine", [ONE, SEVERAL])
def test_without_a_selector_the_machines_own_identity_is_meant(machine: str) -> None:
    """A user-assigned one is no fallback."""
    assert asked(KIND, machine).status == 400


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"headers": {"metadata": ""}}, 400, "bad_request_102"),
        ({"query": {"api-version": ""}}, 400, "invalid_request"),
        ({"query": {"api-version": "2018-02-01"}}, 400, "invalid_request"),
        ({"query": {"resource": ""}}, 400, "invalid_request"),
        ({"query": {"resource": "https://nowhere.example"}}, 400, "invalid_resource"),
        ({"query": {"client_id": "x"}}, 400, "invalid_request"),
        ({"query": {"mi_res_id": "x"}}, 400, "invalid_request"),
        ({"query": {"client_id": "x", "object_id": "y"}}, 400, "invalid_request"),
        ({"method": "POST"}, 405, "method_not_allowed"),
    ],
)
def test_each_error_of_arc(changed: dict[str, Any], status: int, error: str) -> None:
    """The rows of docs/reference/azure-wire.md#arc."""
    answer = asked(KIND, **changed)
    assert (answer.status, body(answer)["error"]) == (status, error)


def test_a_doubled_parameter_is_refused() -> None:
    """Before the key is looked at."""
    query = f"api-version=2020-06-01&resource={VAULT}&resource=x"
    assert on_stack(lambda stack: ask_raw(stack, KIND, query)).status == 400


def test_a_selector_of_somebody_else_is_400() -> None:
    """An identity that is not this machine's."""

    async def story(stack: Stack) -> int:
        return (await ask(stack, KIND, query={"client_id": client_id(stack, "second-id")})).status

    assert on_stack(story) == 400

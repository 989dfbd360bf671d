"""Cloud Shell's endpoint: a POST with one field, and every error."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from support.azure_endpoints import NONE, ONE, OWN, SEVERAL, ask, asked
from support.identity_stacks import Stack, body, error_code, on_stack

KIND = "cloud-shell"
FORM = b"resource=https%3A%2F%2Fvault.azure.net"


@pytest.mark.parametrize(("machine", "status"), [(OWN, 200), (ONE, 200), (SEVERAL, 400), (NONE, 400)])
def test_the_machines_identity_stands_for_the_shells_user(machine: str, status: int) -> None:
    """A token answer as IMDS gives it, or 400 where it is not clear who the user is."""
    answer = asked(KIND, machine)
    assert answer.status == status
    if status == 200:
        assert {"access_token", "expires_in", "expires_on", "resource", "token_type"} <= set(body(answer))


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"method": "GET"}, 405, "MethodNotAllowed"),
        ({"headers": {"metadata": ""}}, 400, "BadRequest"),
        ({"form": b""}, 400, "BadRequest"),
        ({"form": b"resource="}, 400, "BadRequest"),
        ({"form": FORM + b"&resource=x"}, 400, "BadRequest"),
        ({"form": FORM + b"&client_id=x"}, 400, "BadRequest"),
        ({"form": b"resource=https%3A%2F%2Fnowhere.example"}, 400, "AudienceNotSupported"),
        (
            {"headers": {"content-type": "application/json"}, "form": b'{"resource": "https://vault.azure.net"}'},
            400,
            "BadRequest",
        ),
    ],
)
def test_each_error_of_cloud_shell(changed: dict[str, Any], status: int, code: str) -> None:
    """The rows of docs/reference/azure-wire.md#cloud-shell, each with code and message."""
    answer = asked(KIND, **changed)
    assert (answer.status, error_code(answer)) == (status, code)
    assert body(answer)["error"]["message"]


def test_an_outage_is_told_with_a_code() -> None:
    """5xx with `InternalServerError`."""

    async def story(stack: Stack) -> tuple[int, str]:
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("link", f"sydney.host->sydney.token.{zone}"), "f", LinkEffect("refuse"))
        answer = await ask(stack, KIND)
        return answer.status, error_code(answer)

    assert on_stack(story) == (503, "InternalServerError")

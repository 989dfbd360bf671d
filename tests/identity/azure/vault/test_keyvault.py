"""The vault as Key Vault: its challenge, its secrets, and whose tokens open it."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.core.messages import Request, Response
from support.identity_stacks import ARM, HOUR_S, QUIET_S, VAULT, Stack, body, error_code, on_stack


def test_the_vault_gives_its_secret_for_a_good_token() -> None:
    """A token for the vault's audience, of an identity that has the role, opens it."""

    async def story(stack: Stack) -> Response:
        return await stack.secret(await stack.token("web-1"))

    answer = on_stack(story)
    assert (answer.status, body(answer)["value"]) == (200, "value of sample")
    assert answer.headers["x-ms-keyvault-region"] == "australiaeast"


def test_a_token_of_one_region_opens_the_others_vault() -> None:
    """Each vault judges with its own replica, and the key set is the same everywhere."""

    async def story(stack: Stack) -> int:
        return (await stack.secret(await stack.token("web-1"), region="melbourne")).status

    assert on_stack(story) == 200


def test_the_vault_challenges_as_key_vault_does() -> None:
    """401 names authority and resource; with a bad token also error="invalid_token"
    (docs/reference/azure-wire.md#key-vault-challenge)."""

    async def story(stack: Stack) -> tuple[Response, Response, str]:
        return await stack.secret(""), await stack.secret("nonsense"), stack.world.spec.tenant_id

    without, bad, tenant = on_stack(story)
    challenge = f'Bearer authorization="https://login.microsoftonline.com/{tenant}", resource="{VAULT}"'
    assert without.headers["www-authenticate"] == challenge
    assert bad.headers["www-authenticate"] == challenge + ', error="invalid_token"'
    assert error_code(without) == error_code(bad) == "Unauthorized"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic abc", "PoP abc"])
def test_the_vault_takes_bearer_tokens_only(authorization: str) -> None:
    """Any other scheme counts as no token."""

    async def story(stack: Stack) -> Response:
        request = Request("GET", "/secrets/sample", {}, {"authorization": authorization})
        return await stack.world.client("sydney.vault", request, timeout_s=5)

    answer = on_stack(story)
    assert answer.status == 401
    assert "missing a Bearer" in body(answer)["error"]["message"]


@pytest.mark.parametrize("resource", [ARM, "https://storage.azure.com", "https://graph.microsoft.com/"])
def test_a_token_for_another_audience_does_not_open_the_vault(resource: str) -> None:
    """I6: a token for another resource is refused, though its signature is good."""

    async def story(stack: Stack) -> Response:
        return await stack.secret(await stack.token("web-1", resource=resource))

    answer = on_stack(story)
    assert answer.status == 401
    assert "audience" in body(answer)["error"]["message"]


@pytest.mark.parametrize(("age_h", "status"), [(0, 200), (23.9, 200), (24.05, 200), (24.2, 401), (30, 401)])
def test_a_token_dies_at_its_end(age_h: float, status: int) -> None:
    """I12: a token is good for its 24 hours and the five minutes of skew that verifiers allow, and no longer."""

    async def story(stack: Stack) -> int:
        token = await stack.token("web-1")
        await stack.wait(age_h * HOUR_S)
        return (await stack.secret(token)).status

    assert on_stack(story, publish_interval_s=QUIET_S) == status


def test_tokens_of_a_deleted_identity_are_refused_once_that_is_known() -> None:
    """I2: with the tombstone in its replica the vault refuses even a token with a good signature."""

    async def story(stack: Stack) -> list[int]:
        token = await stack.token("single")
        await stack.arm("DELETE", stack.identity_path("only-id"))
        seen = [(await stack.secret(token)).status]
        await stack.wait(61)
        return [*seen, (await stack.secret(token)).status]

    assert on_stack(story) == [200, 403]


@pytest.mark.parametrize("path", ["/", "/keys/x", "/secret/x", "/secrets/x", "/secrets/sample/0", "/secrets/a/b/c"])
def test_the_vault_says_what_it_does_not_have(path: str) -> None:
    """With a good token an unknown path is 404."""

    async def story(stack: Stack) -> int:
        return (await stack.secret(await stack.token("web-1"), path=path)).status

    assert on_stack(story) == 404


@pytest.mark.parametrize("path", ["/secrets/sample/", "//secrets//sample", "/Secrets/SAMPLE"])
def test_slashes_too_many_mean_the_same_secret(path: str) -> None:
    """A doubled slash, one at the end and other letters' case are no other secret."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        token = await stack.token("web-1")
        return (await stack.secret(token, path=path)).body, (await stack.secret(token)).body

    found, expected = on_stack(story)
    assert found == expected

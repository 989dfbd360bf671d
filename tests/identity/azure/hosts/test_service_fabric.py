"""Service Fabric's token service: the secret says which identity, and every error has the documented code."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from support.azure_endpoints import NONE, OWN, SEVERAL, VAULT, ask, ask_raw, asked, claims, client_id, secret_of
from support.identity_stacks import Stack, body, error_code, hops, on_stack

KIND = "service-fabric"


def test_a_token_answer_has_four_fields() -> None:
    """`expires_on` is text, as the SDK's team saw it."""

    async def story(stack: Stack) -> None:
        answer = await ask(stack, KIND)
        assert set(body(answer)) == {"token_type", "access_token", "expires_on", "resource"}
        assert int(claims(stack, answer)["exp"]) == int(body(answer)["expires_on"])
        assert body(answer)["resource"] == VAULT

    on_stack(story)


def test_an_application_has_one_identity() -> None:
    """Its own, else the first that was assigned to it."""

    async def story(stack: Stack) -> None:
        own, first = await ask(stack, KIND, OWN), await ask(stack, KIND, SEVERAL)
        assert claims(stack, own)["appid"] == client_id(stack, f"{OWN}-system")
        assert claims(stack, first)["appid"] == client_id(stack, "first-id")

    on_stack(story)


@pytest.mark.parametrize(
    ("machine", "changed", "status", "code"),
    [
        (OWN, {"headers": {"secret": ""}}, 400, "SecretHeaderNotFound"),
        (OWN, {"headers": {"secret": "wrong"}}, 404, "ManagedIdentityNotFound"),
        (NONE, {}, 404, "ManagedIdentityNotFound"),
        (OWN, {"query": {"api-version": ""}}, 400, "InvalidApiVersion"),
        (OWN, {"query": {"api-version": "2017-09-01"}}, 400, "InvalidApiVersion"),
        (OWN, {"query": {"resource": ""}}, 400, "ArgumentNullOrEmpty"),
        (OWN, {"query": {"resource": "https://nowhere.example"}}, 400, "InvalidResource"),
        (OWN, {"query": {"client_id": "x"}}, 400, "InvalidRequest"),
        (OWN, {"method": "POST"}, 405, "MethodNotAllowed"),
    ],
)
def test_each_error_of_service_fabric(machine: str, changed: dict[str, Any], status: int, code: str) -> None:
    """The rows of docs/reference/azure-wire.md#service-fabric, each with a correlation id."""
    answer = asked(KIND, machine, **changed)
    assert (answer.status, error_code(answer)) == (status, code)
    assert len(body(answer)["error"]["correlationId"]) == 36


def test_the_words_for_an_unknown_version_name_the_known_one() -> None:
    """As they were seen in the wild."""
    answer = asked(KIND, query={"api-version": "2017-09-01"})
    message = "The api-version '2017-09-01' is not supported. Supported version is '2019-07-01-preview'."
    assert body(answer)["error"]["message"] == message


def test_a_doubled_parameter_is_refused() -> None:
    """Neither resource is meant."""
    query = f"api-version=2019-07-01-preview&resource={VAULT}&resource=x"
    assert on_stack(lambda stack: ask_raw(stack, KIND, query)).status == 400


def test_the_secret_of_another_machine_is_no_secret() -> None:
    """An application cannot be another one."""

    async def story(stack: Stack) -> str:
        return error_code(await ask(stack, KIND, headers={"secret": secret_of(stack, KIND, "web-2")}))

    assert on_stack(story) == "ManagedIdentityNotFound"


def test_an_outage_is_an_internal_error() -> None:
    """Only such answers, and 429, are worth a retry."""

    async def story(stack: Stack) -> tuple[int, str]:
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("link", f"sydney.host->sydney.token.{zone}"), "f", LinkEffect("refuse"))
        answer = await ask(stack, KIND)
        return answer.status, error_code(answer)

    assert on_stack(story) == (503, "InternalServerError")


def test_a_token_that_was_refused_is_not_served_from_the_cache_again() -> None:
    """A client names it by its hash; any other hash changes nothing."""

    async def story(stack: Stack) -> list[str]:
        token = str(body(await ask(stack, KIND))["access_token"])
        digests = (hashlib.sha256(text.encode()).hexdigest() for text in ("another", token))
        answers = [await ask(stack, KIND, query={"token_sha256_to_refresh": digest}) for digest in digests]
        return [hops(answer)[0].cache for answer in answers]

    assert on_stack(story) == ["hit", "miss"]

"""App Service's endpoint: who may ask, whose token it is, its two versions, its own cache and limit, and every error."""

from __future__ import annotations

import re
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.hosts.app_service import NO_SYSTEM, NOT_ASSIGNED, UNEXPECTED, V2017, V2019
from brownout.identity.core.messages import Request, Response
from support.azure_endpoints import NONE, ONE, OWN, SEVERAL, VAULT, ask, ask_raw, asked, claims, client_id, secret_of
from support.identity_stacks import HOUR_S, TOKEN_PATH, Stack, body, hops, on_stack

KIND = "app-service"
DOWN = Carrier("link", "sydney.host->sydney.token.z1")


async def ask_2017(stack: Stack, machine: str = OWN, secret: str | None = None, **query: str) -> Response:
    headers = {"x-identity-header": "", "secret": secret_of(stack, KIND, machine) if secret is None else secret}
    return await ask(stack, KIND, machine, headers=headers, query={"api-version": V2017, **query})


def test_a_token_answer_has_the_documented_fields() -> None:
    """Strings, `expires_on` in epoch seconds, the client id, and no `expires_in`."""

    async def story(stack: Stack) -> None:
        answer = await ask(stack, KIND)
        fields = body(answer)
        assert answer.status == 200
        assert set(fields) == {"access_token", "expires_on", "resource", "token_type", "client_id", "not_before"}
        assert {type(value) for value in fields.values()} == {str}
        assert (fields["resource"], fields["token_type"]) == (VAULT, "Bearer")
        assert int(claims(stack, answer)["exp"]) == int(fields["expires_on"])
        assert answer.headers["x-correlation-id"]

    on_stack(story)


@pytest.mark.parametrize("selector", ["client_id", "principal_id", "object_id", "mi_res_id", "Client_Id"])
def test_each_selector_picks_its_identity(selector: str) -> None:
    """Client id, principal id by either name and resource id, in any case."""

    async def story(stack: Stack) -> None:
        wanted = stack.world.spec.identity("second-id")
        attribute = {"principal_id": "object_id", "mi_res_id": "resource_id"}.get(selector.lower(), selector.lower())
        answer = await ask(stack, KIND, SEVERAL, query={selector: getattr(wanted, attribute).upper()})
        assert body(answer)["client_id"] == wanted.client_id

    on_stack(story)


@pytest.mark.parametrize("machine", [ONE, SEVERAL, NONE])
def test_without_a_selector_there_is_only_the_own_identity(machine: str) -> None:
    """A single user-assigned identity is no fallback, unlike at IMDS."""
    answer = asked(KIND, machine)
    assert (answer.status, body(answer)["statusCode"], body(answer)["message"]) == (400, 400, NO_SYSTEM)


@pytest.mark.parametrize("version", [V2019, V2017])
def test_an_identity_of_somebody_else_is_400(version: str) -> None:
    """The trap of an AZURE_CLIENT_ID that was set for another purpose: it names no identity of this app."""

    async def story(stack: Stack) -> Response:
        stranger = client_id(stack, "first-id")
        if version == V2017:
            return await ask_2017(stack, clientid=stranger)
        return await ask(stack, KIND, query={"client_id": stranger})

    answer = on_stack(story)
    assert answer.status == 400
    assert NOT_ASSIGNED in (body(answer).get("message"), body(answer).get("ExceptionMessage"))


@pytest.mark.parametrize("secret", ["", "wrong", "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a", "ü"])
@pytest.mark.parametrize("version", [V2019, V2017])
def test_a_wrong_or_missing_secret_is_401(version: str, secret: str) -> None:
    """In the shape of each version, and with a body."""

    async def story(stack: Stack) -> Response:
        if version == V2017:
            return await ask_2017(stack, secret=secret)
        return await ask(stack, KIND, headers={"x-identity-header": secret})

    answer = on_stack(story)
    assert answer.status == 401
    assert (body(answer).get("statusCode") or body(answer)["StatusCode"]) == 401
    assert "secret" in str(body(answer))


def test_each_version_has_its_own_header_and_each_machine_its_own_secret() -> None:
    """The header of the other version, or the secret of another machine, opens nothing."""

    async def story(stack: Stack) -> list[int]:
        own, other = secret_of(stack, KIND), secret_of(stack, KIND, "web-2")
        crossed = await ask(stack, KIND, headers={"x-identity-header": "", "secret": own})
        foreign = await ask(stack, KIND, headers={"x-identity-header": other})
        return [crossed.status, foreign.status, (await ask_2017(stack)).status]

    assert on_stack(story) == [401, 401, 200]


@pytest.mark.parametrize(
    "query",
    [
        {"api-version": ""},
        {"api-version": "2020-01-01"},
        {"resource": ""},
        {"clientid": "x"},
        {"resource_id": "x"},
        {"client_id": "a", "object_id": "b"},
        {"client_id": "a", "mi_res_id": "b"},
    ],
)
def test_an_unknown_or_doubled_parameter_is_400(query: dict[str, str]) -> None:
    """A version, a missing resource, a selector of another endpoint, two selectors."""
    answer = asked(KIND, query=query)
    assert (answer.status, body(answer)["statusCode"]) == (400, 400)
    assert body(answer)["message"]


@pytest.mark.parametrize(
    "query", [f"api-version={V2019}&resource={VAULT}&resource={VAULT}", f"api-version={V2019}&RESOURCE={VAULT}&resource=x"]
)
def test_a_parameter_given_twice_is_400(query: str) -> None:
    """Neither the first nor the last of two resources is meant."""
    assert on_stack(lambda stack: ask_raw(stack, KIND, query)).status == 400


def test_another_verb_is_405() -> None:
    """The endpoint takes GET only."""
    assert asked(KIND, method="POST").status == 405


def test_an_unknown_resource_is_a_vague_500() -> None:
    """The real service does not say what is wrong with a resource that there is not."""
    answer = asked(KIND, query={"resource": "https://nowhere.example"})
    assert (answer.status, body(answer)["message"]) == (500, UNEXPECTED)


@pytest.mark.parametrize(("version", "code"), [(V2019, ""), (V2017, "service_unavailable")])
def test_an_outage_has_a_body_in_either_version(version: str, code: str) -> None:
    """2019: the vague text; 2017: a 503 with an empty ExceptionMessage."""

    async def story(stack: Stack) -> Response:
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("link", f"sydney.host->sydney.token.{zone}"), "f", LinkEffect("refuse"))
        return await (ask_2017(stack) if version == V2017 else ask(stack, KIND))

    answer = on_stack(story)
    assert answer.status == 503
    if version == V2017:
        assert body(answer) == {
            "ExceptionMessage": "",
            "ErrorCode": code,
            "ServiceErrorCodes": None,
            "StatusCode": 503,
            "Message": None,
            "CorrelationId": answer.headers["x-correlation-id"],
        }
    else:
        assert body(answer)["message"] == UNEXPECTED


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("epoch", r"\d{10}"),
        ("linux", r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d \+00:00"),
        ("windows", r"\d+/\d+/\d{4} \d+:\d\d:\d\d [AP]M \+00:00"),
    ],
)
def test_2017_tells_the_end_of_a_token_as_the_platform_did(form: str, pattern: str) -> None:
    """Epoch seconds, or the date text of each operating system."""

    async def story(stack: Stack) -> None:
        fields = body(await ask_2017(stack))
        assert re.fullmatch(pattern, str(fields["expires_on"])), fields
        assert set(fields) == {"access_token", "expires_on", "resource", "token_type"}

    on_stack(story, app_service_2017_expires_on=form)


def test_2017_knows_one_selector() -> None:
    """`clientid` picks an identity; the newer names are refused."""

    async def story(stack: Stack) -> None:
        wanted = client_id(stack, "second-id")
        assert claims(stack, await ask_2017(stack, SEVERAL, clientid=wanted))["appid"] == wanted
        refused = await ask_2017(stack, SEVERAL, client_id=wanted)
        assert (refused.status, body(refused)["ErrorCode"]) == (400, "bad_request")

    on_stack(story)


def test_the_platform_has_a_cache_of_its_own() -> None:
    """IMDS' token does not fill it, a second request is served from it, and 8 hours on it asks for another."""

    async def story(stack: Stack) -> list[str]:
        await stack.token(OWN)
        seen = [hops(await ask(stack, KIND))[0].cache, hops(await ask(stack, KIND))[0].cache]
        for hours in (7.9, 0.2):
            await stack.wait(hours * HOUR_S)
            seen.append(hops(await ask(stack, KIND))[0].cache)
        return seen

    assert on_stack(story, instance_cache=False) == ["miss", "hit", "hit", "miss"]


def test_an_outage_shows_late_and_dropped_caches_at_once() -> None:
    """While the cache serves, nothing fails; when its due token cannot be renewed it is served on; a cold app fails."""

    async def story(stack: Stack) -> list[int]:
        await ask(stack, KIND)
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("link", f"sydney.host->sydney.token.{zone}"), "f", LinkEffect("refuse"))
        seen = [(await ask(stack, KIND)).status]
        await stack.wait(9 * HOUR_S)
        seen.append((await ask(stack, KIND)).status)
        await stack.world.control("sydney.host", Request("POST", "/admin/drop-caches"))
        return [*seen, (await ask(stack, KIND)).status]

    assert on_stack(story) == [200, 200, 503]


def test_few_requests_at_once_are_taken() -> None:
    """With the setting, what is over the limit is 429 with a body; the next one is served."""

    async def story(stack: Stack) -> list[int]:
        answers: list[Response] = []

        async def one() -> None:
            answers.append(await ask(stack, KIND))

        await stack.world.hold(DOWN, "f", LinkEffect("slow", latency_ms=300))
        for _ in range(5):
            stack.world.kernel.spawn(one())
        await stack.wait(3)
        await one()
        assert all(body(answer).get("statusCode") == 429 for answer in answers if answer.status == 429)
        return [answer.status for answer in answers]

    assert on_stack(story, app_service_requests_at_once=2) == [429] * 3 + [200] * 3


@pytest.mark.parametrize("path", ["/msi/token", "/msi/token/"])
def test_the_default_machine_is_meant_without_one(path: str) -> None:
    """As at IMDS, a client that knows only a host is on the region's default machine."""
    assert asked(KIND, path=path).status == 200


def test_machines_may_be_called_like_an_endpoint() -> None:
    """A machine `msi` has its own pages, IMDS among them, and the default machine keeps the bare path."""

    async def story(stack: Stack) -> list[int]:
        system: dict[str, Any] = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}
        assert (await stack.arm("PUT", stack.machine_path("msi"), system)).status == 201
        own = await ask(stack, KIND, "msi")
        imds = await ask(stack, "imds", path=f"/msi/{TOKEN_PATH}")
        return [own.status, imds.status, (await ask(stack, KIND, path="/msi/token")).status]

    assert on_stack(story) == [200] * 3

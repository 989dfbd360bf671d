"""IMDS answers as the real one does, word for word where its words are known (docs/reference/azure-wire.md#imds)."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.azure.hosts.endpoint import Asked
from brownout.identity.azure.hosts.imds import Imds, token_fields
from brownout.identity.azure.hosts.request import SERVER
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken
from support.identity_stacks import EPOCH_S, HOUR_S, QUIET_S, TOKEN_PATH, VAULT, Stack, body, hops, on_stack

SEVERAL_2024 = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"
)


def ask(machine: str, *, settings: dict[str, Any] | None = None, **query: str) -> Response:
    return on_stack(lambda stack: stack.imds(machine, **query), **(settings or {}))


def test_a_token_answer_has_every_field_and_all_of_them_are_strings() -> None:
    """Success is 200 with the eight documented fields, every value a string."""
    answer = ask("web-1")
    lives = {"expires_in", "expires_on", "ext_expires_in", "not_before"}
    expected = {"access_token", "client_id", "resource", "token_type"} | lives
    assert answer.status == 200
    assert set(body(answer)) == expected
    assert all(isinstance(value, str) for value in body(answer).values())
    assert body(answer)["token_type"] == "Bearer"
    assert answer.headers["server"] == SERVER


def test_a_fresh_token_lives_for_24_hours() -> None:
    """Lifetime is 24 h: `expires_in` 86399 or just under, `expires_on` that many seconds from now, `not_before` past."""
    answer = body(ask("web-1"))
    assert 86397 <= int(answer["expires_in"]) <= 86399
    assert abs(int(answer["expires_on"]) - (EPOCH_S + 86399)) < 3
    assert int(answer["not_before"]) < EPOCH_S
    assert answer["ext_expires_in"] == answer["expires_in"]


def test_the_same_token_comes_from_the_cache_with_falling_expires_in() -> None:
    """IMDS caches: the same token comes back with `expires_in` falling and `expires_on` unchanged."""

    async def story(stack: Stack) -> tuple[Response, Response]:
        first = await stack.imds("web-1")
        await stack.wait(1000)
        return first, await stack.imds("web-1")

    first, second = on_stack(story)
    assert body(second)["access_token"] == body(first)["access_token"]
    assert int(body(first)["expires_in"]) - int(body(second)["expires_in"]) in (1000, 1001)
    assert body(second)["expires_on"] == body(first)["expires_on"]
    assert (hops(first)[0].cache, hops(second)[0].cache) == ("miss", "hit")


def test_an_answer_that_follows_another_one_with_the_same_token_is_made_as_the_first() -> None:
    """Of an answer only the seconds left change; the fields and their order are those of an answer made anew."""

    async def story(stack: Stack) -> None:
        node = stack.node("sydney.host")
        assert isinstance(node, Host)
        machine = node.machine("single")
        assert machine is not None
        imds, request = Imds(node), Request("GET", f"/single/{TOKEN_PATH}")
        asked = Asked(machine.identities[0], VAULT, {"object_id": machine.identities[0].object_id})
        token = CachedToken("a.b.c", "client", EPOCH_S, EPOCH_S + HOUR_S)
        for passed_s in (0.0, 0.4, 1.5, 1000.0, HOUR_S):
            answer = imds.answer(request, asked, token, EPOCH_S + passed_s)
            assert answer.payload == Response(200, token_fields(asked, token, EPOCH_S + passed_s)).payload

    on_stack(story)


def test_the_cache_is_kept_by_identity_and_resource() -> None:
    """Another resource gets another token, and the first one's is still there afterwards."""

    async def story(stack: Stack) -> list[str]:
        resources = (VAULT, "https://management.azure.com", VAULT)
        return [await stack.token("web-1", resource=resource) for resource in resources]

    first, other, again = on_stack(story)
    assert first != other
    assert again == first


@pytest.mark.parametrize("resource", [VAULT, VAULT + "/", "https://storage.azure.com/", "https://x1.blob.core.windows.net"])
def test_the_resource_is_echoed_as_it_was_asked_for(resource: str) -> None:
    """`resource` echoes the query value, slash and all."""
    assert body(ask("web-1", resource=resource))["resource"] == resource


def test_a_resource_can_be_made_known() -> None:
    """A resource of the setting `extra_resources` is known to the tenant."""
    assert ask("web-1", resource="https://api.example", settings={"extra_resources": ["https://api.example"]}).status == 200


ERRORS: tuple[tuple[str, dict[str, str], int, str, str], ...] = (
    ("web-1", {"api_version": ""}, 400, "invalid_request", "Required query variable 'api-version' is missing"),
    ("web-1", {"resource": ""}, 400, "invalid_request", "Required query variable 'resource' is missing"),
    ("web-1", {"resource": "https://nowhere.example"}, 400, "invalid_resource", "AADSTS50001"),
    ("web-1", {"client_id": "00000000-0000-4000-8000-000000000000"}, 400, "invalid_request", "Identity not found"),
    ("web-1", {"object_id": "00000000-0000-4000-8000-000000000000"}, 400, "invalid_request", "Identity not found"),
    ("web-1", {"msi_res_id": "/subscriptions/x/none"}, 400, "invalid_request", "Identity not found"),
    ("bare", {}, 400, "invalid_request", "Identity not found"),
    ("several", {}, 400, "invalid_request", SEVERAL_2024),
    ("web-1", {"client_id": "a", "object_id": "b"}, 400, "invalid_request", "only one of"),
    ("web-1", {"client_id": "a", "msi_res_id": "b"}, 400, "invalid_request", "only one of"),
    ("web-1", {"object_id": "a", "msi_res_id": "b"}, 400, "invalid_request", "only one of"),
)


@pytest.mark.parametrize(("machine", "query", "status", "code", "words"), ERRORS)
def test_each_wrong_request_has_its_own_refusal(
    machine: str, query: dict[str, str], status: int, code: str, words: str
) -> None:
    """Every row of the error table that a request can bring about (docs/reference/azure-wire.md#imds-errors)."""
    answer = ask(machine, **query)
    assert answer.status == status
    assert set(body(answer)) == {"error", "error_description"}
    assert body(answer)["error"] == code
    assert words in body(answer)["error_description"]


@pytest.mark.parametrize("headers", [{}, {"metadata": "false"}, {"metadata": ""}, {"metadata": "1"}])
@pytest.mark.parametrize("path", [TOKEN_PATH, "metadata/instance", "metadata/identity/info"])
def test_no_or_a_wrong_metadata_header_is_refused_at_once(headers: dict[str, str], path: str) -> None:
    """`bad_request_102` without `Metadata: true`; DefaultAzureCredential's probe relies on it."""

    async def story(stack: Stack) -> tuple[Response, float]:
        began_s = stack.world.now()
        query = {"api-version": "2018-02-01", "resource": VAULT}
        answer = await stack.world.client("sydney.host", Request("GET", f"/web-1/{path}", query, headers), timeout_s=5)
        return answer, stack.world.now() - began_s

    answer, took_s = on_stack(story)
    assert answer.status == 400
    assert body(answer) == {"error": "bad_request_102", "error_description": "Required metadata header not specified"}
    assert took_s < 0.1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_wrong_verb_is_405(method: str) -> None:
    """405 for another verb than GET (docs/reference/azure-wire.md#imds-errors)."""

    async def story(stack: Stack) -> Response:
        return await stack.imds("web-1", method=method)

    assert on_stack(story).status == 405


@pytest.mark.parametrize("path", ["identity/getplatformmetadata", "identity/issuecredential", "x"])
def test_paths_that_only_newer_clients_try_are_404(path: str) -> None:
    """Newer MSALs probe certificate-bound paths and fall back on 404."""

    async def story(stack: Stack) -> Response:
        query = {"cred-api-version": "2.0", "api-version": "2021-02-01"}
        request = Request("GET", f"/web-1/metadata/{path}", query, {"metadata": "true"})
        return await stack.world.client("sydney.host", request, timeout_s=5)

    assert on_stack(story).status == 404


def test_the_words_for_several_identities_follow_the_year() -> None:
    """Claim D3: in 2020 several identities and no selector said "Identity not found", in 2024 it names the way out."""
    old = body(ask("several", settings={"ambiguous_text": "2020"}))
    new = body(ask("several", settings={"ambiguous_text": "2024"}))
    assert old["error_description"] == "Identity not found"
    assert new["error_description"] == SEVERAL_2024


def test_without_a_selector_the_only_identity_is_used() -> None:
    """No selector: the system-assigned identity, else the single user-assigned one
    (docs/reference/azure-wire.md#imds-identity-selection)."""

    async def story(stack: Stack) -> tuple[str, str]:
        system, single = await stack.imds("web-1"), await stack.imds("single")
        return str(body(system)["client_id"]), str(body(single)["client_id"])

    async def expected(stack: Stack) -> tuple[str, str]:
        spec = stack.world.spec
        return spec.identity("web-1-system").client_id, spec.identity("only-id").client_id

    assert on_stack(story) == on_stack(expected)


@pytest.mark.parametrize(
    ("selector", "attribute", "echoed"),
    [("client_id", "client_id", False), ("object_id", "object_id", True), ("msi_res_id", "resource_id", True)],
)
@pytest.mark.parametrize("spelling", [str, str.upper])
def test_each_selector_picks_its_identity(selector: str, attribute: str, echoed: bool, spelling: Any) -> None:
    """The three selectors name an identity without regard to case; object and resource id are echoed as sent."""

    async def story(stack: Stack) -> None:
        wanted = stack.world.spec.identity("second-id")
        value = spelling(getattr(wanted, attribute))
        answer = body(await stack.imds("several", **{selector: value}))
        assert answer["client_id"] == wanted.client_id
        assert (selector in answer) or not echoed
        if echoed:
            assert answer[selector] == value

    on_stack(story)


NOBODY = ("nobody", "web-4", "scaleout", "scaleout_", "scaleout_x", "scaleout_²", "scaleout_" + "9" * 5000)


@pytest.mark.parametrize("name", NOBODY)
def test_an_unknown_machine_is_404(name: str) -> None:
    """A machine that does not exist has no IMDS; digits that are none make no scale-set instance."""
    answer = ask(name)
    assert answer.status == 404
    assert body(answer)["error"]["code"] == "MachineNotFound"


def test_a_machine_of_another_region_is_not_here() -> None:
    """A host knows its own region's machines only."""
    assert ask("south-1").status == 404


def test_any_number_of_scale_set_instances_exist_cold() -> None:
    """An instance `set_<digits>` exists from its first request on and starts without a token."""

    async def story(stack: Stack) -> list[str]:
        answers = [await stack.imds(f"scaleout_{number}") for number in (0, 1, 7, 12345)]
        assert {answer.status for answer in answers} == {200}
        return [hops(answer)[0].cache for answer in answers]

    assert on_stack(story) == ["miss"] * 4


def test_instances_of_a_scale_set_share_its_identity_and_not_its_tokens() -> None:
    """Each instance has its own cached token for the one identity of the set."""

    async def story(stack: Stack) -> tuple[Response, Response]:
        return await stack.imds("scaleout_1"), await stack.imds("scaleout_2")

    one, two = on_stack(story)
    assert body(one)["client_id"] == body(two)["client_id"]
    assert body(one)["access_token"] != body(two)["access_token"]


def test_instance_data_names_region_zone_and_machine() -> None:
    """`/metadata/instance` says where the machine is, in the vendor's names."""

    async def story(stack: Stack) -> tuple[Response, Response, Response]:
        async def ask(path: str) -> Response:
            request = Request("GET", f"/web-2/metadata/{path}", {"api-version": "2021-02-01"}, {"metadata": "true"})
            return await stack.world.client("sydney.host", request, timeout_s=5)

        return await ask("instance"), await ask("instance/compute"), await ask("identity/info")

    whole, compute, info = on_stack(story)
    assert body(whole)["compute"] == body(compute)
    assert (body(compute)["location"], body(compute)["zone"], body(compute)["name"]) == ("australiaeast", "2", "web-2")
    assert set(body(info)) == {"tenantId"}


def test_the_endpoint_is_refreshed_at_half_life_and_not_before() -> None:
    """The host asks for a new token after half of its life (a setting) and serves the old one until then."""

    async def story(stack: Stack) -> list[bool]:
        first = await stack.token("web-1")
        seen = []
        for hour in (11, 13):
            await stack.wait(EPOCH_S + hour * HOUR_S - stack.world.now())
            seen.append(await stack.token("web-1") == first)
        return seen

    assert on_stack(story, publish_interval_s=QUIET_S) == [True, False]

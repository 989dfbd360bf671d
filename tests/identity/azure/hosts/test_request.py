"""What IMDS honours and what it refuses: a selector, a parameter or a header is never passed over in silence."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.azure.hosts.request import IDENTITY_VERSIONS, INSTANCE_VERSIONS
from brownout.identity.core.messages import Request, Response
from support.identity_stacks import HOUR_S, TOKEN_PATH, VAULT, Stack, body, hops, on_stack

GOOD = f"api-version=2018-02-01&resource={VAULT}"
SYSTEM_TOO = "SystemAssigned, UserAssigned"


async def ask_raw(stack: Stack, query: str, *headers: tuple[bytes, bytes], path: str = f"/web-1/{TOKEN_PATH}") -> Response:
    """A request as it stands on the wire, with `Metadata: true`."""
    request = Request.raw("GET", f"{path}?{query}", ((b"metadata", b"true"), *headers))
    return await stack.world.client("sydney.host", request, timeout_s=5)


def answered(query: str, *headers: tuple[bytes, bytes]) -> Response:
    return on_stack(lambda stack: ask_raw(stack, query, *headers))


@pytest.mark.parametrize("selector", ["msi_res_id", "mi_res_id", "MSI_RES_ID", "Mi_Res_Id"])
@pytest.mark.parametrize("spelling", [str, str.upper])
def test_a_resource_id_selects_its_identity_beside_a_system_assigned_one(selector: str, spelling: type[str]) -> None:
    """Both spellings of the parameter mean the identity named, in any case, and never the machine's own."""

    async def story(stack: Stack) -> None:
        wanted = stack.world.spec.identity("only-id")
        block = {"type": SYSTEM_TOO, "userAssignedIdentities": {wanted.resource_id: {}}}
        assert (await stack.arm("PATCH", stack.machine_path("web-1"), {"identity": block})).ok
        answer = await ask_raw(stack, f"{GOOD}&{selector}={spelling(wanted.resource_id)}")
        assert body(answer)["client_id"] == wanted.client_id

    on_stack(story)


@pytest.mark.parametrize("selector", ["resource_id", "principal_id", "clientid", "Principal_ID", "objectid"])
def test_a_selector_of_another_endpoint_is_refused(selector: str) -> None:
    """A client that spells its selector in another endpoint's way is told so, and gets no token of another identity."""
    answer = answered(f"{GOOD}&{selector}=x")
    assert answer.status == 400
    assert selector.lower() in body(answer)["error_description"]


@pytest.mark.parametrize(
    "query",
    [
        f"{GOOD}&client_id=",
        f"{GOOD}&mi_res_id=&x=1",
        f"{GOOD}&client_id=a&object_id=b",
        f"{GOOD}&msi_res_id=a&mi_res_id=a",
        f"{GOOD}&resource=https://graph.microsoft.com",
        f"{GOOD}&resource={VAULT}",
        f"{GOOD}&Resource={VAULT}",
        f"{GOOD}&api-version=2018-02-01",
        f"api-version=banana&resource={VAULT}",
        f"api-version=2017-07-01&resource={VAULT}",
        f"api-version=2017-12-01&resource={VAULT}",
        f"resource={VAULT}",
        "api-version=2018-02-01",
    ],
)
def test_an_ambiguous_or_unknown_query_is_refused(query: str) -> None:
    """An empty selector, two of them, a doubled parameter and a version that there is not: each is 400."""
    answer = answered(query)
    assert (answer.status, body(answer)["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("version", sorted(IDENTITY_VERSIONS))
def test_each_documented_version_is_taken(version: str) -> None:
    """Every version since tokens came to IMDS serves them."""
    assert answered(f"api-version={version}&resource={VAULT}").status == 200


@pytest.mark.parametrize("header", [b"x-forwarded-for", b"X-Forwarded-For"])
@pytest.mark.parametrize("page", [TOKEN_PATH, "metadata/instance", "metadata/identity/info"])
def test_a_forwarded_request_is_refused(header: bytes, page: str) -> None:
    """IMDS is not behind a proxy: whoever forwards requests to it could be tricked into fetching a token."""

    async def story(stack: Stack) -> int:
        return (await ask_raw(stack, GOOD, (header, b"10.0.0.9"), path=f"/web-1/{page}")).status

    assert on_stack(story) == 400


def test_bypass_cache_asks_a_token_node() -> None:
    """With `bypass_cache=true` the host's cache does not answer, whatever it has."""

    async def story(stack: Stack) -> list[str]:
        queries = (GOOD, GOOD, f"{GOOD}&bypass_cache=true", f"{GOOD}&bypass_cache=false")
        return [hops(await ask_raw(stack, query))[0].cache for query in queries]

    assert on_stack(story) == ["miss", "hit", "miss", "hit"]


def test_bypass_cache_passes_the_token_nodes_cache_by_too() -> None:
    """No internal cache may answer, says the API specification: the token is new, and is what caches have from then on."""

    async def story(stack: Stack) -> list[Any]:
        cached, fresh, after = [await ask_raw(stack, query) for query in (GOOD, f"{GOOD}&bypass_cache=true", GOOD)]
        tokens = [str(body(answer)["access_token"]) for answer in (cached, fresh, after)]
        return [[hop.cache for hop in hops(fresh)][:2], tokens[0] != tokens[1], tokens[1] == tokens[2]]

    assert on_stack(story) == [["miss", "miss"], True, True]


def test_a_deleted_identity_gets_no_token_with_bypass_cache() -> None:
    """Caches serve it on until they ask again; who passes them by is told at once that there is no such identity."""

    async def story(stack: Stack) -> list[int]:
        found = [(await stack.imds("single")).status]
        await stack.arm("DELETE", stack.identity_path("only-id"))
        await stack.hold("sydney.host", "f", "cold-start")
        return [*found, *[(await stack.imds("single", bypass_cache=bypass)).status for bypass in ("", "true")]]

    assert on_stack(story) == [200, 200, 400]


def test_a_failure_is_not_hidden_from_who_passes_the_caches_by() -> None:
    """While the store refuses, a due token is served on, and one that must be new is not had."""

    async def story(stack: Stack) -> list[int]:
        await stack.imds("web-1")
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        await stack.wait(13 * HOUR_S)
        return [(await stack.imds("web-1", bypass_cache=bypass)).status for bypass in ("", "true")]

    assert on_stack(story, publish_interval_s=HOUR_S) == [200, 500]


def test_a_token_ends_when_its_answer_says() -> None:
    """`exp` of the token is `expires_on` of the answer, also for lifetimes and moments with a fraction."""

    async def story(stack: Stack) -> list[int]:
        found = []
        for wait_s in (0.0, 0.7, HOUR_S + 0.3):
            await stack.wait(wait_s)
            answer = body(await ask_raw(stack, f"{GOOD}&bypass_cache=true"))
            vault: Any = stack.node("sydney.vault")
            claims = stack.world.signer.verify(str(answer["access_token"]), vault.replica.snapshot.key_set)
            found.append(int(claims["exp"]) - int(answer["expires_on"]))
        return found

    assert on_stack(story, token_lifetime_s=5000.5) == [0, 0, 0]


@pytest.mark.parametrize(
    ("settings", "statuses"),
    [
        ({}, [200] * 25),
        ({"imds_requests_per_s": 20}, [200] * 20 + [429] * 5),
        ({"imds_requests_at_once": 5}, [200] * 25),
    ],
)
def test_the_limit_of_a_second_holds_for_each_machine(settings: dict[str, float], statuses: list[int]) -> None:
    """With the setting, the 21st request of a second is 429; another machine and the next second are not concerned."""

    async def story(stack: Stack) -> list[int]:
        found = [(await ask_raw(stack, GOOD)).status for _ in range(25)]
        assert (await stack.imds("web-2")).status == 200
        await stack.wait(1.5)
        assert (await stack.imds("web-1")).status == 200
        return found

    assert on_stack(story, **settings) == statuses


def test_instance_data_of_a_scale_sets_machine_names_its_set() -> None:
    """Group, scale set, resource id and a vmId of its own, which stays the same."""

    async def story(stack: Stack) -> list[dict[str, str]]:
        pages = [f"/scaleout_{n}/metadata/instance/compute" for n in (1, 2, 1)]
        return [dict(body(await ask_raw(stack, "api-version=2021-05-01", path=page))) for page in pages]

    one, two, again = on_stack(story)
    assert (one["resourceGroupName"], one["vmScaleSetName"]) == ("load", "scaleout")
    assert one["resourceId"].endswith("/virtualMachineScaleSets/scaleout/virtualMachines/1")
    assert one["vmId"] != two["vmId"]
    assert again == one


def test_a_single_value_comes_as_text() -> None:
    """MSAL's region discovery asks for one value with `format=text`; without that it is 400 as documented."""

    async def story(stack: Stack) -> tuple[Response, Response]:
        path = "/web-1/metadata/instance/compute/location"
        return (
            await ask_raw(stack, "api-version=2021-01-01&format=text", path=path),
            await ask_raw(stack, "api-version=2021-01-01", path=path),
        )

    text, json = on_stack(story)
    assert (text.status, text.payload, text.media_type) == (200, b"australiaeast", "text/plain")
    assert json.status == 400


@pytest.mark.parametrize(("query", "words"), [("", "not specified"), ("api-version=banana", "invalid")])
def test_instance_data_needs_a_version_and_the_refusal_lists_the_newest(query: str, words: str) -> None:
    """400 with the documented words and the three newest versions."""

    async def story(stack: Stack) -> Response:
        return await ask_raw(stack, query, path="/web-1/metadata/instance")

    answer = on_stack(story)
    assert answer.status == 400
    assert words in body(answer)["error"]
    assert body(answer)["newest-versions"] == list(INSTANCE_VERSIONS[-1:-4:-1])

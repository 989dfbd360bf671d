"""The VM extension: its requests, its room for 32 identities, the keys that it leaves on the machine, and its end."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from brownout.identity.azure.hosts.annex import EXTENSION_FILE
from brownout.identity.azure.hosts.vm_extension import MOST_IDENTITIES
from brownout.identity.core.messages import FORM_TYPE, Request, Response
from support.azure_endpoints import NONE, ONE, OWN, SEVERAL, VAULT, ask, ask_raw, asked, client_id
from support.identity_stacks import Stack, body, on_stack

KIND = "vm-extension"
MANY = {f"id-{number:02}": 0 for number in range(MOST_IDENTITIES + 2)}
CROWDED = {"web": {"region": "sydney", "count": 1}, "crowded": {"region": "sydney", "identities": list(MANY)}}


async def post(stack: Stack, fields: list[tuple[str, str]], machine: str = OWN, *, metadata: str = "true") -> Response:
    """A request as the older documentation writes it: a form."""
    lines = ((b"metadata", metadata.encode()), (b"content-type", FORM_TYPE.encode()))
    request = Request.raw("POST", f"/{machine}/oauth2/token", lines, urlencode(fields).encode())
    return await stack.world.client("sydney.host", request, timeout_s=5)


async def files(stack: Stack, machine: str) -> dict[str, str]:
    answer = await stack.world.control("sydney.host", Request("GET", "/admin/azure/files", {"machine": machine}))
    found: dict[str, str] = dict(body(answer)["files"])
    return found


def test_get_and_post_give_the_same_token() -> None:
    """A query or a form, no version; the answer is IMDS' with an empty refresh token."""

    async def story(stack: Stack) -> None:
        got, posted = await ask(stack, KIND), await post(stack, [("resource", VAULT)])
        assert (got.status, posted.status) == (200, 200)
        assert body(got) == body(posted)
        assert body(got)["refresh_token"] == ""
        assert {type(value) for value in body(got).values()} == {str}

    on_stack(story)


@pytest.mark.parametrize(("machine", "status"), [(OWN, 200), (ONE, 200), (SEVERAL, 400), (NONE, 400)])
def test_the_default_identity_is_that_of_imds(machine: str, status: int) -> None:
    """The machine's own, else the only one; else 400."""
    answer = asked(KIND, machine)
    assert answer.status == status
    assert status == 200 or body(answer)["error"] == "invalid_request"


@pytest.mark.parametrize("selector", ["client_id", "object_id", "msi_res_id"])
def test_each_selector_picks_its_identity(selector: str) -> None:
    """By either verb."""

    async def story(stack: Stack) -> None:
        wanted = stack.world.spec.identity("second-id")
        value = getattr(wanted, {"msi_res_id": "resource_id"}.get(selector, selector))
        got = await ask(stack, KIND, SEVERAL, query={selector: value})
        posted = await post(stack, [("resource", VAULT), (selector, value)], SEVERAL)
        assert [body(answer)["client_id"] for answer in (got, posted)] == [wanted.client_id] * 2

    on_stack(story)


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"headers": {"metadata": ""}}, 400, "bad_request_102"),
        ({"headers": {"metadata": "yes"}}, 400, "bad_request_102"),
        ({"query": {"resource": ""}}, 400, "invalid_request"),
        ({"query": {"resource": "https://nowhere.example"}}, 400, "invalid_resource"),
        ({"query": {"client_id": "x"}}, 400, "invalid_request"),
        ({"query": {"client_id": "x", "object_id": "y"}}, 400, "invalid_request"),
        ({"method": "PUT"}, 405, "method_not_allowed"),
        ({"path": f"/{OWN}/oauth2/authorize"}, 401, "unknown_source"),
    ],
)
def test_each_error_of_the_extension(changed: dict[str, Any], status: int, error: str) -> None:
    """The rows of docs/reference/azure-wire.md#vm-extension."""
    answer = asked(KIND, **changed)
    assert (answer.status, body(answer)["error"]) == (status, error)


def test_a_parameter_given_twice_is_refused() -> None:
    """In a query and in a form."""

    async def story(stack: Stack) -> list[int]:
        got = await ask_raw(stack, KIND, f"resource={VAULT}&resource=x")
        return [got.status, (await post(stack, [("resource", VAULT), ("Resource", "x")])).status]

    assert on_stack(story) == [400, 400]


def test_the_extension_has_room_for_32_identities_and_imds_for_more() -> None:
    """The 32nd gets a token at both, the 33rd at IMDS alone."""

    async def story(stack: Stack) -> list[int]:
        found = []
        for name in ("id-31", "id-32"):
            for kind in (KIND, "imds"):
                answer = await ask(stack, kind, "crowded", query={"client_id": client_id(stack, name)})
                found.append(answer.status)
        return found

    assert on_stack(story, machines=CROWDED) == [200, 200, 400, 200]


@pytest.mark.parametrize(("build", "status", "has_keys"), [("0.9", 200, True), ("1.0", 200, True), ("2.0", 404, False)])
def test_a_later_build_has_no_extension_and_no_keys_on_the_machine(build: str, status: int, has_keys: bool) -> None:
    """It answers as a thing that has ended, and among the files of the machine there is no credential of an identity."""

    async def story(stack: Stack) -> None:
        assert (await ask(stack, KIND)).status == status
        assert (await ask(stack, "imds")).status == 200
        shown = await files(stack, OWN)
        assert (EXTENSION_FILE in shown) == has_keys
        assert ("client_secret" in str(shown)) == has_keys

    on_stack(story, builds={"sydney": build})


async def exchange(stack: Stack, keys: dict[str, str], *, region: str = "melbourne", **changed: str) -> Response:
    """A request for a token to Entra, from anywhere, with what lay on a machine."""
    fields = {"grant_type": "client_credentials", "client_id": keys["client_id"], "client_secret": keys["client_secret"]}
    form = urlencode(fields | {"scope": f"{VAULT}/.default"} | changed).encode()
    path = f"/{keys['tenant_id']}/oauth2/v2.0/token"
    request = Request.raw("POST", path, ((b"content-type", FORM_TYPE.encode()),), form)
    return await stack.world.client(f"{region}.token.z1", request, timeout_s=5)


@pytest.mark.parametrize("machine", [OWN, ONE])
def test_keys_that_leak_from_the_machine_are_the_identity_anywhere(machine: str) -> None:
    """Claim of sources 001 and 004: who reads the file gets tokens elsewhere."""

    async def story(stack: Stack) -> None:
        (keys,) = json.loads((await files(stack, machine))[EXTENSION_FILE])["identities"]
        answer = await exchange(stack, keys)
        assert answer.status == 200, answer
        assert (await stack.secret(str(body(answer)["access_token"]), region="melbourne")).status == 200
        wrong = await exchange(stack, keys, client_secret="wrong")
        assert wrong.status in (400, 401)

    on_stack(story)


def test_where_the_extension_has_ended_the_same_secret_opens_nothing() -> None:
    """A leaked credential is worth nothing to Entra's nodes of a build without the extension."""

    async def story(stack: Stack) -> list[int]:
        (keys,) = json.loads((await files(stack, OWN))[EXTENSION_FILE])["identities"]
        return [(await exchange(stack, keys, region=region)).status for region in ("sydney", "melbourne")]

    old, new = on_stack(story, builds={"melbourne": "2.0"})
    assert old == 200
    assert new in (400, 401)

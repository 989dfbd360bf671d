"""A stack on sockets answers clients as the simulated one does: paths, selectors, refusals, signatures, both front ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import jwt
import pytest

from brownout.identity.core.messages import Request, Response
from support.client_requests import arm_version, user_token
from support.server_stacks import Stack

pytestmark = pytest.mark.slow

TOKEN = "/metadata/identity/oauth2/token"
GOOD = "api-version=2018-02-01&resource=https://vault.azure.net"
META = (b"metadata", b"true")


def ask(stack: Stack, path: str, query: str = GOOD, *lines: tuple[bytes, bytes], node: str = "sydney.host") -> Response:
    answer = stack.run(stack.world.client(node, Request.raw("GET", f"{path}?{query}", lines or (META,)), timeout_s=5))
    assert isinstance(answer, Response)
    return answer


def arm(stack: Stack, method: str, path: str, content: Mapping[str, Any] | None = None, *, region: str = "sydney") -> Response:
    async def call() -> Response:
        headers = {"authorization": f"Bearer {await user_token(stack.world)}"}
        return await stack.world.client(
            f"{region}.management", Request(method, path, arm_version(path), headers, content), timeout_s=5
        )

    answer = stack.run(call())
    assert isinstance(answer, Response)
    return answer


def machine_path(stack: Stack, name: str, group: str = "load") -> str:
    start = f"/subscriptions/{stack.world.spec.subscription_id}/resourceGroups/{group}"
    return f"{start}/providers/Microsoft.Compute/virtualMachines/{name}"


@pytest.mark.parametrize("path", [f"/web-1{TOKEN}", f"/web-1{TOKEN}/", f"//web-1/{TOKEN}", TOKEN, f"/web-1@load{TOKEN}"])
def test_a_token_verifies_with_the_published_keys(stack: Stack, path: str) -> None:
    """However the machine is addressed, the token is RS256, a real library accepts it, and it ends when its answer says."""
    answer = ask(stack, path).body or {}
    keys = (ask(stack, f"/{stack.world.spec.tenant_id}/discovery/keys", "", node="sydney.token.z1").body or {})["keys"]
    by_id = {key["kid"]: key for key in keys}
    header = jwt.get_unverified_header(answer["access_token"])
    assert header["x5t"] == by_id[header["kid"]]["x5t"]
    key = jwt.PyJWK(by_id[header["kid"]])
    claims = jwt.decode(answer["access_token"], key, algorithms=["RS256"], audience="https://vault.azure.net")
    assert claims["exp"] == int(answer["expires_on"])


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        (GOOD, (META, (b"x-forwarded-for", b"10.0.0.9"))),
        (f"{GOOD}&resource=https://vault.azure.net", (META,)),
        ("api-version=banana&resource=https://vault.azure.net", (META,)),
        (f"{GOOD}&resource_id=/x", (META,)),
        (GOOD, ((b"x-unrelated", b"1"),)),
    ],
)
def test_what_imds_rules_out_is_refused(stack: Stack, query: str, lines: tuple[tuple[bytes, bytes], ...]) -> None:
    """A forwarded request, a doubled or unknown parameter, a selector of elsewhere, a missing header: 400."""
    assert ask(stack, f"/web-2{TOKEN}", query, *lines).status == 400


@pytest.mark.parametrize("apart", [False, True])
def test_metadata_in_a_trailer_does_not_count(stack: Stack, apart: bool) -> None:
    """Behind a chunked body it is no header, in one packet or in two, straight at the node's own port."""
    address = stack.world.endpoints().control["sydney.host"].removeprefix("http://").split(":")
    head = f"GET /web-3{TOKEN}?{GOOD} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    with socket.create_connection((address[0], int(address[1])), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = (head, b"0\r\nMetadata: true\r\n\r\n")
        for piece in pieces if apart else (b"".join(pieces),):
            connection.sendall(piece)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_machines_do_not_get_in_each_others_way(stack: Stack) -> None:
    """One called admin has its IMDS; one of a taken name in another group leaves the first alone, and goes without it."""
    system = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}
    assert arm(stack, "PUT", machine_path(stack, "admin"), system).status == 201
    assert ask(stack, f"/admin{TOKEN}").status == 200
    before = (ask(stack, f"/web-4{TOKEN}").body or {})["client_id"]
    group = machine_path(stack, "", "rg-other").partition("/providers")[0]
    assert arm(stack, "PUT", group, {"location": "australiaeast"}).status == 201
    assert arm(stack, "PUT", machine_path(stack, "web-4", "rg-other"), system, region="melbourne").status == 201
    other = (ask(stack, f"/web-4@rg-other{TOKEN}").body or {})["client_id"]
    assert arm(stack, "DELETE", machine_path(stack, "web-4", "rg-other")).ok
    assert (ask(stack, f"/web-4{TOKEN}").body or {})["client_id"] == before != other


def test_both_front_ends_say_the_same(stack: Stack) -> None:
    """A machine of each region, read through each."""
    for name in ("web-1", "south-1"):
        answers = [arm(stack, "GET", machine_path(stack, name), region=region) for region in ("sydney", "melbourne")]
        assert answers[0].body == answers[1].body
        assert answers[0].ok


def test_any_path_of_any_role_is_answered_in_json(stack: Stack) -> None:
    """Without a token each node says 401 or 404, and never 500."""

    async def every(path: str) -> list[Response]:
        world = stack.world
        request = Request("POST", path, {"a": "\r\n"}, {"authorization": "Bearer x"}, {"a": 1})
        urls = world.endpoints().control
        return await asyncio.gather(*(world.send(urls[node], request, 5) for node in world.spec.nodes()))

    for path in ("/x", "/", "//", "/admin/state", "/_brownout/admin/state", "/_brownout/x", "/a\r\nb", "/%"):
        for answer in stack.run(every(path)):
            assert answer.status in (401, 403, 404, 405), (path, answer)
            assert answer.body

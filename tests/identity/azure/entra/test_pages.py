"""Entra's public pages on a token node."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest

from brownout.identity.core.messages import Request
from support.identity_stacks import Stack, body, on_stack


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, unchecked."""
    head, content, _ = token.split(".")
    return tuple(json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, content))  # type: ignore[return-value]


@pytest.mark.parametrize("version", ["", "/v2.0"])
@pytest.mark.parametrize("zone", ["sydney.token.z1", "melbourne.token.z3"])
def test_discovery_leads_to_keys_that_verify_a_token(version: str, zone: str) -> None:
    """The document names its version's issuer and key set, and a key of that set verifies a token."""

    async def story(stack: Stack) -> Any:
        tenant = stack.world.spec.tenant_id
        path = f"/{tenant}{version}/.well-known/openid-configuration"
        document = body(await stack.world.client(zone, Request("GET", path), timeout_s=5))
        keys = body(await stack.world.client(zone, Request("GET", document["jwks_uri"]), timeout_s=5))["keys"]
        token = await stack.token("web-1")
        by_id = {key["kid"]: key for key in keys}
        assert parts_of(token)[0]["kid"] in by_id
        verified = stack.world.signer.verify(token, by_id)
        assert verified["iss"] == f"https://sts.windows.net/{tenant}/"
        assert document["issuer"] == (f"https://login.microsoftonline.com/{tenant}/v2.0" if version else verified["iss"])
        assert {key["issuer"] for key in keys} == {document["issuer"]}
        return document

    document = on_stack(story)
    keys = "/discovery/v2.0/keys" if version else "/discovery/keys"
    assert document["jwks_uri"].endswith(keys)


@pytest.mark.parametrize("path", ["/{}/discovery/keys/", "//{}//discovery/v2.0/keys", "/common/discovery/keys"])
def test_slashes_too_many_mean_the_same_keys(path: str) -> None:
    """The key set is found however its path is joined; keys of the simulation claim no certificate (`x5t`): they have none."""

    async def story(stack: Stack) -> Any:
        request = Request("GET", path.format(stack.world.spec.tenant_id))
        return body(await stack.world.client("sydney.token.z1", request, timeout_s=5))

    (key,) = on_stack(story)["keys"]
    assert key["use"] == "sig"
    assert "x5t" not in key


def test_a_token_node_has_nothing_else_for_clients() -> None:
    """Other paths are 404, and tokens are issued to hosts of the stack only."""

    async def story(stack: Stack) -> list[int]:
        requests = (Request("GET", "/x"), Request("POST", "/token", body={}), Request("PUT", "/snapshot", body={}))
        return [(await stack.world.client("sydney.token.z1", request, timeout_s=5)).status for request in requests]

    assert on_stack(story) == [404, 404, 404]


def page(path: str, **headers: str) -> Any:
    """The answer of a token node to a client."""

    async def story(stack: Stack) -> Any:
        request = Request.raw(
            "GET", path.format(stack.world.spec.tenant_id), [(k.encode(), v.encode()) for k, v in headers.items()]
        )
        answer = await stack.world.client("sydney.token.z1", request, timeout_s=5)
        return answer.status, body(answer), stack.world.spec.tenant_id

    return on_stack(story)


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"host": "login.microsoftonline.com"}, "https://login.microsoftonline.com"),
        ({"host": "australiaeast.login.microsoft.com"}, "https://australiaeast.login.microsoft.com"),
        ({"host": "127.0.0.1:8080"}, ""),
    ],
)
def test_discovery_leads_back_to_where_the_client_came_from(headers: dict[str, str], base: str) -> None:
    """By one of Entra's names or by TLS the document's URLs are those; else they are the node's own."""
    status, document, tenant = page("/{}/v2.0/.well-known/openid-configuration", **headers)
    assert status == 200
    assert document["token_endpoint"] == f"{base}/{tenant}/oauth2/v2.0/token"
    assert document["jwks_uri"] == f"{base}/{tenant}/discovery/v2.0/keys"


@pytest.mark.parametrize("tenant", ["common", "organizations"])
def test_where_no_tenant_is_named_the_issuer_is_a_pattern(tenant: str) -> None:
    """The document for any tenant leaves the tenant open."""
    _, document, _ = page(f"/{tenant}/v2.0/.well-known/openid-configuration", host="login.microsoftonline.com")
    assert document["issuer"] == "https://login.microsoftonline.com/{tenantid}/v2.0"
    assert document["token_endpoint"] == f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"


@pytest.mark.parametrize("path", ["/other/v2.0/.well-known/openid-configuration", "/other/discovery/keys"])
def test_another_tenant_is_unknown(path: str) -> None:
    """Pages of tenants that are not the stack's are refused in Entra's shape."""
    status, told, _ = page(path)
    assert (status, told["error_codes"]) == (400, [90002])


def test_instance_discovery_names_the_public_cloud() -> None:
    """A client that asks whether an authority is to be trusted gets its aliases and the tenant's document."""
    asked = "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.windows.net/{}/oauth2/authorize"
    status, told, tenant = page(asked)
    assert status == 200
    assert told["tenant_discovery_endpoint"].endswith(f"/{tenant}/v2.0/.well-known/openid-configuration")
    (cloud,) = told["metadata"]
    assert cloud["preferred_network"] == "login.microsoftonline.com"
    assert "login.windows.net" in cloud["aliases"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [("?authorization_endpoint=https://evil.example/x", 50049), ("?authorization_endpoint=https://[x", 50049), ("", 900144)],
)
def test_instance_discovery_refuses_what_is_no_authority(asked: str, code: int) -> None:
    """A host that is none of the cloud's is an invalid instance."""
    status, told, _ = page(f"/common/discovery/instance{asked}")
    assert (status, told["error_codes"]) == (400, [code])

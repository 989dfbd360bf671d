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
    """The document names issuer and key set, and a key of that set verifies a token."""

    async def story(stack: Stack) -> Any:
        tenant = stack.world.spec.tenant_id
        path = f"/{tenant}{version}/.well-known/openid-configuration"
        document = body(await stack.world.client(zone, Request("GET", path), timeout_s=5))
        keys = body(await stack.world.client(zone, Request("GET", document["jwks_uri"]), timeout_s=5))["keys"]
        token = await stack.token("web-1")
        by_id = {key["kid"]: key for key in keys}
        assert parts_of(token)[0]["kid"] in by_id
        verified = stack.world.signer.verify(token, by_id)
        assert verified["iss"] == document["issuer"]
        return document

    document = on_stack(story)
    keys = "/discovery/v2.0/keys" if version else "/discovery/keys"
    assert document["jwks_uri"].endswith(keys)


@pytest.mark.parametrize("path", ["/{}/discovery/keys/", "//{}//discovery/v2.0/keys", "/common/discovery/keys"])
def test_slashes_too_many_mean_the_same_keys(path: str) -> None:
    """The key set is found however its path is joined, and its keys claim no certificate (`x5t`) that they do not have."""

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

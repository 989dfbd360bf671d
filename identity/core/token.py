"""The token node: issues tokens for managed identities from its zone, and publishes the keys that verify them.

A miss of its cache reads the identity's metadata from the *home* region's store with the key that this node's build and
configuration know. When that fails and a cached token still has life, that token is served (`stale`).
"""

from __future__ import annotations

from typing import Any

from brownout.identity.core import claims
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Value, error
from brownout.identity.core.ports import Ports
from brownout.identity.core.reader import Reader
from brownout.identity.core.token_cache import CachedToken, TokenCache
from brownout.identity.core.topology import TOKEN, NodeSpec
from brownout.identity.core.trail import Hop, with_hop

NOT_FOUND = "Identity not found"


class TokenNode(Reader):
    """One zone's data plane."""

    role = TOKEN

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        fraction = self.settings.instance_refresh_fraction
        self.cache = TokenCache(refresh_fraction=fraction, margin_s=self.settings.expiry_margin_s)
        self._bootstrapped = False
        self._own_token_ends_s = 0.0

    async def start(self) -> None:
        await super().start()
        if self.settings.store_access == "managed-identity" and not self._bootstrapped:
            self._own_token_ends_s = self.ports.now() + self.settings.token_lifetime_s
            await self.ports.persist("bootstrap:", {"done": True})

    def take_up(self, kind: str, name: str, record: Value) -> None:
        super().take_up(kind, name, record)
        self._bootstrapped = self._bootstrapped or kind == "bootstrap"

    async def serve(self, request: Request) -> Response:
        if request.path == "/snapshot" and request.method in ("GET", "PUT") and self.is_internal(request):
            return await self.take_snapshot(request)
        if not self.ready:
            return with_hop(_unready(), self.hop())
        if request.path == "/token" and request.method == "POST" and self.is_internal(request):
            return await self._token(request.body or {})
        if request.method == "GET":
            return with_hop(self._published(request.path), self.hop())
        return with_hop(error(404, "NotFound", request.path), self.hop())

    async def _token(self, body: Any) -> Response:
        """A token for `object_id` of `home_region`, used from `machine` (the ARM id it is assigned to)."""
        key = (body["object_id"], body["host_machine"], body["resource"])
        freshness = self.cache.freshness(key, self.ports.now()) if self.settings.instance_cache else "none"
        cached = self.cache.get(key)
        if freshness == "fresh" and cached is not None and "issued_s" not in body:
            return with_hop(_as_response(cached), Hop(self.name, self.build, cache="hit"))
        response, hop, inner = await self._issue(key, body)
        if not response.ok and freshness == "due" and cached is not None and response.status >= 500:
            return with_hop(_as_response(cached), Hop(self.name, self.build, hop.key_id, hop.key_kind, "stale"), inner)
        return with_hop(response, Hop(self.name, self.build, hop.key_id, hop.key_kind, "miss"), inner)

    async def _issue(self, key: tuple[str, ...], body: Any) -> tuple[Response, Hop, str]:
        object_id, holder, resource = key
        if self.replica.is_deleted(object_id):
            return _not_found(), self.hop(), ""
        if self._locked_out():
            return _unavailable("the store wants a token of ours, which only the store lets us make"), self.hop(), ""
        found, hop, inner = await self.ask_store(body["home_region"], Request("GET", f"/identities/{object_id}"))
        if found.status == 404:
            return _not_found(), hop, inner
        if not found.ok or found.body is None:
            return _unavailable(str((found.body or {}).get("error", found.status))), hop, inner
        if body["machine"].lower() not in found.body["assigned"]:
            return _not_found(), hop, inner
        issued_s = float(body.get("issued_s", self.ports.now()))
        token = self._sign(found.body, body["machine"], holder, resource, issued_s)
        self.cache.put(key, token)
        self._own_token_ends_s = self.ports.now() + self.settings.token_lifetime_s
        return _as_response(token), hop, inner

    def _sign(self, identity: Any, machine: str, holder: str, resource: str, issued_s: float) -> CachedToken:
        made = claims.managed_identity_claims(
            tenant_id=self.stack.tenant_id,
            identity=identity,
            machine=machine,
            holder=holder,
            resource=resource,
            issued_s=issued_s,
            lifetime_s=self.settings.token_lifetime_s,
        )
        signing = self.replica.signing
        token = self.ports.signer.sign(signing["key_id"], signing["private"], made)
        return CachedToken(token, identity["client_id"], issued_s, issued_s + self.settings.token_lifetime_s)

    def _locked_out(self) -> bool:
        """True when store access goes through a managed identity and our own token is gone (claim C10).

        Only a token opens the store and only the store's metadata makes a token: after a full loss of caches nobody can
        start. That circle is why the real service keeps key-based access.
        """
        if self.settings.store_access != "managed-identity":
            return False
        return self.ports.now() >= self._own_token_ends_s

    def _published(self, path: str) -> Response:
        """Discovery documents and key sets, v1 and v2 (docs/reference/azure-wire.md#discovery-and-key-sets)."""
        tenant = self.stack.tenant_id
        base = self.stack.public_urls.get(self.name, "")
        if path.endswith("/.well-known/openid-configuration"):
            v2 = path.endswith("/v2.0/.well-known/openid-configuration")
            keys = f"{base}/{tenant}/discovery/v2.0/keys" if v2 else f"{base}/{tenant}/discovery/keys"
            document = {
                "issuer": claims.issuer(tenant),
                "jwks_uri": keys,
                "token_endpoint": f"{base}/{tenant}/oauth2/token",
                "response_types_supported": ["token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": [self.settings.token_alg],
            }
            return Response(200, document)
        if path.endswith(("/discovery/keys", "/discovery/v2.0/keys")):
            return Response(200, {"keys": list(self.replica.key_set.values())})
        return error(404, "NotFound", path)


def _as_response(token: CachedToken) -> Response:
    return Response(200, token.to_body())


def _not_found() -> Response:
    return Response(400, {"error": "invalid_request", "error_description": NOT_FOUND})


def _unready() -> Response:
    text = "the identity service has not loaded its configuration yet"
    return Response(503, {"error": "unknown", "error_description": text})


def _unavailable(why: str) -> Response:
    text = f"failed to retrieve token from the directory ({why})"
    return Response(500, {"error": "unknown", "error_description": text})

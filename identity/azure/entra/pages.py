"""Entra's public pages on a token node: discovery documents and key sets, versions 1 and 2, and instance discovery.

Wire facts: docs/reference/azure-wire.md#discovery-and-key-sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.identity.azure.base_url import base_url
from brownout.identity.azure.entra import aadsts
from brownout.identity.azure.entra.aadsts import EntraError
from brownout.identity.azure.entra.claims import issuer, issuer_v2
from brownout.identity.azure.entra.tenants import ALIASES, ANY_TENANT, LOGIN, is_entra, is_known, parts_of_url
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.token import UNREADY, TokenNode
from brownout.identity.core.surface import STATUS, Overloaded, Served

DISCOVERY = ("/.well-known/openid-configuration", "/v2.0/.well-known/openid-configuration")
KEYS = ("/discovery/keys", "/discovery/v2.0/keys")
INSTANCE = "/common/discovery/instance"
TENANT_IN_ISSUER = "{tenantid}"  # what version 2 names where the path does not say which tenant is meant


class EntraPages:
    """What clients may ask of a token node. It takes every request that no other surface took."""

    def __init__(self, node: TokenNode) -> None:
        self._node = node

    def takes(self, request: Request) -> bool:
        return True

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        return aadsts.refusal(aadsts.busy(refusal.status), self._node, request)

    async def serve(self, request: Request) -> Served:
        try:
            response = self._page(request)
        except EntraError as refused:
            response = aadsts.refusal(refused, self._node, request)
        return Served(response, self._node.hop())

    def _page(self, request: Request) -> Response:
        if not self._node.ready:
            return Response(STATUS[UNREADY.code], {"error": "unknown", "error_description": UNREADY.message})
        words = request.words
        path = "/" + "/".join(words)
        if request.method != "GET":
            return error(404, "NotFound", path)
        if path == INSTANCE:
            return self._instance(request)
        if path.endswith(KEYS):
            return self._keys(words)
        if path.endswith(DISCOVERY[0]):
            return self._discovery(request, words[0], v2=path.endswith(DISCOVERY[1]))
        return error(404, "NotFound", path)

    def _keys(self, words: list[str]) -> Response:
        tenant_id = self._node.stack.tenant_id
        if words[0] != "discovery" and not is_known(words[0], tenant_id):
            raise aadsts.unknown_tenant(words[0])
        v2 = "v2.0" in words
        named = issuer_v2(tenant_id) if v2 else issuer(tenant_id)
        keys = self._node.replica.snapshot.key_set.values()
        return Response(200, {"keys": [{**key, "issuer": named} for key in keys]})

    def _discovery(self, request: Request, tenant: str, *, v2: bool) -> Response:
        tenant_id, base = self._node.stack.tenant_id, base_url(self._node, request)
        if not is_known(tenant, tenant_id):
            raise aadsts.unknown_tenant(tenant)
        at = tenant.lower() if tenant.lower() in ANY_TENANT else tenant_id
        shown = TENANT_IN_ISSUER if at != tenant_id else tenant_id
        oauth = f"{base}/{at}/oauth2/v2.0" if v2 else f"{base}/{at}/oauth2"
        document: dict[str, Any] = {
            "issuer": issuer_v2(shown) if v2 else issuer(shown),
            "authorization_endpoint": f"{oauth}/authorize",
            "token_endpoint": f"{oauth}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "jwks_uri": f"{base}/{at}{KEYS[1] if v2 else KEYS[0]}",
            "response_types_supported": ["token"],
            "grant_types_supported": ["client_credentials"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": [self._node.settings.token_alg],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "tid", "ver"],
            "tenant_region_scope": None,
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }
        return Response(200, document)

    def _instance(self, request: Request) -> Response:
        """Whether an authority is one of the public cloud's, and what else it is called."""
        asked = request.query.get("authorization_endpoint", "")
        host = (parts_of_url(asked).hostname or "").lower()
        if not asked:
            raise aadsts.missing("authorization_endpoint")
        if not is_entra(host):
            text = "Unknown or invalid instance."
            raise EntraError(50049, "invalid_instance", text)
        tenant = next((word for word in parts_of_url(asked).path.split("/") if word), self._node.stack.tenant_id)
        metadata: Mapping[str, Any] = {
            "preferred_network": LOGIN,
            "preferred_cache": "login.windows.net",
            "aliases": list(ALIASES),
        }
        found = {
            "tenant_discovery_endpoint": f"https://{LOGIN}/{tenant}{DISCOVERY[1]}",
            "api-version": request.query.get("api-version", "1.1"),
            "metadata": [metadata],
        }
        return Response(200, found)

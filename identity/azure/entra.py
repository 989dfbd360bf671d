"""Entra's public pages on a token node: discovery documents and key sets, versions 1 and 2.

Wire facts: docs/reference/azure-wire.md#discovery-and-key-sets.
"""

from __future__ import annotations

from brownout.identity.azure import arm, entra_claims
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.token import UNREADY, TokenNode
from brownout.identity.core.surface import STATUS, Served


class EntraPages:
    """What clients may ask of a token node. It takes every request that no other surface took."""

    def __init__(self, node: TokenNode) -> None:
        self._node = node

    def takes(self, request: Request) -> bool:
        return True

    async def serve(self, request: Request) -> Served:
        return Served(self._page(request), self._node.hop())

    def _page(self, request: Request) -> Response:
        if not self._node.ready:
            return Response(STATUS[UNREADY.code], {"error": "unknown", "error_description": UNREADY.message})
        tenant, path = self._node.stack.tenant_id, "/" + "/".join(request.words)
        if request.method != "GET":
            return arm.error(404, "NotFound", path)
        if path.endswith(("/discovery/keys", "/discovery/v2.0/keys")):
            return Response(200, {"keys": list(self._node.replica.snapshot.key_set.values())})
        if not path.endswith("/.well-known/openid-configuration"):
            return arm.error(404, "NotFound", path)
        base = self._node.stack.public_urls.get(self._node.name, "")
        v2 = path.endswith("/v2.0/.well-known/openid-configuration")
        document = {
            "issuer": entra_claims.issuer(tenant),
            "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys" if v2 else f"{base}/{tenant}/discovery/keys",
            "token_endpoint": f"{base}/{tenant}/oauth2/token",
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": [self._node.settings.token_alg],
        }
        return Response(200, document)

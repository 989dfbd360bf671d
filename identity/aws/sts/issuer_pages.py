"""The account as an issuer of tokens: the key set and the discovery document that verifiers outside of AWS ask for.

Wire facts: docs/reference/aws-wire.md#assumeroot-and-getwebidentitytoken.
"""

from __future__ import annotations

from brownout.identity.aws.oidc_urls import outbound_issuer
from brownout.identity.aws.records.seed import account_of
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.surface import Served

KEYS_PATH, DISCOVERY_PATH = "/.well-known/jwks.json", "/.well-known/openid-configuration"


class IssuerPages:
    """The pages of the account's issuer on a token node. Discovery is found by the issuer's own host name only."""

    def __init__(self, node: TokenNode) -> None:
        self._node = node
        self._issuer = outbound_issuer(account_of(node.stack))

    def takes(self, request: Request) -> bool:
        if request.method != "GET" or request.path not in (KEYS_PATH, DISCOVERY_PATH):
            return False
        return request.path == KEYS_PATH or f"https://{request.headers.get('host', '').partition(':')[0]}" == self._issuer

    async def serve(self, request: Request) -> Served:
        if request.path == KEYS_PATH:
            keys = list(self._node.replica.snapshot.key_set.values())
            return Served(Response(200, {"keys": keys}), self._node.hop())
        document = {
            "issuer": self._issuer,
            "jwks_uri": f"{self._issuer}{KEYS_PATH}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._node.settings.token_alg],
        }
        return Served(Response(200, document), self._node.hop())

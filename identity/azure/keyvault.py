"""Key Vault's secrets on the vault: a 401 challenge without a good token, else a secret.

Wire facts: docs/reference/azure-wire.md#key-vault-challenge.
"""

from __future__ import annotations

from brownout.identity.azure import arm
from brownout.identity.azure.entra_claims import Verifier, bearer_token
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.ports import BadToken
from brownout.identity.core.surface import Served

AUDIENCE = "https://vault.azure.net"


class KeyVault:
    """Key Vault's surface. It takes every request that no other surface took."""

    def __init__(self, node: Vault) -> None:
        self._node = node
        self._verifier = Verifier(node, node.replica, (AUDIENCE, f"{AUDIENCE}/"))

    def takes(self, request: Request) -> bool:
        return True

    async def serve(self, request: Request) -> Served:
        return Served(self._answer(request), self._node.hop())

    def _answer(self, request: Request) -> Response:
        if not self._node.ready:
            return arm.error(503, "ServiceUnavailable", "the vault has no key set yet")
        token = bearer_token(request.headers.get("authorization", ""))
        if not token:
            return self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
        try:
            reader = str(self._verifier.check(token)["oid"])
        except BadToken as bad:
            return self._challenge(f"AKV10022: Invalid token: {bad}", ', error="invalid_token"')
        if self._node.replica.is_deleted(reader):
            return arm.error(403, "Forbidden", f"the identity {reader} has been deleted")
        collection, *rest = request.words or [""]
        if collection != "secrets" or not rest or request.method != "GET":
            return arm.error(404, "SecretNotFound", f"the vault has no {request.path}")
        name = rest[0]
        return Response(200, {"value": self._node.secret(name), "id": f"{AUDIENCE}/secrets/{name}/1", "read_by": reader})

    def _challenge(self, message: str, more: str = "") -> Response:
        authority = f"https://login.microsoftonline.com/{self._node.stack.tenant_id}"
        header = f'Bearer authorization="{authority}", resource="{AUDIENCE}"{more}'
        return arm.error(401, "Unauthorized", message).with_headers({"www-authenticate": header})

"""The vault: a sample protected API that judges tokens with its region's replica alone.

Its wire shape is Key Vault's secrets: a 401 challenge without a good token, else a secret
(docs/reference/azure-wire.md#key-vault-challenge).
"""

from __future__ import annotations

from brownout.identity.core import claims
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node, Value, error
from brownout.identity.core.ports import BadToken, Ports
from brownout.identity.core.replica import Replica
from brownout.identity.core.topology import VAULT, NodeSpec
from brownout.identity.core.trail import with_hop

AUDIENCE = "https://vault.azure.net"


class Vault(Node):
    """One region's sample API."""

    role = VAULT

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.ready = False
        self.replica = Replica()

    def state(self) -> Value:
        return {"replica_version": self.replica.version, "key_ids": list(self.replica.key_set)}

    def take_up(self, kind: str, name: str, record: Value) -> None:
        if kind == "replica":
            self.replica.take(record)
            self.ready = True

    async def serve(self, request: Request) -> Response:
        if request.path == "/snapshot" and request.method in ("GET", "PUT") and self.is_internal(request):
            response = await self.replica.serve(request, self.ports)
            self.ready = self.replica.version > 0
            return response
        if not self.ready:
            return with_hop(error(503, "ServiceUnavailable", "the vault has no key set yet"), self.hop())
        return with_hop(self._secret(request), self.hop())

    def _secret(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
        try:
            known = claims.check(
                self.ports.signer,
                token,
                self.replica.key_set,
                audience=AUDIENCE,
                tenant_id=self.stack.tenant_id,
                now_s=self.ports.now(),
            )
        except BadToken as bad:
            return self._challenge(f"AKV10022: Invalid token: {bad}", ', error="invalid_token"')
        if self.replica.is_deleted(str(known["oid"])):
            return error(403, "Forbidden", f"the identity {known['oid']} has been deleted")
        if not request.path.startswith("/secrets/") or request.method != "GET":
            return error(404, "SecretNotFound", f"the vault has no {request.path}")
        name = request.path.split("/")[2]
        return Response(200, {"value": f"value of {name}", "id": f"{AUDIENCE}/secrets/{name}/1", "read_by": known["oid"]})

    def _challenge(self, message: str, more: str = "") -> Response:
        authority = f"https://login.microsoftonline.com/{self.stack.tenant_id}"
        header = f'Bearer authorization="{authority}", resource="{AUDIENCE}"{more}'
        return error(401, "Unauthorized", message, **{"www-authenticate": header})

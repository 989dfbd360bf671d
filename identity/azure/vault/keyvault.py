"""Key Vault's secrets on the vault: a 401 challenge without a good token, a role for each operation, versions, soft delete.

Wire facts: docs/reference/azure-wire.md#key-vault-secrets, #key-vault-challenge and #claims-challenge.
"""

from __future__ import annotations

import base64
import json

from brownout.identity.azure.data import places
from brownout.identity.azure.data.callers import ApiCaller, Callers, DeletedCallerError, NoTokenError
from brownout.identity.azure.names import vault_name
from brownout.identity.azure.vault import operations
from brownout.identity.azure.vault.operations import SecretCall, SecretOperation, find_operation
from brownout.identity.azure.vault.vault_errors import VaultError, bad_parameter, forbidden_by_rbac, overloaded
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.ports import BadToken
from brownout.identity.core.surface import Overloaded, Served

AUDIENCE = "https://vault.azure.net"
API_VERSIONS = ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")
SERVICE_VERSION = "1.9.2276.1"
AUTHORIZE = "https://login.microsoftonline.com/common/oauth2/authorize"


class KeyVault:
    """Key Vault's surface. It takes every request that no other surface took."""

    def __init__(self, node: Vault) -> None:
        self._node = node
        self._callers = Callers(node, (AUDIENCE, f"{AUDIENCE}/"))

    def takes(self, request: Request) -> bool:
        return True

    async def serve(self, request: Request) -> Served:
        try:
            response = await self._answer(request)
        except VaultError as refused:
            response = refused.to_response()
        return Served(self._sealed(response), self._node.hop())

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        return self._sealed(overloaded(refusal.status, refusal.message).to_response())

    def _sealed(self, response: Response) -> Response:
        """The answer with what every answer of a vault says."""
        headers = {
            "x-ms-keyvault-region": places.location(self._node),
            "x-ms-keyvault-service-version": SERVICE_VERSION,
            "x-ms-request-id": self._node.ports.new_id(),
            "cache-control": "no-cache",
        }
        return response.with_headers(headers)

    async def _answer(self, request: Request) -> Response:
        """Raises VaultError."""
        if not self._node.ready:
            raise VaultError(503, "ServiceUnavailable", "the vault has no key set yet")
        try:
            caller = await self._callers.identify(request)
        except NoTokenError:
            return self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
        except BadToken as bad:
            return self._challenge(f"AKV10022: Invalid token: {bad}", ', error="invalid_token"')
        except DeletedCallerError as gone:
            raise VaultError(403, "Forbidden", str(gone)) from None
        since_s = self._callers.annex.revoked_tokens.since_s(caller.object_id)
        if since_s is not None and caller.issued_s < since_s:
            return _claims_challenge(since_s)
        _check_version(request)
        operation, name, version = find_operation(request)
        self._authorize(caller, operation, name)
        url = places.vault_url(self._node, request)
        return await operation.run(SecretCall(self._callers.annex, request, name, version, url))

    def _authorize(self, caller: ApiCaller, operation: SecretOperation, name: str) -> None:
        """Raises VaultError ForbiddenByRbac unless a role of the caller's has the operation's data action."""
        vault = places.vault_id(self._node)
        resource = f"{vault}/secrets/{name}" if name else vault
        action = f"{operations.ACTIONS}{operation.action}"
        if not self._callers.may(caller, action, resource):
            where = vault_name(self._node.region), places.location(self._node)
            raise forbidden_by_rbac(caller.described, action, resource, *where)

    def _challenge(self, message: str, more: str = "") -> Response:
        authority = f"https://login.microsoftonline.com/{self._node.stack.tenant_id}"
        header = f'Bearer authorization="{authority}", resource="{AUDIENCE}"{more}'
        return VaultError(401, "Unauthorized", message).to_response().with_headers({"www-authenticate": header})


def _claims_challenge(since_s: int) -> Response:
    """The refusal of a token that was revoked: it asks for one that is not older than that."""
    wanted = {"access_token": {"nbf": {"essential": True, "value": str(since_s)}}}
    claims = base64.b64encode(json.dumps(wanted, separators=(",", ":")).encode()).decode()
    header = f'Bearer realm="", authorization_uri="{AUTHORIZE}", error="insufficient_claims", claims="{claims}"'
    refused = VaultError(401, "Unauthorized", f"The token has been revoked: it was issued before {since_s}.")
    return refused.to_response().with_headers({"www-authenticate": header})


def _check_version(request: Request) -> None:
    """Raises VaultError for a request of no version, or of one that there is not."""
    version = request.query.get("api-version", "")
    if not version:
        raise bad_parameter("api-version must be specified")
    if version.lower() not in API_VERSIONS:
        raise bad_parameter(
            f"The specified version ({version}) is not recognized. Consider using the latest supported version."
        )

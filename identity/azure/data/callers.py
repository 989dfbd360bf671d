"""Who calls a protected API, and whether they may: a good token for the API, of a principal that has not been deleted.

The key set is the replica's own, or with the setting `verifier_refresh_s` the one that token nodes publish, fetched and cached
as verifiers of the field are asked to (docs/reference/azure-wire.md#verifiers-key-sets).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brownout.identity.azure.data.annex import AzureVaultAnnex, annex_of
from brownout.identity.azure.entra.claims import Verifier, bearer_token
from brownout.identity.azure.entra.key_sets import FetchedKeys
from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.ports import BadToken
from brownout.identity.core.records import Json, Jwk


class NoTokenError(BadToken):
    """A request that shows no bearer token at all."""


class DeletedCallerError(Exception):
    """The caller's principal has been deleted."""


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """A caller whose token is good."""

    claims: Json

    @property
    def object_id(self) -> str:
        return str(self.claims.get("oid", ""))

    @property
    def issued_s(self) -> float:
        """When the token was issued."""
        return float(self.claims.get("iat", 0))

    @property
    def described(self) -> str:
        """The caller as Key Vault names it in a refusal."""
        client = self.claims.get("appid") or self.claims.get("azp") or ""
        return f"appid={client};oid={self.object_id};iss={self.claims.get('iss', '')}"


class Callers:
    """Judges the callers of one API, whose tokens are for `audiences`."""

    def __init__(self, node: Vault, audiences: tuple[str, ...]) -> None:
        self._node = node
        self._fetched = FetchedKeys(node) if node.settings.verifier_refresh_s > 0 else None
        if self._fetched is not None:
            node.caching_verifiers.append(self._fetched)
        self._verifier = Verifier(node, node.replica, audiences, self._keys)

    @property
    def annex(self) -> AzureVaultAnnex:
        return annex_of(self._node)

    def _keys(self) -> Mapping[str, Jwk]:
        kept = self._node.kept_keys()
        if kept is not None:
            return kept
        return self._node.replica.snapshot.key_set if self._fetched is None else self._fetched.keys

    async def identify(self, request: Request) -> ApiCaller:
        """Raises NoTokenError, BadToken or DeletedCallerError."""
        token = bearer_token(request.headers.get("authorization", ""))
        if not token:
            raise NoTokenError("Request is missing a Bearer or PoP token.")
        if self._fetched is not None and self._node.kept_keys() is None:
            await self._fetched.follow(token)
        caller = ApiCaller(self._verifier.check(token))
        if self._node.replica.is_deleted(caller.object_id):
            raise DeletedCallerError(f"the identity {caller.object_id} has been deleted")
        return caller

    def may(self, caller: ApiCaller, action: str, scope: str, *, data: bool = True) -> bool:
        """True when a role of the caller's has that data action, or without `data` that action, at the scope or above it."""
        return self.annex.decide(caller.object_id, action, scope, data=data)

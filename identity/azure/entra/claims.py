"""Access tokens as identities and applications get them, app-only, and how they are checked.

Wire facts: docs/reference/azure-wire.md#access-token-claims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

from brownout.identity.core.node import Node
from brownout.identity.core.ports import BadToken
from brownout.identity.core.records import Identity, Json, Jwk
from brownout.identity.core.replication.replica import Replica

SKEW_ALLOWED_S = 300.0  # verifiers of the field allow five minutes either way
STARTS_BEFORE_S = 300  # `nbf` is five minutes before a token is issued
ARM_AUDIENCE = "https://management.azure.com"
ARM_AUDIENCES = (  # in the words and the order of ARM's own error
    *("https://management.core.windows.net/", "https://management.core.windows.net"),
    *("https://management.azure.com/", "https://management.azure.com"),
)
TOKENS_REMEMBERED = 4096
OPERATOR = "operator"  # the object id of the person who runs the stack
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"  # what tokens are for that stand for another client
WELL_KNOWN_RESOURCES = (
    ARM_AUDIENCE,
    "https://management.core.windows.net",
    "https://vault.azure.net",
    "https://storage.azure.com",
    "https://graph.microsoft.com",
    "https://database.windows.net",
    "https://ossrdbms-aad.database.windows.net",
    "https://servicebus.azure.net",
    "https://eventhubs.azure.net",
    "https://cosmos.azure.com",
    "https://cognitiveservices.azure.com",
    "https://containerregistry.azure.net",
    "https://monitor.azure.com",
    "https://api.loganalytics.io",
    "https://datalake.azure.net",
    "https://batch.core.windows.net",
    "https://search.azure.com",
    EXCHANGE_AUDIENCE,
)
Proof = Literal["1", "2"]  # how a client showed who it is: by a secret, or by a signature
_STORAGE_HOSTS = (".blob.core.windows.net", ".queue.core.windows.net", ".table.core.windows.net")


def is_known_resource(resource: str, extra: tuple[str, ...]) -> bool:
    """True for a resource that the tenant knows; a trailing slash does not matter for that."""
    bare = resource.rstrip("/")
    return bare in WELL_KNOWN_RESOURCES or bare in extra or bare.endswith(_STORAGE_HOSTS)


def issuer(tenant_id: str) -> str:
    """The issuer of tokens of version 1.0."""
    return f"https://sts.windows.net/{tenant_id}/"


def issuer_v2(tenant_id: str) -> str:
    """The issuer of tokens of version 2.0."""
    return f"https://login.microsoftonline.com/{tenant_id}/v2.0"


def managed_identity_claims(
    *,
    tenant_id: str,
    identity: Identity,
    machine: str,
    holder: str,
    resource: str,
    issued_s: float,
    lifetime_s: float,
) -> dict[str, Any]:
    """The claims of a token for `identity`, used from `machine`, for `resource` exactly as it was asked for.

    `machine` is an ARM id and may be a scale set's; `holder` is the one machine that gets the token.
    """
    chance = f"{identity.object_id}|{holder}|{resource}|{issued_s}"
    claims = application_claims(
        tenant_id=tenant_id,
        identity=identity,
        resource=resource,
        issued_s=issued_s,
        lifetime_s=lifetime_s,
        proof="2",
        chance=chance,
    )
    claims["xms_mirid"] = identity.resource_id
    if not identity.is_system:
        claims["xms_az_rid"] = machine
    return claims


def application_claims(
    *,
    tenant_id: str,
    identity: Identity,
    resource: str,
    issued_s: float,
    lifetime_s: float,
    proof: Proof,
    chance: str,
    version: Literal[1, 2] = 1,
) -> dict[str, Any]:
    """The claims of every app-only token; `chance` tells two tokens apart that are alike in everything else.

    In a token of version 2.0 the client is called `azp` and how it showed who it is `azpacr`; `resource` is the client id of
    the application that takes it.
    """
    issued = int(issued_s)
    marker = hashlib.sha256(chance.encode()).hexdigest()
    issued_by = issuer(tenant_id) if version == 1 else issuer_v2(tenant_id)
    client = (
        {"appid": identity.client_id, "appidacr": proof, "idp": issued_by}
        if version == 1
        else {"azp": identity.client_id, "azpacr": proof}
    )
    return {
        "aud": resource,
        "iss": issued_by,
        "iat": issued,
        "nbf": issued - STARTS_BEFORE_S,
        "exp": int(issued_s + lifetime_s),  # what IMDS calls `expires_on`
        "aio": f"k2{marker[:42]}",
        **client,
        "idtyp": "app",
        "oid": identity.object_id,
        "rh": f"1.A{marker[42:]}.",
        "sub": identity.object_id,
        "tid": tenant_id,
        "uti": marker[:22],
        "ver": f"{version}.0",
    }


def operator_claims(*, tenant_id: str, issued_s: float, lifetime_s: float) -> dict[str, Any]:
    """The claims of a token with which the stack's operator uses ARM."""
    issued = int(issued_s)
    return {
        "aud": ARM_AUDIENCE,
        "iss": issuer(tenant_id),
        "iat": issued,
        "nbf": issued - STARTS_BEFORE_S,
        "exp": issued + int(lifetime_s),
        "oid": OPERATOR,
        "tid": tenant_id,
    }


class RefusedToken(BadToken):
    """A token whose claims are refused; `code` is ARM's word for why."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class Verifier:
    """Judges the tokens that a node's callers show, with the node's own replica and clock.

    A token that was good stays good until its end for as long as the same keys are known: checking a signature is
    the dearest step of a request.
    """

    def __init__(
        self,
        node: Node,
        replica: Replica,
        audiences: tuple[str, ...],
        keys: Callable[[], Mapping[str, Jwk]] | None = None,
    ) -> None:
        """`keys` gives the key set to judge by, where that is not the replica's."""
        self._node, self._audiences = node, audiences
        self._keys = keys or (lambda: replica.snapshot.key_set)
        self._good: dict[str, Json] = {}
        self._good_for: Mapping[str, Jwk] = {}

    def check(self, token: str) -> Json:
        """The claims of a token that is good here and now; raises BadToken with the reason."""
        key_set = self._keys()
        if self._good_for != key_set or len(self._good) >= TOKENS_REMEMBERED:
            self._good_for, self._good = key_set, {}
        now_s = self._node.ports.now()
        known = self._good.get(token)
        if known is not None and now_s < float(known["exp"]):
            return known
        claims = self._node.ports.signer.verify(token, key_set)
        self._check_claims(claims, now_s)
        self._good[token] = claims
        assert len(self._good) <= TOKENS_REMEMBERED, "memory of good tokens is bounded"
        return claims

    def _check_claims(self, claims: Json, now_s: float) -> None:
        if claims.get("aud") not in self._audiences:
            allowed = ",".join(f"'{audience}'" for audience in self._audiences)
            text = f"The access token has been obtained for wrong audience or resource '{claims.get('aud')}'."
            text = f"{text} It should exactly match with one of the allowed audiences {allowed}."
            raise RefusedToken(text, "InvalidAuthenticationTokenAudience")
        if claims.get("iss") != issuer(self._node.stack.tenant_id):
            ours = issuer(self._node.stack.tenant_id)
            text = f"The access token is from the wrong issuer '{claims.get('iss')}'. It must match the tenant '{ours}'."
            raise RefusedToken(text, "InvalidAuthenticationTokenTenant")
        if now_s > float(claims.get("exp", 0)) + SKEW_ALLOWED_S:
            raise RefusedToken("the token has expired", "ExpiredAuthenticationToken")
        if now_s < float(claims.get("nbf", 0)) - SKEW_ALLOWED_S:
            raise BadToken("the token is not valid yet")


def bearer_token(authorization: str) -> str:
    """The token of an `Authorization: Bearer` header, "" for any other."""
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" else ""

"""Access tokens of managed identities (v1.0, app-only), and how they are checked.

Wire facts: docs/reference/azure-wire.md#access-token-claims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from brownout.identity.core.ports import BadToken, Signer

SKEW_ALLOWED_S = 300.0  # verifiers of the field allow five minutes either way
WELL_KNOWN_RESOURCES = (
    "https://management.azure.com",
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
)
_STORAGE_HOSTS = (".blob.core.windows.net", ".queue.core.windows.net", ".table.core.windows.net")


def is_known_resource(resource: str, extra: tuple[str, ...]) -> bool:
    """True for a resource that the tenant knows; a trailing slash does not matter for that."""
    bare = resource.rstrip("/")
    return bare in WELL_KNOWN_RESOURCES or bare in extra or bare.endswith(_STORAGE_HOSTS)


def issuer(tenant_id: str) -> str:
    return f"https://sts.windows.net/{tenant_id}/"


def managed_identity_claims(
    *,
    tenant_id: str,
    identity: Mapping[str, Any],
    machine: str,
    holder: str,
    resource: str,
    issued_s: float,
    lifetime_s: float,
) -> dict[str, Any]:
    """The claims of a token for `identity`, used from `machine`, for `resource` exactly as it was asked for.

    `machine` is an ARM id and may be a scale set's; `holder` is the one machine that gets the token.
    """
    issued = int(issued_s)
    marker = hashlib.sha256(f"{identity['object_id']}|{holder}|{resource}|{issued_s}".encode()).hexdigest()[:22]
    claims = {
        "aud": resource,
        "iss": issuer(tenant_id),
        "iat": issued,
        "nbf": issued - 300,
        "exp": issued + int(lifetime_s) + 1,
        "appid": identity["client_id"],
        "appidacr": "2",
        "idp": issuer(tenant_id),
        "idtyp": "app",
        "oid": identity["object_id"],
        "sub": identity["object_id"],
        "tid": tenant_id,
        "uti": marker,
        "ver": "1.0",
        "xms_mirid": identity["resource_id"],
    }
    return claims if identity["kind"] == "system" else claims | {"xms_az_rid": machine}


def check(
    signer: Signer,
    token: str,
    key_set: Mapping[str, Mapping[str, Any]],
    *,
    audience: str,
    tenant_id: str,
    now_s: float,
) -> Mapping[str, Any]:
    """The claims of a token that is good here and now; raises BadToken with the reason."""
    claims = signer.verify(token, key_set)
    if str(claims.get("aud", "")).rstrip("/") != audience:
        raise BadToken(f"audience is {claims.get('aud')!r}, not {audience!r}")
    if claims.get("iss") != issuer(tenant_id):
        raise BadToken(f"issuer is {claims.get('iss')!r}")
    if now_s > float(claims.get("exp", 0)) + SKEW_ALLOWED_S:
        raise BadToken("the token has expired")
    if now_s < float(claims.get("nbf", 0)) - SKEW_ALLOWED_S:
        raise BadToken("the token is not valid yet")
    return claims

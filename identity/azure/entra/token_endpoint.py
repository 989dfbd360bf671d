"""Entra's token endpoint on a token node, versions 1 and 2: client credentials, by secret, certificate or federated token.

It needs nothing but the region's replica: neither the directory nor any store is asked, so an outage of the metadata stores
that stops managed identities stops no application. Wire facts: docs/reference/azure-wire.md#entra-token-requests.
"""

from __future__ import annotations

import hashlib
from typing import Any

from brownout.identity.azure.entra import aadsts
from brownout.identity.azure.entra.aadsts import EntraError
from brownout.identity.azure.entra.applications import KIND, Application
from brownout.identity.azure.entra.claims import application_claims
from brownout.identity.azure.entra.federation import Federation, Issuers
from brownout.identity.azure.entra.grants import Grants, TokenForm, TokenGrant
from brownout.identity.azure.entra.tenants import host_of, is_known
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.surface import Overloaded, Served

V1, V2 = ["oauth2", "token"], ["oauth2", "v2.0", "token"]
LEAST_S, MOST_S = 3600, 5400  # how long applications' tokens last: 60 to 90 minutes, so that they do not end all at once
REFRESH_FROM_S = 7200.0  # tokens of at least this life say when to ask for a new one: at half of it
GRAPH = "https://graph.microsoft.com"


class TokenEndpoint:
    """The endpoint. It takes `/{tenant}/oauth2/token` and `/{tenant}/oauth2/v2.0/token`."""

    def __init__(self, node: TokenNode, *, issuers: Issuers) -> None:
        """`issuers` are those of the stack whose tokens federated credentials may name."""
        self._node = node
        self._grants = Grants(node, Federation(node, issuers(node.stack)))

    def takes(self, request: Request) -> bool:
        return request.words[1:] in (V1, V2)

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        return aadsts.refusal(aadsts.busy(refusal.status), self._node, request)

    async def serve(self, request: Request) -> Served:
        try:
            response = self._answer(request)
        except EntraError as refused:
            response = aadsts.refusal(refused, self._node, request)
        return Served(response, self._node.hop())

    def _answer(self, request: Request) -> Response:
        """The token; raises EntraError."""
        if not self._node.ready:
            raise aadsts.not_ready()
        tenant, *rest = request.words
        if request.method != "POST":
            raise aadsts.posts_only(request.method)
        if not is_known(tenant, self._node.stack.tenant_id):
            raise aadsts.unknown_tenant(tenant)
        form = TokenForm.read(request, tenant, host_of(request), v2=rest == V2)
        return self._issue(self._grants.judge(form), request, v2=form.v2)

    def _issue(self, grant: TokenGrant, request: Request, *, v2: bool) -> Response:
        node, now_s, identity = self._node, self._node.ports.now(), grant.client.identity
        chance = node.ports.new_id()
        lifetime_s = self._lifetime_s(grant, chance)
        claims = application_claims(
            tenant_id=node.stack.tenant_id,
            identity=identity,
            resource=grant.resource,
            issued_s=now_s,
            lifetime_s=lifetime_s,
            proof=grant.proof,
            chance=chance,
            version=grant.version,
        )
        claims |= self._more_claims(grant)
        signing = node.replica.signing
        token = node.ports.signer.sign(signing.key_id, signing.private, claims)
        correlation_id = request.headers.get("client-request-id") or node.ports.new_id()
        content = self._content(token, lifetime_s, v2=v2)
        if not v2:
            content = {name: str(value) for name, value in content.items()}
            times = {"expires_on": str(claims["exp"]), "not_before": str(claims["nbf"])}
            content |= times | {"resource": grant.resource}
        return Response(200, content, aadsts.told(chance, correlation_id))

    def _content(self, token: str, lifetime_s: float, *, v2: bool) -> dict[str, Any]:
        content: dict[str, Any] = {"token_type": "Bearer", "expires_in": int(lifetime_s), "ext_expires_in": int(lifetime_s)}
        if v2 and lifetime_s >= REFRESH_FROM_S:
            content["refresh_in"] = int(lifetime_s / 2)
        return content | {"access_token": token}

    def _lifetime_s(self, grant: TokenGrant, chance: str) -> float:
        """24 hours for an identity; for an application a time that `chance` decides."""
        if grant.client.identity.kind != KIND:
            return self._node.settings.token_lifetime_s
        drawn = int.from_bytes(hashlib.sha256(f"lifetime {chance}".encode()).digest()[:8], "big")
        return float(LEAST_S + drawn % (MOST_S - LEAST_S + 1) - 1)

    def _more_claims(self, grant: TokenGrant) -> dict[str, Any]:
        """What only an identity's token says, or only one for Microsoft Graph."""
        if grant.client.identity.kind != KIND:
            return {"xms_mirid": grant.client.identity.resource_id}
        roles = Application.of(grant.client).registration.roles
        return {"roles": list(roles)} if roles and grant.resource.rstrip("/") == GRAPH else {}

"""What a request for a token comes to: who asks, how it is shown, for which resource. Raises EntraError in Entra's order.

First the form, then the client, then what it shows, and the resource last.
Wire facts: docs/reference/azure-wire.md#entra-token-requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from brownout.identity.azure.entra import aadsts, assertions
from brownout.identity.azure.entra.applications import Application
from brownout.identity.azure.entra.assertions import ClientAssertion
from brownout.identity.azure.entra.claims import Proof, is_known_resource
from brownout.identity.azure.entra.clients import ClientIndex, registration_of
from brownout.identity.azure.entra.federation import Federation
from brownout.identity.azure.entra.tenants import ANY_TENANT, is_entra, parts_of_url
from brownout.identity.azure.machine_secrets import extension_secret, is_secret
from brownout.identity.azure.service_accounts import ASSERTION_TYPE
from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.records import KINDS, Principal

CLIENT_CREDENTIALS = "client_credentials"
DEFAULT = "/.default"
WITHOUT_RESOURCE = "00000002-0000-0000-c000-000000000000"  # what version 1 takes for the resource where none is named
SINGLE = ("grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource")


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """A token that may be issued. `resource` is its audience; `version` the form that the resource takes."""

    client: Principal
    proof: Proof
    resource: str
    version: Literal[1, 2]


@dataclass(frozen=True, slots=True)
class TokenForm:
    """The fields of a request to one version of the endpoint; `host` is the name that the client called."""

    fields: Mapping[str, str]
    tenant: str
    host: str
    v2: bool

    @classmethod
    def read(cls, request: Request, tenant: str, host: str, *, v2: bool) -> TokenForm:
        """Raises EntraError for a parameter that comes twice."""
        names = [name for name, _ in request.form]
        for name in SINGLE:
            if names.count(name) > 1:
                raise aadsts.doubled(name)
        return cls(dict(request.form), tenant, host, v2)

    def need(self, name: str) -> str:
        """The value of a parameter; raises EntraError 900144 where it is missing or empty."""
        found = self.fields.get(name, "")
        if not found:
            raise aadsts.missing(name)
        return found

    def get(self, name: str) -> str:
        return self.fields.get(name, "")


class Grants:
    """Judges requests for tokens on one token node, with its replica alone."""

    def __init__(self, node: TokenNode, federation: Federation) -> None:
        self._node, self._federation = node, federation
        self._clients = ClientIndex(node.replica)

    def judge(self, form: TokenForm) -> TokenGrant:
        """The grant that the form asks for; raises EntraError."""
        grant_type = form.need("grant_type")
        if grant_type != CLIENT_CREDENTIALS:
            raise aadsts.unsupported_grant(grant_type)
        client_id = form.need("client_id")
        if form.tenant.lower() in ANY_TENANT:
            raise aadsts.needs_own_tenant(client_id)
        tenant_id = self._node.stack.tenant_id
        client = self._clients.client(client_id)
        if client is None or (client.identity.is_system and not self._is_extension(form, client)):
            raise aadsts.unknown_client(client_id, tenant_id)
        application = registration_of(client, tenant_id)
        proof = self._shown(form, client, application)
        resource, version = self._resource(form)
        return TokenGrant(client, proof, resource, version)

    def _shown(self, form: TokenForm, client: Principal, application: Application | None) -> Proof:
        """How the client shows who it is; raises EntraError where it does not."""
        if form.get("client_assertion"):
            self._check_assertion(form, client, application)
            return "2"
        if not form.get("client_secret"):
            raise aadsts.no_credential()
        if not self._is_extension(form, client):
            self._check_secret(form.get("client_secret"), client.identity.client_id, application)
        return "1"

    def _is_extension(self, form: TokenForm, client: Principal) -> bool:
        """True for the credential of a managed identity, which the VM extension keeps on machines, in builds that have it."""
        if not self._node.features.has_vm_extension or client.identity.kind not in KINDS:
            return False
        wanted = extension_secret(self._node.stack.control_token, client.identity.object_id)
        return is_secret(form.get("client_secret"), wanted)

    def _check_secret(self, given: str, client_id: str, application: Application | None) -> None:
        known = application.registration.secrets if application else ()
        found = [secret for secret in known if secret.recognises(given)]
        if not found:
            raise aadsts.bad_secret(client_id)
        now_s = self._node.ports.now()
        if not any(now_s < secret.ends_s for secret in found):
            raise aadsts.expired_secret(client_id)

    def _check_assertion(self, form: TokenForm, client: Principal, application: Application | None) -> None:
        kind = form.need("client_assertion_type")
        if kind != ASSERTION_TYPE:
            raise aadsts.bad_assertion_type(kind)
        assertion, client_id = assertions.read(form.get("client_assertion")), client.identity.client_id
        now_s = self._node.ports.now()
        signed_itself = assertion.issuer == assertion.subject
        if signed_itself and assertion.issuer.lower() != client_id.lower():
            raise aadsts.wrong_client(assertion.issuer, client_id)
        assertions.check_times(assertion, now_s)
        if not signed_itself:
            self._federation.check(assertion, client)
            return
        self._check_audience(assertion, form)
        certificates = application.registration.certificates if application else ()
        assertions.check_certificate(assertion, client_id, certificates, now_s)

    def _check_audience(self, assertion: ClientAssertion, form: TokenForm) -> None:
        """Raises EntraError 700023 unless the assertion is for this tenant's endpoint, by any name of it."""
        tenant_id = self._node.stack.tenant_id.lower()
        paths = [f"/{tenant_id}{rest}" for rest in ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "/", "")]
        for audience in assertion.audiences:
            parts = parts_of_url(audience)
            host = (parts.hostname or "").lower()
            if parts.scheme == "https" and (is_entra(host) or host == form.host) and parts.path.lower() in paths:
                return
        raise aadsts.wrong_audience(", ".join(assertion.audiences))

    def _resource(self, form: TokenForm) -> tuple[str, Literal[1, 2]]:
        """The audience of the token and the version that its resource takes; raises EntraError."""
        name = _resource_of_scope(form.need("scope")) if form.v2 else form.get("resource") or WITHOUT_RESOURCE
        if name == WITHOUT_RESOURCE or is_known_resource(name, self._node.settings.extra_resources):
            return name, 1
        application = self._clients.resource(name)
        if application is None:
            raise aadsts.unknown_resource(name, self._node.stack.tenant_id, v2=form.v2)
        if application.registration.token_version == 2:
            return application.client_id, 2
        return name, 1


def _resource_of_scope(scope: str) -> str:
    """The resource in `RESOURCE/.default`; raises EntraError for any other scope."""
    if len(scope.split()) != 1:
        raise aadsts.bad_scope(scope)
    if not scope.endswith(DEFAULT):
        raise aadsts.needs_default(scope)
    resource = scope.removesuffix(DEFAULT)
    if not resource:
        raise aadsts.bad_scope(scope)
    return resource

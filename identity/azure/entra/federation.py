"""Federated credentials: which foreign token may be taken for a client of the tenant, and whether it is what it says.

Issuer, subject and audience have to be those of one credential, letter by letter. Then the signature is checked against the
keys that the issuer publishes. In a stack these are its own: all its issuers sign with the key that the directory publishes.
Wire facts: docs/reference/azure-wire.md#client-assertions.
"""

from __future__ import annotations

from collections.abc import Callable

from brownout.identity.azure.entra import aadsts
from brownout.identity.azure.entra.aadsts import MatchedPart
from brownout.identity.azure.entra.assertions import ClientAssertion
from brownout.identity.azure.entra.claims import issuer, issuer_v2
from brownout.identity.azure.records import FederatedCredential, federated_credentials
from brownout.identity.azure.service_accounts import cluster_issuer
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.ports import BadToken
from brownout.identity.core.records import Principal
from brownout.identity.core.topology import StackSpec

Issuers = Callable[[StackSpec], tuple[str, ...]]  # those of the stack whose keys the directory publishes


def own_issuers(stack: StackSpec) -> tuple[str, ...]:
    """Azure's issuers of a stack: the tenant itself, by both its names, and each region's cluster."""
    tenant = (issuer(stack.tenant_id), issuer_v2(stack.tenant_id))
    return tenant + tuple(cluster_issuer(stack, region) for region in stack.regions)


class Federation:
    """Judges the tokens of other issuers for one token node. `issuers` are all those that can be resolved."""

    def __init__(self, node: TokenNode, issuers: tuple[str, ...]) -> None:
        self._node, self._issuers = node, issuers
        tenant_id = node.stack.tenant_id
        self._tenant = (issuer(tenant_id), issuer_v2(tenant_id))

    def check(self, assertion: ClientAssertion, client: Principal) -> None:
        """Raises EntraError unless a credential of the client stands for the assertion, and its issuer for what it says."""
        self._check_match(assertion, client)
        if assertion.issuer not in self._issuers:
            raise aadsts.unresolved_issuer(assertion.issuer)
        try:
            self._node.ports.signer.verify(assertion.text, self._node.replica.snapshot.key_set)
        except BadToken as bad:
            raise aadsts.bad_signature(str(bad)) from None

    def _check_match(self, assertion: ClientAssertion, client: Principal) -> None:
        known = federated_credentials(client.details)
        if self._node.settings.federation_text == "2022":
            if not any(self._differs(assertion, each) is None for each in known):
                audience = ", ".join(assertion.audiences)
                raise aadsts.no_match(assertion.issuer, assertion.subject, audience)
            return
        if not known:
            raise aadsts.no_federation(client.identity.client_id)
        found = [self._differs(assertion, each) for each in known]
        if None not in found:
            parts: tuple[MatchedPart, ...] = ("subject", "audience", "issuer")
            part = next(each for each in parts if each in found)  # the credential that comes nearest is the one meant
            value = {"issuer": assertion.issuer, "subject": assertion.subject, "audience": ", ".join(assertion.audiences)}
            raise aadsts.no_match_of(part, value[part])

    def _differs(self, assertion: ClientAssertion, credential: FederatedCredential) -> MatchedPart | None:
        """The first part in which the assertion is not what the credential describes; None when it is all of it."""
        if not self._is_issuer(assertion.issuer, credential.issuer):
            return "issuer"
        if not set(assertion.audiences) & set(credential.audiences):
            return "audience"
        return None if assertion.subject == credential.subject else "subject"

    def _is_issuer(self, given: str, wanted: str) -> bool:
        """True for one issuer; the tenant is one by both its names, because its own tokens are of version 1.0."""
        return given == wanted or (given in self._tenant and wanted in self._tenant)

"""AWS's part of a token node: the region's account, and what STS needs beside it.

That is the key sets of identity providers, the MFA codes that were taken, whether STS is activated in the region for the
account, and the page on which a region's hosts get role credentials for their machines.
"""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.aws.errors import AwsError, region_disabled
from brownout.identity.aws.instance_credentials import PAGE, InstanceCredentials, InstanceCredentialsRequest
from brownout.identity.aws.oidc_urls import outbound_issuer, provider_name
from brownout.identity.aws.policy.context import RequestFacts
from brownout.identity.aws.records.seed import account_of, entra_issuer
from brownout.identity.aws.regional.annex import RegionalAnnex
from brownout.identity.aws.sts.issuing import SessionWish, issue
from brownout.identity.aws.sts.mfa import MfaCodes
from brownout.identity.aws.sts.provider_keys import RECORD, ProviderKeys
from brownout.identity.aws.sts.trust import RoleRequest, check_outsider, outsider
from brownout.identity.core.holds import PASSIVE, Switch
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import read_as
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Failure, Served

DEACTIVATE = "deactivate-sts"
PROVIDERS_PAGE = "/identity-providers"
MACHINE_SESSION_S = 21_600  # what role credentials of instances last (docs/reference/aws-wire.md#credentials-of-an-instance)


class TokenAnnex(RegionalAnnex):
    """The account on one token node, and what STS keeps there."""

    node: TokenNode

    def __init__(self, node: TokenNode) -> None:
        super().__init__(node)
        self.providers = ProviderKeys(node, {entra_issuer(node.stack), provider_name(outbound_issuer(account_of(node.stack)))})
        self.mfa = MfaCodes(self)
        self.switches: Mapping[str, Switch] = {**self.providers.switches, DEACTIVATE: PASSIVE}

    def take_up(self, name: str, record: Json) -> None:
        if name.startswith(RECORD):
            self.providers.take_up(name.removeprefix(RECORD), record)
        else:
            super().take_up(name, record)

    def state(self) -> Json:
        return {**super().state(), "identity_providers": self.providers.state()}

    def check_activated(self) -> None:
        """Raises AwsError RegionDisabledException when STS is deactivated here for the account."""
        if self.node.holds.held(DEACTIVATE):
            raise region_disabled(self.account_id)

    async def serve(self, request: Request, path: str) -> Served | None:
        if path == PAGE and request.method == "POST":
            return self._machine_page(read_as(InstanceCredentialsRequest.from_json, request))
        return await super().serve(request, path)

    async def control(self, request: Request, path: str) -> Response | None:
        if path == PROVIDERS_PAGE and request.method == "PUT":
            await self.providers.publish(request.body or {})
            return Response(200, {"published": True})
        return await super().control(request, path)

    def _machine_page(self, wanted: InstanceCredentialsRequest) -> Served:
        try:
            credentials = self._machine_credentials(wanted)
        except AwsError as refused:
            failure = Failure("not-found" if refused.sender else "unavailable", refused.message)
            return Served(failure.to_response(), self.node.hop())
        if credentials is None:
            return Served(Failure("not-found", f"there is no role {wanted.role}").to_response(), self.node.hop())
        return Served(Response(200, credentials.to_json()), self.node.hop())

    def _machine_credentials(self, wanted: InstanceCredentialsRequest) -> InstanceCredentials | None:
        """Credentials of the machine's role; None for a role that is not there. Raises AwsError where it trusts others."""
        role = self.index.account.roles.get(wanted.role.lower())
        if role is None:
            return None
        facts = RequestFacts(self.node.ports.now(), self.aws_region)
        asked = RoleRequest("sts:AssumeRole", role, wanted.session_name, facts)
        check_outsider(outsider("service", wanted.service, self.account_id), asked)
        wish = SessionWish("assumed-role", role.arn, role.role_id, wanted.session_name, MACHINE_SESSION_S)
        session, made = issue(self, wish)
        return InstanceCredentials(
            made.access_key_id, made.secret_access_key, made.session_token, session.issued_s, session.expires_s
        )

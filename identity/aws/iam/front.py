"""IAM's front end on a region's management node: it lets callers in by its region's account and has the directory do the work.

There is one control plane for all regions. The caller is authenticated and authorized here, with what the region knows;
the call itself travels to the directory in the home region, over the link that a cut between regions breaks. Then the answer
is ServiceUnavailable, which clients try again. Wire facts: docs/reference/aws-wire.md#query-requests.
"""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.calls import IamAnswer, IamCall
from brownout.identity.aws.control.registry import all_operations
from brownout.identity.aws.errors import invalid_client_token_id
from brownout.identity.aws.iam.desk import IamDesk
from brownout.identity.aws.protocol.answers import render, render_error
from brownout.identity.aws.protocol.calls import AskedOperation, AwsCall
from brownout.identity.aws.protocol.forms import MAX_PAYLOAD
from brownout.identity.aws.regional.annex import GLOBAL_REGION, VENDOR, RegionalAnnex
from brownout.identity.aws.regional.surface import AwsSurface
from brownout.identity.core import trail
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.management import Management


class IamFront(AwsSurface):
    """The surface of IAM, which takes SAML metadata of ten million characters."""

    payload_limit_bytes = MAX_PAYLOAD

    def __init__(self, node: Management) -> None:
        annex = node.annexes[VENDOR]
        assert isinstance(annex, RegionalAnnex), "a management node has the account"
        super().__init__(annex, "iam", all_operations())
        self._annex = annex
        self._regions = (annex.aws_region, GLOBAL_REGION)
        self._desk = IamDesk(annex)

    async def answer(self, request: Request, asked: AskedOperation, request_id: str) -> tuple[Response, str]:
        caller = self._annex.authenticate(request, "iam", self._regions)
        _check_session(caller)
        call = asked.call()
        self._desk.authorize(call, caller, self._annex.facts(request))
        answer, told = await self._desk.ask(IamCall(call.operation.name, call.params, caller, request_id))
        return self._rendered(call, answer, request_id), trail.of(told)

    def _rendered(self, call: AwsCall, answer: IamAnswer, request_id: str) -> Response:
        """The directory's answer as IAM gives it."""
        if answer.error is not None:
            return render_error(self.service, answer.error, request_id)
        return render(call.operation, answer.result, request_id)


def _check_session(caller: Caller) -> None:
    """Raises AwsError InvalidClientTokenId for sessions that IAM does not take: federated ones, and a user's without MFA."""
    session = caller.session
    if session is None or session.kind == "assumed-role" or session.chained:  # the last is what AssumeRoot made
        return
    if session.kind == "federated-user" or session.mfa_s is None:
        raise invalid_client_token_id()

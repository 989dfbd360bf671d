"""Calls of IAM made from a region: authorized with what the region knows, done by the directory.

Callers from outside (brownout.identity.aws.iam.front) and services that call for a user both go this way, over the link
that a cut between regions breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.calls import CALL_PATH, IamAnswer, IamCall
from brownout.identity.aws.errors import service_unavailable
from brownout.identity.aws.iam.targets import actions_of, keys_of, target_of
from brownout.identity.aws.policy.context import RequestFacts
from brownout.identity.aws.protocol.calls import AwsCall
from brownout.identity.aws.protocol.constraints import checked
from brownout.identity.aws.protocol.services import service
from brownout.identity.aws.regional.annex import VENDOR, RegionalAnnex
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.node import MALFORMED
from brownout.identity.core.topology import DIRECTORY

PATIENCE = 10.0  # times the time-out of a call: a slow control plane answers late, and is not taken for a dead one
PASSED_TO = "ec2.amazonaws.com"  # whom the role of an instance profile is for


class IamDesk:
    """Where one management node's calls of IAM are let through and passed on."""

    def __init__(self, annex: RegionalAnnex) -> None:
        self._annex, self._node = annex, annex.node
        self._directory = f"{annex.node.stack.home_region}.{DIRECTORY}"

    def authorize(self, call: AwsCall, caller: Caller, facts: RequestFacts) -> None:
        """Raises AwsError AccessDenied unless the caller may do this to what the call is about."""
        account = self._annex.index.account
        target = target_of(call.operation, call.params, caller, account)
        for action in actions_of(call.operation, call.params):
            self._annex.authorize(caller, action, target.arn, facts, keys_of(call.params, target))
        if call.operation.name == "AddRoleToInstanceProfile":
            role = account.roles.get(str(call.params["RoleName"]).lower())
            if role is not None:
                self._annex.authorize(caller, "iam:PassRole", role.arn, facts, {"iam:PassedToService": PASSED_TO})

    async def ask(self, call: IamCall) -> tuple[IamAnswer, Response]:
        """The directory's answer, read and as it came; raises AwsError ServiceUnavailable when there is none."""
        request = self._node.internal("POST", f"/{VENDOR}{CALL_PATH}", call.to_json())
        try:
            response = await self._node.ports.call(self._directory, request, timeout_s=PATIENCE * self._node.call_timeout_s)
            return IamAnswer.from_json(response.body or {}), response
        except (CallFailed, *MALFORMED):
            raise service_unavailable() from None

    async def do(self, action: str, params: Mapping[str, Any], caller: Caller, facts: RequestFacts) -> Mapping[str, Any]:
        """Makes a call for `caller` and returns its output; raises AwsError as the caller would get it."""
        operation = service("iam").operation(action)
        assert operation is not None, f"{action} is an operation of IAM"
        checked(params, operation.check)
        call = AwsCall(operation, params)
        self.authorize(call, caller, facts)
        answer, _ = await self.ask(IamCall(action, params, caller, self._node.ports.new_id()))
        if answer.error is not None:
            raise answer.error
        return answer.result or {}

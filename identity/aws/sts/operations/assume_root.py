"""AssumeRoot: a short session of an account's root user for one task. It alone of all of STS needs IAM's control plane.

The stack's account counts as a member whose root access is centralised.
Wire facts: docs/reference/aws-wire.md#assumeroot-and-getwebidentitytoken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from brownout.identity.aws import arns
from brownout.identity.aws.control.calls import CALL_PATH, IamCall
from brownout.identity.aws.errors import access_denied, invalid_action, service_unavailable, validation_error
from brownout.identity.aws.regional.annex import VENDOR
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.issuing import SessionWish, issue, members
from brownout.identity.aws.sts.session_policies import SessionLimits
from brownout.identity.core.messages import CallFailed

ACTION = "sts:AssumeRoot"
LENGTH_S = 900
TASKS: Mapping[str, tuple[str, ...]] = {  # by the name of the task policy: what the session may do
    "IAMAuditRootUserCredentials": (
        "iam:GetAccessKeyLastUsed",
        "iam:GetAccountSummary",
        "iam:GetLoginProfile",
        "iam:GetUser",
        "iam:ListAccessKeys",
        "iam:ListMFADevices",
        "iam:ListSigningCertificates",
    ),
    "IAMCreateRootUserPassword": ("iam:CreateLoginProfile", "iam:GetLoginProfile"),
    "IAMDeleteRootUserCredentials": (
        "iam:DeactivateMFADevice",
        "iam:DeleteAccessKey",
        "iam:DeleteLoginProfile",
        "iam:DeleteSigningCertificate",
        "iam:GetLoginProfile",
        "iam:GetUser",
        "iam:ListAccessKeys",
        "iam:ListMFADevices",
        "iam:ListSigningCertificates",
    ),
    "S3UnlockBucketPolicy": ("s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:ListAllMyBuckets", "s3:PutBucketPolicy"),
    "SQSUnlockQueuePolicy": ("sqs:GetQueueAttributes", "sqs:ListQueues", "sqs:SetQueueAttributes"),
}


async def assume_root(call: StsCall) -> StsResult:
    caller, params, annex = call.caller, call.params, call.annex
    if call.is_global:
        raise invalid_action("AssumeRoot", "2011-06-15")
    if caller.is_root:
        raise access_denied("AssumeRoot may not be called with root credentials.")
    annex.check_activated()
    root, task = arns.root(annex.account_id), str(params["TaskPolicyArn"].get("arn", ""))
    actions = TASKS.get(task.removeprefix("arn:aws:iam::aws:policy/root-task/"))
    if actions is None:
        raise validation_error(f"The policy {task} is not a root task policy.")
    call.authorize(ACTION, root, {"sts:TaskPolicyArn": task})
    if params["TargetPrincipal"] not in (annex.account_id, root):
        raise access_denied("The target principal is not a member account of the organization.")
    await _ask_control_plane(call)
    document = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}})
    length_s = int(params.get("DurationSeconds", LENGTH_S))
    wish = SessionWish("root", root, annex.account_id, "", length_s, SessionLimits((document,)), chained=True)
    return members(wish, issue(annex, wish)[1])


async def _ask_control_plane(call: StsCall) -> None:
    """Raises AwsError ServiceUnavailable unless the account's control plane answers."""
    node = call.annex.node
    asked = IamCall("GetAccountSummary", {}, call.caller, node.ports.new_id())
    request = node.internal("POST", f"/{VENDOR}{CALL_PATH}", asked.to_json())
    try:
        answer = await node.ports.call(call.annex.directory, request, timeout_s=node.call_timeout_s)
    except CallFailed:
        raise service_unavailable() from None
    if not answer.ok:
        raise service_unavailable()

"""Policy documents and requests of tests, in few words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.context import RequestContext, RequestPrincipal, lowered
from brownout.identity.aws.policy.document import PolicyDocument, PolicyKind
from brownout.identity.aws.policy.parse import parse_document

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
USER_ARN, ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:user/eve", f"arn:aws:iam::{ACCOUNT}:role/app"
SESSION_ARN, FEDERATED_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/job", f"arn:aws:sts::{ACCOUNT}:federated-user/bob"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"

USER = RequestPrincipal("user", ACCOUNT, USER_ARN, USER_ARN, "AIDAEVEEXAMPLE1234567", "eve")
SESSION = RequestPrincipal("assumed-role", ACCOUNT, SESSION_ARN, ROLE_ARN, "AROAAPPEXAMPLE1234567:job")
FEDERATED = RequestPrincipal("federated-user", ACCOUNT, FEDERATED_ARN, USER_ARN, f"{ACCOUNT}:bob")
ROOT = RequestPrincipal("root", ACCOUNT, ROOT_ARN, ROOT_ARN, ACCOUNT)
SERVICE = RequestPrincipal("service", "", "ec2.amazonaws.com", "ec2.amazonaws.com", "")
ANONYMOUS = RequestPrincipal("anonymous", "", "*", "*", "")


def policy_text(*statements: Mapping[str, Any], version: str = "2012-10-17") -> str:
    """The text of a document; without version when that is ""."""
    document = {"Version": version, "Statement": list(statements)}
    return json.dumps(document if version else {"Statement": list(statements)})


def document(*statements: Mapping[str, Any], kind: PolicyKind = "identity", version: str = "2012-10-17") -> PolicyDocument:
    return parse_document(policy_text(*statements, version=version), kind)


def refusal(text: str, kind: PolicyKind = "managed") -> str:
    """The message with which the text is refused as malformed, "" when it is a document."""
    try:
        parse_document(text, kind)
    except AwsError as raised:
        error = raised
    else:
        return ""
    assert (error.code, error.status) == ("MalformedPolicyDocument", 400)
    return error.message


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    """A statement of an identity's policy."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def trusting(principal: Any, action: Any = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    """A statement of a trust policy."""
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


def request(
    action: str = "s3:GetObject",
    resource: str = "arn:aws:s3:::bucket/key",
    principal: RequestPrincipal = USER,
    keys: Mapping[str, str | Sequence[str]] | None = None,
    resource_account_id: str = "",
) -> RequestContext:
    return RequestContext(action, resource, principal, lowered(keys or {}), resource_account_id)

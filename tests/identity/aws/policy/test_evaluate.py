"""Decisions: which layers must allow, what an explicit deny does, how far a resource's policy reaches, and what is said."""

from __future__ import annotations

import json
from typing import Any

from brownout.identity.aws.policy.context import RequestContext, RequestPrincipal
from brownout.identity.aws.policy.document import PolicyDocument, PolicyKind
from brownout.identity.aws.policy.evaluate import evaluate
from brownout.identity.aws.policy.parse import parse_document

ACCOUNT = "123456789012"
USER = RequestPrincipal(
    "user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/eve", f"arn:aws:iam::{ACCOUNT}:user/eve", "AIDAEVE", "eve"
)


def document(*statements: dict[str, Any], kind: PolicyKind = "identity") -> PolicyDocument:
    return parse_document(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), kind)


def allow(action: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def test_nothing_is_allowed_without_a_policy() -> None:
    """Without any statement the deny is implicit, and the identity's policies are the layer that lacks an allow."""
    decision = evaluate(RequestContext("iam:GetUser", "*", USER, {}), ())
    assert (decision.allowed, decision.reason, decision.layer) == (False, "implicitDeny", "identity")


def test_an_allow_allows_its_action() -> None:
    """A statement that allows the action allows the request, whatever the case of the action."""
    policies = [document(allow("iam:get*"))]
    assert evaluate(RequestContext("iam:GetUser", "*", USER, {}), policies).allowed
    assert not evaluate(RequestContext("iam:ListUsers", "*", USER, {}), policies).allowed

"""Trust policies and other policies of resources: the words in which they are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.identity.aws.policy.trust_checks import invalid_principal
from support.aws_policies import ACCOUNT, ROLE_ARN, SESSION_ARN, USER_ARN, policy_text, refusal, trusting

ACTIONS = "AssumeRole policy may only specify STS AssumeRole actions."
FEDERATED = "Federated principals must be valid domain names or SAML metadata ARNs"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{invalid", "This policy contains invalid Json"),
        ("", "This policy contains invalid Json"),
        ('{"Version":"2012-10-17","Statement":[]}', "Could not parse the policy: Statement is empty!"),
        ('{"Version":"2012-10-17"}', "Could not parse the policy: Statement is empty!"),
        ('{"probe":"x"}', "Unknown field probe"),
        ('{"Version":"2012-10-17","statement":[]}', "Unknown field statement"),
        (policy_text({**trusting("*"), "_comment": "x"}), "Unknown field _comment"),
        (policy_text(trusting("*", Condition={"stringEquals": {"a:b": "c"}})), "Invalid Condition type : stringEquals"),
        (policy_text(trusting("*", Condition={"anything": {}})), "Invalid Condition type : anything"),
        (policy_text(trusting("*", Condition=["StringEquals"])), "Syntax errors in policy."),
        ("[]", "Syntax errors in policy."),
        (policy_text(trusting({"Person": "x"})), "Syntax errors in policy."),
        (policy_text(trusting("me")), "Syntax errors in policy."),
        (policy_text({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (policy_text(trusting({})), "Missing required field Principal cannot be empty!"),
        (policy_text(trusting({"AWS": []})), "Missing required field Principal cannot be empty!"),
        (policy_text({"Effect": "Allow", "Principal": "*"}), "Missing required field Action"),
        (policy_text(trusting("*", Resource="*")), "Has prohibited field Resource"),
        (policy_text(trusting("*", NotResource="*")), "AssumeRole policy must not contain resources."),
        (
            policy_text({"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}),
            "Allow with NotPrincipal is not allowed.",
        ),
        (policy_text(trusting("*", "*")), ACTIONS),
        (policy_text(trusting("*", "s3:GetObject")), ACTIONS),
        (policy_text(trusting("*", ["sts:AssumeRole", "sts:GetCallerIdentity"])), ACTIONS),
        (
            policy_text(trusting("*", "AssumeRole")),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (policy_text({**trusting("*"), "Effect": "allow"}), "The policy failed legacy parsing"),
        (policy_text(trusting("*", Sid="a"), trusting("*", Sid="a")), "Statement IDs (SID) in a single policy must be unique."),
        (policy_text(trusting({"AWS": "eve"})), 'Invalid principal in policy: "AWS":"eve"'),
        (policy_text(trusting({"AWS": ["*", "arn:aws:s3:::b"]})), 'Invalid principal in policy: "AWS":"arn:aws:s3:::b"'),
        (
            policy_text(trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"})),
            f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:user/*"',
        ),
        (policy_text(trusting({"Service": "ec2"})), 'Invalid principal in policy: "SERVICE":"ec2"'),
        (policy_text(trusting({"Federated": "not a domain"}, "sts:AssumeRoleWithWebIdentity")), FEDERATED),
    ],
)
def test_what_is_said_about_trust_policies(text: str, message: str) -> None:
    """Each fault in the words of policies of resources."""
    assert refusal(text, "trust") == message


@pytest.mark.parametrize(
    ("principal", "action"),
    [
        ("*", "sts:AssumeRole"),
        ({"AWS": ACCOUNT}, "sts:AssumeRole"),
        ({"AWS": [f"arn:aws:iam::{ACCOUNT}:root", USER_ARN, ROLE_ARN, SESSION_ARN]}, ["sts:AssumeRole", "sts:TagSession"]),
        ({"AWS": "AROAEXAMPLEEXAMPLE123"}, "STS:assumerole"),
        ({"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}, "sts:AssumeRole*"),
        ({"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.com/tenant"}, "sts:AssumeRoleWithWebIdentity"),
        ({"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/okta"}, "sts:AssumeRoleWithSAML"),
        ({"Federated": "cognito-identity.amazonaws.com"}, ["sts:AssumeRoleWithWebIdentity", "sts:SetSourceIdentity"]),
        ({"AWS": ACCOUNT, "Service": "lambda.amazonaws.com"}, "sts:*"),
    ],
)
def test_what_is_a_trust_policy(principal: Any, action: Any) -> None:
    """Accounts, users, roles, sessions, services and providers may be trusted, in documents of either version."""
    for version in ("2012-10-17", "2008-10-17", ""):
        assert refusal(policy_text(trusting(principal, action), version=version), "trust") == ""


def test_a_deny_may_have_not_principal() -> None:
    """Everyone but the ones named is denied."""
    statement = {"Effect": "Deny", "NotPrincipal": {"AWS": USER_ARN}, "Action": "sts:AssumeRole"}
    assert refusal(policy_text(statement), "trust") == ""


def test_other_policies_of_resources_need_a_resource() -> None:
    """They have one, may name any action, and need a principal too."""
    statement = trusting({"AWS": ACCOUNT}, "secretsmanager:GetSecretValue")
    assert refusal(policy_text(statement), "resource") == "Missing required field Resource"
    assert refusal(policy_text({**statement, "Resource": "*"}), "resource") == ""
    assert refusal(json.dumps({"Statement": {"Effect": "Allow"}}), "resource") == "Missing required field Principal"


def test_a_principal_that_does_not_exist_is_named() -> None:
    """The account says so with the same words as for one that cannot exist."""
    error = invalid_principal("AWS", USER_ARN)
    assert error.message == f'Invalid principal in policy: "AWS":"{USER_ARN}"'

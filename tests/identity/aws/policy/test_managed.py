"""AWS's managed policies: found by the ARNs that people name, valid, and saying what they are known for."""

from __future__ import annotations

import json

import pytest

from brownout.identity.aws.policy.document import PolicyDocument
from brownout.identity.aws.policy.evaluate import evaluate
from brownout.identity.aws.policy.managed import aws_managed_policies
from brownout.identity.aws.policy.parse import parse_document
from support.aws_policies import request

NAMED = (
    *("AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "IAMFullAccess", "IAMReadOnlyAccess", "SecurityAudit"),
    *("job-function/ViewOnlyAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AmazonEC2FullAccess"),
    *("service-role/AWSLambdaBasicExecutionRole", "SecretsManagerReadWrite", "AmazonSSMManagedInstanceCore"),
    *("service-role/AmazonECSTaskExecutionRolePolicy", "AmazonEKSClusterPolicy", "CloudWatchLogsFullAccess", "AWSDenyAll"),
)


def of_aws(name: str) -> PolicyDocument:
    return parse_document(aws_managed_policies()[f"arn:aws:iam::aws:policy/{name}"].document, "managed")


def test_the_names_that_people_use_are_there() -> None:
    """Each by its ARN, with the path that AWS has it at."""
    assert {f"arn:aws:iam::aws:policy/{name}" for name in NAMED} <= set(aws_managed_policies())


@pytest.mark.parametrize("arn", list(aws_managed_policies()))
def test_every_policy_is_a_valid_record(arn: str) -> None:
    """Its document parses as a managed policy, its record survives JSON, and its ARN ends with path and name."""
    policy = aws_managed_policies()[arn]
    assert parse_document(policy.document, "managed").statements
    assert type(policy).from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert arn == f"arn:aws:iam::aws:policy{policy.path}{policy.name}"
    assert policy.default_version == policy.versions[0].version_id
    assert policy.created_s <= policy.updated_s
    assert policy.description.endswith(".")


def test_ids_are_unique() -> None:
    """No two policies share an id."""
    assert len({policy.policy_id for policy in aws_managed_policies().values()}) == len(aws_managed_policies())


@pytest.mark.parametrize(
    ("name", "action", "allowed"),
    [
        ("AdministratorAccess", "iam:DeleteUser", True),
        ("PowerUserAccess", "s3:PutObject", True),
        ("PowerUserAccess", "iam:CreateUser", False),
        ("PowerUserAccess", "iam:ListRoles", True),
        ("ReadOnlyAccess", "s3:GetObject", True),
        ("ReadOnlyAccess", "iam:ListUsers", True),
        ("ReadOnlyAccess", "s3:PutObject", False),
        ("ReadOnlyAccess", "secretsmanager:GetSecretValue", False),
        ("ReadOnlyAccess", "sts:AssumeRole", False),
        ("SecurityAudit", "iam:GetRole", True),
        ("SecurityAudit", "s3:GetObject", False),
        ("job-function/ViewOnlyAccess", "iam:ListUsers", True),
        ("job-function/ViewOnlyAccess", "iam:GetUser", False),
        ("IAMFullAccess", "iam:CreateUser", True),
        ("IAMFullAccess", "s3:GetObject", False),
        ("IAMReadOnlyAccess", "iam:SimulatePrincipalPolicy", True),
        ("IAMReadOnlyAccess", "iam:CreateUser", False),
        ("SecretsManagerReadWrite", "secretsmanager:GetSecretValue", True),
        ("AWSDenyAll", "s3:GetObject", False),
        ("service-role/AWSLambdaBasicExecutionRole", "logs:PutLogEvents", True),
    ],
)
def test_policies_allow_what_they_are_known_for(name: str, action: str, allowed: bool) -> None:
    """A policy of AWS allows the actions of its name and not its neighbours'."""
    assert evaluate(request(action, "*"), [of_aws(name)]).allowed is allowed

"""Which services a policy allows something of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.identity.aws.control.operations.policies.granted import SERVICE_NAMES, granted_services

ALL = frozenset(SERVICE_NAMES)


@pytest.mark.parametrize(
    ("statements", "services"),
    [
        ([{"Effect": "Allow", "Action": "s3:GetObject"}], {"s3"}),
        ([{"Effect": "Allow", "Action": ["S3:Get*", "sts:*", "other:Thing"]}], {"s3", "sts", "other"}),
        ([{"Effect": "Allow", "Action": "*"}], ALL),
        ([{"Effect": "Allow", "Action": "cloud*:*"}], {"cloudformation", "cloudtrail", "cloudwatch"}),
        ([{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"]}], ALL - {"iam", "organizations"}),
        ([{"Effect": "Allow", "NotAction": "iam:CreateUser"}], ALL),
        ([{"Effect": "Allow", "NotAction": "*"}], set()),
        ([{"Effect": "Deny", "Action": "s3:*"}], set()),
        ([{"Effect": "Deny", "Action": "s3:*"}, {"Effect": "Allow", "Action": "ec2:Run*"}], {"ec2"}),
    ],
)
def test_services_of_statements(statements: list[dict[str, Any]], services: set[str]) -> None:
    """Allowing statements count, in any case of letters; a service that is not known counts when it is named."""
    document = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"} for statement in statements]}
    assert granted_services(json.dumps(document)) == services


def test_a_single_statement_needs_no_list() -> None:
    """IAM takes both forms."""
    document = {"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
    assert granted_services(json.dumps(document)) == {"s3"}

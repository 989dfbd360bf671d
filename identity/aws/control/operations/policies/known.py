"""Managed policies as operations see them: the account's own, and those of AWS, which every account can attach.

How often a policy is used is counted beside it, in a record that AWS's policies have too (`PolicyUse`), because listing and
deleting ask for it and no list of entities shall be searched then.
"""

from __future__ import annotations

import re
from dataclasses import replace

from brownout.identity.aws import arns
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError, invalid_input, no_such_entity
from brownout.identity.aws.policy.managed import aws_managed_policies
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyUse

SERVICE_ROLE_PATH = "/aws-service-role/"
_POLICY_ARN = re.compile(r"arn:aws[\w-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+\Z")


def find_policy(tx: Transaction, arn: str) -> ManagedPolicy | None:
    """The account's or AWS's policy of that ARN; raises InvalidInput for what is no ARN of a policy."""
    if not _POLICY_ARN.match(arn):
        raise invalid_input(f"ARN {arn} is not valid.")
    return aws_managed_policies().get(arn) or tx.get(ManagedPolicy, arn)


def known_policy(tx: Transaction, arn: str) -> ManagedPolicy:
    """The policy of that ARN; raises NoSuchEntity."""
    found = find_policy(tx, arn)
    if found is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    return found


def own_policy(tx: Transaction, arn: str) -> ManagedPolicy:
    """The policy of that ARN, which the account may change; raises AccessDenied for one of AWS."""
    found = known_policy(tx, arn)
    if is_of_aws(arn):
        raise AwsError.of("AccessDenied", "Policy is outside your own account.")
    return found


def is_of_aws(arn: str) -> bool:
    return arns.Arn.parse(arn).account == "aws"


def is_attachable(policy: ManagedPolicy) -> bool:
    """False for policies that belong to a service's own role."""
    return not (policy.path.startswith(SERVICE_ROLE_PATH) and is_of_aws(policy.arn))


def use_of(tx: Transaction, arn: str) -> PolicyUse:
    return tx.get(PolicyUse, arn) or PolicyUse(arn)


def count_use(tx: Transaction, arn: str, attached: int = 0, as_boundary: int = 0) -> None:
    """Adds to the counts of a policy's use."""
    before = use_of(tx, arn)
    after = replace(before, attached=before.attached + attached, as_boundary=before.as_boundary + as_boundary)
    assert min(after.attached, after.as_boundary) >= 0, f"{arn} is used less than never"
    if after.attached or after.as_boundary:
        tx.put(after)
    else:
        tx.delete(after)

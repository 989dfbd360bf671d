"""The managed policies of AWS that people name most, as records that no account owns. Their data is `managed_policies.json`.

The small ones say what those of AWS say. Those that list actions of many services (ReadOnlyAccess, SecurityAudit,
ViewOnlyAccess) or every action of one (AmazonSNSFullAccess, AmazonDynamoDBReadOnlyAccess and their like) have the structure of
the originals with the actions in common use: the originals are long and change often. Ids are not those of AWS.
Wire facts: docs/reference/aws-wire.md#managed-policies-of-aws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from brownout.identity.aws import arns, ids
from brownout.identity.aws.policy.syntax import VERSION_2012
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyVersion

DATA = "managed_policies.json"


@cache
def aws_managed_policies() -> Mapping[str, ManagedPolicy]:
    """By ARN, in the order of their names. Each has its default version only; AWS shows former ones too."""
    text = resources.files(__package__).joinpath(DATA).read_text(encoding="utf-8")
    found = [_policy(name, raw) for name, raw in sorted(json.loads(text).items())]
    return {policy.arn: policy for policy in found}


def _policy(name: str, raw: Mapping[str, Any]) -> ManagedPolicy:
    document = json.dumps({"Version": VERSION_2012, "Statement": raw["statements"]}, indent=4)
    updated_s = _epoch_s(raw["updated"])
    return ManagedPolicy(
        name=name,
        policy_id=ids.unique_id(ids.POLICY, name),
        arn=arns.policy("aws", raw["path"], name),
        created_s=_epoch_s(raw["created"]),
        updated_s=updated_s,
        versions=(PolicyVersion(raw["version"], document, updated_s),),
        default_version=raw["version"],
        last_number=int(raw["version"].removeprefix("v")),
        path=raw["path"],
        description=raw["description"],
    )


def _epoch_s(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()

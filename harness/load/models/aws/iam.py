"""iam: an administrator makes one call of the control plane, from the region in which the administrator is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from brownout.harness.load.models.aws.calls import ADMIN, APP_ROLE, CALLER, Parameters, accepted, access_key_of, iam, told_of
from brownout.harness.load.models.model import Arrival, ClientModel, Clients, Operation, Script, Typical

TRUST = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
LOAD_POLICY = "load"


def _document(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _queue(arrival: Arrival) -> Mapping[str, object]:
    """A statement that differs from arrival to arrival and allows nothing that a load asks for."""
    return {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:::{arrival.id}"}


class Administrator(NamedTuple):
    """One thing that administrators ask for: IAM's action with its parameters, and the member that botocore then reads."""

    operation: Operation
    action: str
    fields: Callable[[Arrival], Parameters]
    member: str = ""


ASKED = (
    Administrator(Operation("list-users", weight=1, home="none"), "ListUsers", lambda _: {}, "IsTruncated"),
    Administrator(Operation("get-role", home="none"), "GetRole", lambda _: {"RoleName": APP_ROLE}, "Arn"),
    Administrator(Operation("key-last-used", home="none"), "ListAccessKeys", lambda _: {"UserName": CALLER}, "AccessKeyId"),
    Administrator(
        Operation("create-role", home="none"),
        "CreateRole",
        lambda arrival: {"RoleName": arrival.id[:64], "AssumeRolePolicyDocument": _document(TRUST)},
        "RoleId",
    ),
    Administrator(
        Operation("put-role-policy", home="none"),
        "PutRolePolicy",
        lambda arrival: {
            "RoleName": APP_ROLE,
            "PolicyName": LOAD_POLICY,
            "PolicyDocument": _document(
                {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:::{arrival.id}"}
            ),
        },
        "RequestId",
    ),
)
_BY_NAME = {asked.operation.name: asked for asked in ASKED}


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One call, good when its answer has what botocore reads of it."""
    asked = _BY_NAME[arrival.operation]
    key = access_key_of(clients.account, ADMIN)
    response = yield iam(arrival, asked.action, asked.fields(arrival), key, now_s)
    return accepted(response, asked.member)._replace(credentials=told_of(key))


IAM = ClientModel(
    name="iam",
    vendor="aws",
    by_name=True,
    operations=tuple(asked.operation for asked in ASKED),
    script=script,
    target=0.99,
    needs_access_keys=True,
    typical=(
        # Nothing here grows without end: such a load may go on for days.
        Typical(
            cohort="administrators",
            share=0.05,
            probe="administrator",
            on="nothing",
            mix={"list-users": 0.4, "get-role": 0.3, "put-role-policy": 0.3},
        ),
    ),
)

"""new-role: a provisioning program creates roles for its jobs and, minutes later, works as them in its region.

A client that needs a new role depends on the control plane and on the propagation of its changes. A client that uses an
existing role depends on neither.
"""

from __future__ import annotations

import json
from collections import deque

from brownout.harness.load.models.aws.assume_role import credentials_result, wanted
from brownout.harness.load.models.aws.calls import ADMIN, CALLER, accepted, access_key_of, iam, shown_by, sts
from brownout.harness.load.models.model import Arrival, ArrivalResult, ClientModel, Clients, Operation, Script
from brownout.identity.aws.arns import role, root

CREATE, USE = "create-role", "use-new-role"
USED_AFTER_S, FORGOTTEN_AFTER_S = 120.0, 1800.0
NOTHING_CREATED = ArrivalResult(0, "refused", "no-new-role")


class CreatedRoles(dict[str, "deque[tuple[float, str]]"]):
    """By region: when each creation was tried there (emulated), and the role's name, "" where it failed."""


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One role created, or the newest that has been there for two minutes assumed.

    A program that has not yet tried for so long has nothing to use, and creates one.
    """
    tried = clients.memory(CreatedRoles).setdefault(arrival.region, deque())
    while tried and tried[0][0] < now_s - FORGOTTEN_AFTER_S:
        tried.popleft()
    usable = [name for tried_s, name in tried if tried_s <= now_s - USED_AFTER_S]
    account_id = clients.account.aws_account_id
    if arrival.operation == CREATE or not usable:
        fields = {"RoleName": arrival.id[:64], "AssumeRolePolicyDocument": _trusts(root(account_id))}
        key = access_key_of(clients.account, ADMIN)
        result = accepted((yield iam(arrival, "CreateRole", fields, key, now_s)), "RoleId")
        result = result._replace(credentials=str(shown_by(key)))
        tried.append((now_s, arrival.id[:64] if result.outcome == "happened" else ""))
        return result
    name = next((name for name in reversed(usable) if name), "")
    if not name:
        return NOTHING_CREATED
    arn, key = role(account_id, "/", name), access_key_of(clients.account, CALLER)
    answer = yield sts(arrival, "AssumeRole", {"RoleArn": arn, "RoleSessionName": arrival.id[:64]}, key, now_s)
    return credentials_result(answer, now_s, key, wanted(account_id, arn))


def _trusts(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


NEW_ROLE = ClientModel(
    name="new-role",
    vendor="aws",
    by_name=True,
    operations=(Operation(CREATE, weight=1, home="none"), Operation(USE, home="none")),
    script=script,
    target=0.99,
    needs_access_keys=True,
)

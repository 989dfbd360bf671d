"""Roles that belong to a service: made for it under its own path, changed by it alone, deleted as a task.

A deletion is done when it is asked for, for no service here has resources that need its role. So a task has succeeded as soon
as it exists, which the id alone tells.
Wire facts: docs/reference/aws-wire.md#service-linked-roles.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import known_role
from brownout.identity.aws.control.operations.policies.known import count_use
from brownout.identity.aws.control.operations.roles.linked_services import LINKED_SERVICES
from brownout.identity.aws.control.operations.roles.roles import RESERVED_PATH, new_role, remove_role, role_shape
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import access_denied, invalid_input, no_such_entity
from brownout.identity.aws.policy.managed import aws_managed_policies
from brownout.identity.aws.records.principals import Role

_TASK = re.compile(r"task/aws-service-role/[\w+=,.@-]+/[\w+=,.@-]+/[0-9a-f-]{36}\Z")


@operation("CreateServiceLinkedRole")
def create_service_linked_role(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    host, suffix = params["AWSServiceName"], params.get("CustomSuffix", "")
    service = LINKED_SERVICES.get(host)
    if service is None:
        raise access_denied(f"Cannot find Service Linked Role template for {host}")
    if suffix and not service.takes_suffix:
        raise invalid_input(f"Custom suffix is not allowed for {host}")
    name = f"{service.role_name}_{suffix}" if suffix else service.role_name
    if tx.get(Role, name.lower()) is not None:
        raise invalid_input(f"Service role name {name} has been taken in this account, please try a different suffix.")
    policy_arn = arns.policy("aws", RESERVED_PATH, service.policy_name)
    role = new_role(tx, name, f"{RESERVED_PATH}{host}/", _trust(host))
    made = replace(role, description=params.get("Description", ""))
    if policy_arn in aws_managed_policies():  # not all of AWS's policies are here, and none is attached that cannot be read
        made = replace(made, attached=(policy_arn,))
        count_use(tx, policy_arn, attached=1)
    tx.put(made)
    return {"Role": role_shape(made)}


def _trust(host: str) -> str:
    statement = {"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [host]}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@operation("DeleteServiceLinkedRole")
def delete_service_linked_role(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    role = known_role(tx, params["RoleName"])
    if not role.is_service_linked:
        raise no_such_entity(f"The role with name {role.name} cannot be found.")
    for arn in role.attached:
        count_use(tx, arn, attached=-1)
    remove_role(tx, role)
    return {"DeletionTaskId": f"task{role.path}{role.name}/{tx.new_uuid()}"}


@operation("GetServiceLinkedRoleDeletionStatus")
def get_service_linked_role_deletion_status(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    task = params["DeletionTaskId"]
    if not _TASK.match(task):
        raise invalid_input("Invalid deletion task id.")
    return {"Status": "SUCCEEDED"}

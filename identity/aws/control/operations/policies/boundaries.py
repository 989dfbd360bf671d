"""Permissions boundaries of users and roles: the managed policy that their permissions never exceed.

Wire facts: docs/reference/aws-wire.md#permissions-boundaries.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import changeable_role, known_user
from brownout.identity.aws.control.operations.policies.attachments import attachable_policy
from brownout.identity.aws.control.operations.policies.known import count_use
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import no_such_entity
from brownout.identity.aws.records.principals import Role, User


@operation("PutUserPermissionsBoundary")
def put_user_permissions_boundary(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    put_with_boundary(tx, known_user(tx, params["UserName"]), params["PermissionsBoundary"])


@operation("PutRolePermissionsBoundary")
def put_role_permissions_boundary(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    put_with_boundary(tx, changeable_role(tx, params["RoleName"]), params["PermissionsBoundary"])


@operation("DeleteUserPermissionsBoundary")
def delete_user_permissions_boundary(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    user = known_user(tx, params["UserName"])
    if not user.boundary:
        raise no_such_entity(f"The user with name {user.name} does not have a permissions boundary.")
    put_with_boundary(tx, user, "")


@operation("DeleteRolePermissionsBoundary")
def delete_role_permissions_boundary(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    role = changeable_role(tx, params["RoleName"])
    if not role.boundary:
        raise no_such_entity(f"The role with name {role.name} does not have a permissions boundary.")
    put_with_boundary(tx, role, "")


def put_with_boundary(tx: Transaction, holder: User | Role, arn: str) -> None:
    """Stores the user or role, new or known, with this boundary in place of the one it had; "" for none.

    Raises InvalidInput, NoSuchEntity and PolicyNotAttachable for a policy that cannot be a boundary.
    """
    if arn:
        word = "User" if isinstance(holder, User) else "Role"
        attachable_policy(tx, arn, f"Scope ARN: {arn} does not exist or is not attachable.", word)
    if holder.boundary != arn:
        if holder.boundary:
            count_use(tx, holder.boundary, as_boundary=-1)
        if arn:
            count_use(tx, arn, as_boundary=1)
    tx.put(replace(holder, boundary=arn))


def boundary_shape(arn: str) -> OperationResult:
    """The member `PermissionsBoundary` of an answer, or nothing at all."""
    if not arn:
        return {}
    return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}}

"""Roles: made, shown, listed, changed, deleted.

Wire facts: docs/reference/aws-wire.md#roles.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import changeable_role, known_role
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.boundaries import boundary_shape, put_with_boundary
from brownout.identity.aws.control.operations.policies.documents import encoded
from brownout.identity.aws.control.operations.roles.trust import checked_trust, forget_principal
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import delete_conflict, entity_already_exists, limit_exceeded, validation_error
from brownout.identity.aws.records.principals import SHORTEST_SESSION_S, InstanceProfile, LastUsed, Role

MOST_ROLES = 1000
RESERVED_PATH = "/aws-service-role/"


@operation("CreateRole")
def create_role(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    path = params.get("Path", "/")
    if path.startswith(RESERVED_PATH):
        raise validation_error("A role with the requested path can only be created through CreateServiceLinkedRole.")
    role = new_role(tx, params["RoleName"], path, checked_trust(tx, params["AssumeRolePolicyDocument"]))
    made = replace(
        role,
        description=params.get("Description", ""),
        max_session_s=params.get("MaxSessionDuration", SHORTEST_SESSION_S),
        tags=tags_of(params),
    )
    boundary = params.get("PermissionsBoundary", "")
    put_with_boundary(tx, made, boundary)
    tags = {"Tags": tag_list(made.tags)} if made.tags else {}
    return {"Role": {**role_shape(made), **boundary_shape(boundary), **tags}}


def new_role(tx: Transaction, name: str, path: str, trust: str) -> Role:
    """A role that is not stored yet; raises EntityAlreadyExists, LimitExceeded."""
    if tx.get(Role, name.lower()) is not None:
        raise entity_already_exists(f"Role with name {name} already exists.")
    if len(tx.table(Role)) >= MOST_ROLES:
        raise limit_exceeded(f"Cannot exceed quota for RolesPerAccount: {MOST_ROLES}")
    return Role(name, tx.new_id(ids.ROLE), arns.role(tx.account_id, path, name), tx.now_s, trust, path)


def role_shape(role: Role) -> OperationResult:
    """What lists and other entities tell of a role."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.role_id,
        "Arn": role.arn,
        "CreateDate": role.created_s,
        "AssumeRolePolicyDocument": encoded(role.trust),
        **({"Description": role.description} if role.description else {}),
        "MaxSessionDuration": role.max_session_s,
    }


def whole_role_shape(tx: Transaction, role: Role) -> OperationResult:
    """All that GetRole tells of a role."""
    tags = {"Tags": tag_list(role.tags)} if role.tags else {}
    return {**role_shape(role), **boundary_shape(role.boundary), **tags, "RoleLastUsed": last_used_shape(tx, role)}


def last_used_shape(tx: Transaction, role: Role) -> OperationResult:
    """When and where the role was last used; empty for a role that never was."""
    used = tx.get(LastUsed, f"role/{role.name}")
    return {} if used is None else {"LastUsedDate": used.at_s, "Region": used.region}


@operation("GetRole")
def get_role(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return {"Role": whole_role_shape(tx, known_role(tx, params["RoleName"]))}


@operation("ListRoles")
def list_roles(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    roles, prefix = tx.table(Role), params.get("PathPrefix", "/")
    keys = roles.sorted_keys
    found = page(params, keys if prefix == "/" else [key for key in keys if roles[key].path.startswith(prefix)])
    return found.result("Roles", [role_shape(roles[key]) for key in found.keys])


@operation("UpdateRole")
def update_role(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """The description stays as it is when none is given; the longest session falls back to an hour."""
    changes_session = "MaxSessionDuration" in params
    role = changeable_role(tx, params["RoleName"]) if changes_session else known_role(tx, params["RoleName"])
    longest = params.get("MaxSessionDuration", SHORTEST_SESSION_S)
    tx.put(replace(role, description=params.get("Description", role.description), max_session_s=longest))
    return {}


@operation("UpdateRoleDescription")
def update_role_description(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """The description is all that an account may change of a service's own role."""
    role = replace(known_role(tx, params["RoleName"]), description=params["Description"])
    tx.put(role)
    return {"Role": role_shape(role)}


@operation("UpdateAssumeRolePolicy")
def update_assume_role_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    role = changeable_role(tx, params["RoleName"])
    tx.put(replace(role, trust=checked_trust(tx, params["PolicyDocument"])))


@operation("DeleteRole")
def delete_role(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    role = changeable_role(tx, params["RoleName"])
    if any(profile.role_name.lower() == role.table_key for profile in tx.table(InstanceProfile).values()):
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    if role.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if role.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    remove_role(tx, role)


def remove_role(tx: Transaction, role: Role) -> None:
    """Deletes a role that nothing hangs on any more, and what is known of its use."""
    forget_principal(tx, role)
    put_with_boundary(tx, role, "")
    tx.delete(role)
    used = tx.get(LastUsed, f"role/{role.name}")
    if used is not None:
        tx.delete(used)

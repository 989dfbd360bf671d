"""Users: made, shown, listed, deleted. Wire facts: docs/reference/aws-wire.md#users-and-groups."""

from __future__ import annotations

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import forget_last_use, owned_by
from brownout.identity.aws.control.operations.callers import meant_user
from brownout.identity.aws.control.operations.entities import known_user
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.boundaries import boundary_shape, put_with_boundary
from brownout.identity.aws.control.operations.roles.trust import forget_principal
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import delete_conflict, entity_already_exists, limit_exceeded
from brownout.identity.aws.records.credentials import LoginProfile
from brownout.identity.aws.records.principals import LastUsed, User

MOST_USERS = 5000


@operation("CreateUser")
def create_user(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    name, path = params["UserName"], params.get("Path", "/")
    if tx.get(User, name.lower()) is not None:
        raise entity_already_exists(f"User with name {name} already exists.")
    if len(tx.table(User)) >= MOST_USERS:
        raise limit_exceeded(f"Cannot exceed quota for UsersPerAccount: {MOST_USERS}")
    made = User(name, tx.new_id(ids.USER), arns.user(tx.account_id, path, name), tx.now_s, path, tags_of(params))
    boundary = params.get("PermissionsBoundary", "")
    put_with_boundary(tx, made, boundary)
    tags = {"Tags": tag_list(made.tags)} if made.tags else {}
    return {"User": {**user_shape(tx, made), **boundary_shape(boundary), **tags}}


def user_shape(tx: Transaction, user: User) -> OperationResult:
    """What lists and other entities tell of a user."""
    used = tx.get(LastUsed, f"password/{user.name}")
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.user_id,
        "Arn": user.arn,
        "CreateDate": user.created_s,
        **({} if used is None else {"PasswordLastUsed": used.at_s}),
    }


@operation("GetUser")
def get_user(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """The user of that name, or who calls; the root is a user without a name."""
    if caller.is_root and "UserName" not in params:
        root = {"Path": "/", "UserName": "", "UserId": tx.account_id, "Arn": arns.root(tx.account_id), "CreateDate": 0.0}
        return {"User": root}
    user = meant_user(tx, params, caller)
    tags = {"Tags": tag_list(user.tags)} if user.tags else {}
    return {"User": {**user_shape(tx, user), **boundary_shape(user.boundary), **tags}}


@operation("ListUsers")
def list_users(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    users, prefix = tx.table(User), params.get("PathPrefix", "/")
    keys = users.sorted_keys
    found = page(params, keys if prefix == "/" else [key for key in keys if users[key].path.startswith(prefix)])
    return found.result("Users", [user_shape(tx, users[key]) for key in found.keys])


@operation("DeleteUser")
def delete_user(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    user = known_user(tx, params["UserName"])
    owned = owned_by(tx, user.name)
    conflicts = (
        (owned.access_keys, "must delete access keys first"),
        (user.groups, "must remove users from group first"),
        (tx.get(LoginProfile, user.table_key), "must delete login profile first"),
        (owned.mfa_devices, "must delete MFA device first"),
        (owned.signing_certificates, "must delete signing certificates first"),
        (owned.ssh_public_keys or owned.service_credentials, "must remove referenced objects first"),
        (user.attached, "must detach all policies first"),
        (user.inline, "must delete policies first"),
    )
    for found, what in conflicts:
        if found:
            raise delete_conflict(f"Cannot delete entity, {what}.")
    put_with_boundary(tx, user, "")
    forget_principal(tx, user)
    forget_last_use(tx, f"password/{user.name}")
    tx.delete(owned)
    tx.delete(user)

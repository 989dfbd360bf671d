"""Users: made, shown, listed, renamed, deleted. Wire facts: docs/reference/aws-wire.md#users-and-groups."""

from __future__ import annotations

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import owned_by
from brownout.identity.aws.control.operations.entities import known_user
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import delete_conflict, entity_already_exists, limit_exceeded, validation_error
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
    tx.put(made)
    tags = {"Tags": tag_list(made.tags)} if made.tags else {}
    return {"User": {**user_shape(tx, made), **tags}}


def user_shape(tx: Transaction, user: User) -> dict[str, object]:
    """What lists and other entities tell of a user."""
    used = tx.get(LastUsed, f"password/{user.table_key}")
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
    if "UserName" not in params and caller.is_root:
        root = {"Path": "/", "UserName": "", "UserId": tx.account_id, "Arn": arns.root(tx.account_id), "CreateDate": 0.0}
        return {"User": root}
    user = known_user(tx, meant_user_name(params, caller))
    tags = {"Tags": tag_list(user.tags)} if user.tags else {}
    return {"User": {**user_shape(tx, user), **tags}}


def meant_user_name(params: OperationParams, caller: Caller) -> str:
    """The name that the call gives, or the caller's own; raises ValidationError for a caller who is no user."""
    if "UserName" in params:
        return str(params["UserName"])
    if caller.kind != "user":
        raise validation_error("Must specify userName when calling with non-User credentials")
    return caller.principal_name


@operation("ListUsers")
def list_users(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    users, prefix = tx.table(User), params.get("PathPrefix", "/")
    keys = users.sorted_keys
    found = page(params, keys if prefix == "/" else [key for key in keys if users[key].path.startswith(prefix)])
    return found.result("Users", [user_shape(tx, users[key]) for key in found.keys])


@operation("DeleteUser")
def delete_user(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    user = known_user(tx, params["UserName"])
    owned = owned_by(tx, user)
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
    tx.delete(user)
    tx.delete(owned)
    used = tx.get(LastUsed, f"password/{user.table_key}")
    if used is not None:
        tx.delete(used)

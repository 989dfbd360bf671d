"""Login profiles: who may sign in with a password, and passwords changed by administrators and by users themselves.

Wire facts: docs/reference/aws-wire.md#passwords.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.callers import meant_user
from brownout.identity.aws.control.operations.credentials.passwords import (
    check_password,
    forget_password,
    is_password,
    set_password,
    set_reset_required,
)
from brownout.identity.aws.control.operations.entities import known_user
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError, entity_already_exists, no_such_entity, validation_error
from brownout.identity.aws.records.credentials import LoginProfile
from brownout.identity.aws.records.principals import User


@operation("CreateLoginProfile")
def create_login_profile(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    user = meant_user(tx, params, caller)
    if tx.get(LoginProfile, user.table_key) is not None:
        raise entity_already_exists(f"Login Profile for user {user.name} already exists.")
    if "Password" not in params:
        raise validation_error("Password is required")
    check_password(tx, user, params["Password"])
    made = LoginProfile(user.name, tx.now_s, tx.now_s, params.get("PasswordResetRequired", False))
    set_password(tx, user, params["Password"], reset_required=made.reset_required)
    tx.put(made)
    return {"LoginProfile": _shape(made)}


def _shape(profile: LoginProfile) -> OperationResult:
    return {
        "UserName": profile.user_name,
        "CreateDate": profile.created_s,
        "PasswordResetRequired": profile.reset_required,
    }


@operation("GetLoginProfile")
def get_login_profile(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return {"LoginProfile": _shape(_known_profile(tx, meant_user(tx, params, caller)))}


def _known_profile(tx: Transaction, user: User) -> LoginProfile:
    found = tx.get(LoginProfile, user.table_key)
    if found is None:
        raise no_such_entity(f"Login Profile for User {user.name} cannot be found.")
    return found


@operation("UpdateLoginProfile")
def update_login_profile(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """What the call leaves away stays as it is."""
    user = known_user(tx, params["UserName"])
    before = _known_profile(tx, user)
    after = replace(before, reset_required=params.get("PasswordResetRequired", before.reset_required))
    if "Password" in params:
        check_password(tx, user, params["Password"])
        set_password(tx, user, params["Password"], reset_required=after.reset_required)
        after = replace(after, changed_s=tx.now_s)
    elif after.reset_required != before.reset_required:
        set_reset_required(tx, user, after.reset_required)
    tx.put(after)


@operation("DeleteLoginProfile")
def delete_login_profile(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    user = meant_user(tx, params, caller)
    tx.delete(_known_profile(tx, user))
    forget_password(tx, user)


@operation("ChangePassword")
def change_password(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """A user's own password, by the old one. Whether users may is a matter of policies and of the sign-in page."""
    if caller.kind != "user":
        raise AwsError.of("InvalidUserType", "Only IAM Users can change their own password")
    user = known_user(tx, caller.principal_name)
    profile = _known_profile(tx, user)
    if not is_password(tx, user, params["OldPassword"]):
        raise AwsError("AccessDenied", 403, "The old password was incorrect.")
    check_password(tx, user, params["NewPassword"])
    set_password(tx, user, params["NewPassword"], reset_required=False)
    tx.put(replace(profile, changed_s=tx.now_s, reset_required=False))

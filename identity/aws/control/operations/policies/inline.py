"""Policies that are part of one user, group or role.

Wire facts: docs/reference/aws-wire.md#inline-policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import (
    PolicyHolder,
    changeable_role,
    known_group,
    known_role,
    known_user,
)
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.documents import encoded
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import no_such_entity
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.sizes import PolicyOwner, check_inline_size
from brownout.identity.aws.records.principals import Group, Role, User

_WORDS: Mapping[type[PolicyHolder], PolicyOwner] = {User: "user", Group: "group", Role: "role"}


@operation("PutUserPolicy")
def put_user_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _put(tx, known_user(tx, params["UserName"]), params)


@operation("PutGroupPolicy")
def put_group_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _put(tx, known_group(tx, params["GroupName"]), params)


@operation("PutRolePolicy")
def put_role_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _put(tx, changeable_role(tx, params["RoleName"]), params)


def _put(tx: Transaction, holder: PolicyHolder, params: OperationParams) -> None:
    """Adds the policy or replaces the one of its name; raises MalformedPolicyDocument, LimitExceeded."""
    document = params["PolicyDocument"]
    parse_document(document, "identity")
    inline = {**holder.inline, params["PolicyName"]: document}
    check_inline_size(_WORDS[type(holder)], holder.name, inline.values())
    tx.put(replace(holder, inline=inline))


@operation("GetUserPolicy")
def get_user_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    user = known_user(tx, params["UserName"])
    return {"UserName": user.name, **_shape(user, params["PolicyName"])}


@operation("GetGroupPolicy")
def get_group_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    group = known_group(tx, params["GroupName"])
    return {"GroupName": group.name, **_shape(group, params["PolicyName"])}


@operation("GetRolePolicy")
def get_role_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    role = known_role(tx, params["RoleName"])
    return {"RoleName": role.name, **_shape(role, params["PolicyName"])}


def _shape(holder: PolicyHolder, name: str) -> OperationResult:
    return {"PolicyName": name, "PolicyDocument": encoded(_document(holder, name))}


def _document(holder: PolicyHolder, name: str) -> str:
    if name not in holder.inline:
        raise no_such_entity(f"The {_WORDS[type(holder)]} policy with name {name} cannot be found.")
    return holder.inline[name]


@operation("DeleteUserPolicy")
def delete_user_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _delete(tx, known_user(tx, params["UserName"]), params["PolicyName"])


@operation("DeleteGroupPolicy")
def delete_group_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _delete(tx, known_group(tx, params["GroupName"]), params["PolicyName"])


@operation("DeleteRolePolicy")
def delete_role_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _delete(tx, changeable_role(tx, params["RoleName"]), params["PolicyName"])


def _delete(tx: Transaction, holder: PolicyHolder, name: str) -> None:
    _document(holder, name)
    tx.put(replace(holder, inline={other: document for other, document in holder.inline.items() if other != name}))


@operation("ListUserPolicies")
def list_user_policies(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return _list(known_user(tx, params["UserName"]), params)


@operation("ListGroupPolicies")
def list_group_policies(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return _list(known_group(tx, params["GroupName"]), params)


@operation("ListRolePolicies")
def list_role_policies(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return _list(known_role(tx, params["RoleName"]), params)


def _list(holder: PolicyHolder, params: OperationParams) -> OperationResult:
    found = page(params, sorted(holder.inline))
    return found.result("PolicyNames", list(found.keys))


def inline_shapes(holder: PolicyHolder) -> list[OperationResult]:
    """All inline policies of one, as GetAccountAuthorizationDetails shows them."""
    return [_shape(holder, name) for name in sorted(holder.inline)]

"""Managed policies attached to users, groups and roles.

Wire facts: docs/reference/aws-wire.md#attached-policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from brownout.identity.aws.control.operations.policies.known import count_use, find_policy, is_attachable, known_policy, use_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError, limit_exceeded, no_such_entity
from brownout.identity.aws.records.policies import ManagedPolicy
from brownout.identity.aws.records.principals import Group, Role, User

MOST_ATTACHED = 10
_WORDS: Mapping[type[PolicyHolder], str] = {User: "User", Group: "Group", Role: "Role"}


@operation("AttachUserPolicy")
def attach_user_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _attach(tx, known_user(tx, params["UserName"]), params["PolicyArn"])


@operation("AttachGroupPolicy")
def attach_group_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _attach(tx, known_group(tx, params["GroupName"]), params["PolicyArn"])


@operation("AttachRolePolicy")
def attach_role_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _attach(tx, changeable_role(tx, params["RoleName"]), params["PolicyArn"])


def _attach(tx: Transaction, holder: PolicyHolder, arn: str) -> None:
    """Attaches the policy; one that is attached already stays so. Raises what IAM refuses it with."""
    attachable_policy(tx, arn, f"Policy {arn} does not exist or is not attachable.", _WORDS[type(holder)])
    if arn in holder.attached:
        return
    if len(holder.attached) >= MOST_ATTACHED:
        raise limit_exceeded(f"Cannot exceed quota for PoliciesPer{_WORDS[type(holder)]}: {MOST_ATTACHED}")
    tx.put(replace(holder, attached=(*holder.attached, arn)))
    count_use(tx, arn, attached=1)


def attachable_policy(tx: Transaction, arn: str, unknown: str, word: str) -> ManagedPolicy:
    """The policy to be attached to, or be the boundary of, a `word` ("User"); `unknown` is the message where there is none.

    Raises InvalidInput, NoSuchEntity, PolicyNotAttachable.
    """
    policy = find_policy(tx, arn)
    if policy is None:
        raise no_such_entity(unknown)
    if not is_attachable(policy):
        raise AwsError.of("PolicyNotAttachable", f"Cannot attach a Service Role Policy to a Customer {word}.")
    return policy


@operation("DetachUserPolicy")
def detach_user_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _detach(tx, known_user(tx, params["UserName"]), params["PolicyArn"])


@operation("DetachGroupPolicy")
def detach_group_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _detach(tx, known_group(tx, params["GroupName"]), params["PolicyArn"])


@operation("DetachRolePolicy")
def detach_role_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _detach(tx, changeable_role(tx, params["RoleName"]), params["PolicyArn"])


def _detach(tx: Transaction, holder: PolicyHolder, arn: str) -> None:
    find_policy(tx, arn)
    if arn not in holder.attached:
        raise no_such_entity(f"Policy {arn} was not found.")
    tx.put(replace(holder, attached=tuple(other for other in holder.attached if other != arn)))
    count_use(tx, arn, attached=-1)


@operation("ListAttachedUserPolicies")
def list_attached_user_policies(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return _list_attached(tx, known_user(tx, params["UserName"]), params)


@operation("ListAttachedGroupPolicies")
def list_attached_group_policies(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return _list_attached(tx, known_group(tx, params["GroupName"]), params)


@operation("ListAttachedRolePolicies")
def list_attached_role_policies(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return _list_attached(tx, known_role(tx, params["RoleName"]), params)


def _list_attached(tx: Transaction, holder: PolicyHolder, params: OperationParams) -> OperationResult:
    prefix = params.get("PathPrefix", "/")
    found = page(params, sorted(arn for arn in holder.attached if _path(arn).startswith(prefix)))
    return found.result("AttachedPolicies", [attached_shape(arn) for arn in found.keys])


def attached_shape(arn: str) -> OperationResult:
    return {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}


def _path(arn: str) -> str:
    """The path in a policy's ARN: `/` or `/team/`."""
    return "/" + arn.partition(":policy/")[2].rpartition("/")[0] + "/" if arn.count("/") > 1 else "/"


@operation("ListEntitiesForPolicy")
def list_entities_for_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    policy = known_policy(tx, params["PolicyArn"])
    holders = {_sort_key(holder): holder for holder in _holders(tx, policy.arn, params)}
    found = page(params, sorted(holders))
    on_page = [holders[key] for key in found.keys]
    groups = [{"GroupName": each.name, "GroupId": each.group_id} for each in on_page if isinstance(each, Group)]
    users = [{"UserName": each.name, "UserId": each.user_id} for each in on_page if isinstance(each, User)]
    roles = [{"RoleName": each.name, "RoleId": each.role_id} for each in on_page if isinstance(each, Role)]
    return {**found.result("PolicyGroups", groups), "PolicyUsers": users, "PolicyRoles": roles}


def _sort_key(holder: PolicyHolder) -> str:
    return f"{_WORDS[type(holder)]}/{holder.name}"


def _holders(tx: Transaction, arn: str, params: OperationParams) -> Iterator[PolicyHolder]:
    """Who has the policy attached or as a boundary, as far as the filters ask for it."""
    use, usage = use_of(tx, arn), params.get("PolicyUsageFilter")
    as_permissions = use.attached > 0 and usage != "PermissionsBoundary"
    as_boundary = use.as_boundary > 0 and usage != "PermissionsPolicy"
    if not (as_permissions or as_boundary):
        return
    for kind, word in _WORDS.items():
        if params.get("EntityFilter", word) != word:
            continue
        for holder in tx.table(kind).values():
            is_meant = (as_permissions and arn in holder.attached) or (as_boundary and boundary_of(holder) == arn)
            if is_meant and holder.path.startswith(params.get("PathPrefix", "/")):
                yield holder


def boundary_of(holder: PolicyHolder) -> str:
    """The ARN of the holder's boundary, "" for none; groups never have one."""
    return "" if isinstance(holder, Group) else holder.boundary

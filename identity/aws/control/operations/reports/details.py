"""GetAccountAuthorizationDetails: all users, groups, roles and managed policies with what they are allowed, page by page.

Wire facts: docs/reference/aws-wire.md#authorization-details.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import PolicyHolder
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.attachments import attached_shape
from brownout.identity.aws.control.operations.policies.boundaries import boundary_shape
from brownout.identity.aws.control.operations.policies.documents import encoded
from brownout.identity.aws.control.operations.policies.inline import inline_shapes
from brownout.identity.aws.control.operations.policies.known import known_policy
from brownout.identity.aws.control.operations.policies.managed import policy_shape
from brownout.identity.aws.control.operations.policies.versions import version_shape
from brownout.identity.aws.control.operations.roles.instance_profiles import profile_shape, profiles_of
from brownout.identity.aws.control.operations.roles.roles import last_used_shape
from brownout.identity.aws.control.operations.tags import tag_list
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyUse
from brownout.identity.aws.records.principals import Group, Role, User


@operation("GetAccountAuthorizationDetails")
def get_account_authorization_details(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """Without a filter everything is listed, of AWS's policies those that are used."""
    filters = params.get("Filter") or tuple(_DETAILS)
    entries = [f"{kind}/{key}" for kind in sorted(filters) for key in sorted(_keys(tx, kind))]
    found = page(params, sorted(entries))
    members: dict[str, list[OperationResult]] = {member: [] for member, _ in _DETAILS.values()}
    for entry in found.keys:
        kind, _, key = entry.partition("/")
        member, detail = _DETAILS[kind]
        members[member].append(detail(tx, key))
    return found.result("UserDetailList", members["UserDetailList"]) | members


def _keys(tx: Transaction, kind: str) -> Iterator[str]:
    """The keys of the entities that a filter asks for."""
    if kind == "AWSManagedPolicy":
        yield from (arn for arn in tx.table(PolicyUse) if arn.startswith("arn:aws:iam::aws:"))
    else:
        yield from tx.table(_TABLES[kind])


_TABLES: Mapping[str, Any] = {"User": User, "Group": Group, "Role": Role, "LocalManagedPolicy": ManagedPolicy}


def _user(tx: Transaction, key: str) -> OperationResult:
    user = tx.table(User)[key]
    return {
        "UserName": user.name,
        "UserId": user.user_id,
        **_common(user),
        "UserPolicyList": inline_shapes(user),
        "GroupList": list(user.groups),
        **boundary_shape(user.boundary),
        "Tags": tag_list(user.tags),
    }


def _group(tx: Transaction, key: str) -> OperationResult:
    group = tx.table(Group)[key]
    return {"GroupName": group.name, "GroupId": group.group_id, **_common(group), "GroupPolicyList": inline_shapes(group)}


def _role(tx: Transaction, key: str) -> OperationResult:
    role = tx.table(Role)[key]
    return {
        "RoleName": role.name,
        "RoleId": role.role_id,
        **_common(role),
        "AssumeRolePolicyDocument": encoded(role.trust),
        "InstanceProfileList": [profile_shape(tx, profile) for profile in profiles_of(tx, role)],
        "RolePolicyList": inline_shapes(role),
        **boundary_shape(role.boundary),
        "Tags": tag_list(role.tags),
        "RoleLastUsed": last_used_shape(tx, role),
    }


def _common(holder: PolicyHolder) -> OperationResult:
    """What users, groups and roles are told about alike."""
    return {
        "Path": holder.path,
        "Arn": holder.arn,
        "CreateDate": holder.created_s,
        "AttachedManagedPolicies": [attached_shape(arn) for arn in holder.attached],
    }


def _policy(tx: Transaction, arn: str) -> OperationResult:
    policy = known_policy(tx, arn)
    versions = [{"Document": encoded(each.document), **version_shape(policy, each)} for each in reversed(policy.versions)]
    described = {"Description": policy.description} if policy.description else {}
    return {**policy_shape(tx, policy), **described, "PolicyVersionList": versions}


# By filter: the member of the answer, and how one entity is told.
_DETAILS: Mapping[str, tuple[str, Callable[[Transaction, str], OperationResult]]] = {
    "User": ("UserDetailList", _user),
    "Group": ("GroupDetailList", _group),
    "Role": ("RoleDetailList", _role),
    "LocalManagedPolicy": ("Policies", _policy),
    "AWSManagedPolicy": ("Policies", _policy),
}

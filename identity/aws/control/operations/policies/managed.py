"""Managed policies: made, shown, listed, deleted.

Wire facts: docs/reference/aws-wire.md#managed-policies.
"""

from __future__ import annotations

from collections.abc import Iterator

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.known import (
    is_attachable,
    known_policy,
    own_policy,
    use_of,
)
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import delete_conflict, entity_already_exists, limit_exceeded
from brownout.identity.aws.policy.managed import aws_managed_policies
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.sizes import check_managed_size
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyVersion

MOST_POLICIES = 1500


@operation("CreatePolicy")
def create_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    name, document = params["PolicyName"], checked_document(params["PolicyDocument"])
    tags = tags_of(params)
    policies = tx.table(ManagedPolicy)
    if any(known.name.lower() == name.lower() for known in policies.values()):
        raise entity_already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    if len(policies) >= MOST_POLICIES:
        raise limit_exceeded(f"Cannot exceed quota for PoliciesPerAccount: {MOST_POLICIES}")
    path = params.get("Path", "/")
    made = ManagedPolicy(
        name=name,
        policy_id=tx.new_id(ids.POLICY),
        arn=arns.policy(tx.account_id, path, name),
        created_s=tx.now_s,
        updated_s=tx.now_s,
        versions=(PolicyVersion("v1", document, tx.now_s),),
        path=path,
        description=params.get("Description", ""),
        tags=tags,
    )
    tx.put(made)
    return {"Policy": {**policy_shape(tx, made), **({"Tags": tag_list(tags)} if tags else {})}}


def checked_document(document: str) -> str:
    """The document of a managed policy as it is stored; raises MalformedPolicyDocument, LimitExceeded."""
    parse_document(document, "managed")
    check_managed_size(document)
    return document


def policy_shape(tx: Transaction, policy: ManagedPolicy) -> OperationResult:
    """What lists tell of a policy. Its description and tags are told by GetPolicy alone."""
    use = use_of(tx, policy.arn)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default_version,
        "AttachmentCount": use.attached,
        "PermissionsBoundaryUsageCount": use.as_boundary,
        "IsAttachable": is_attachable(policy),
        "CreateDate": policy.created_s,
        "UpdateDate": policy.updated_s,
    }


@operation("GetPolicy")
def get_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    policy = known_policy(tx, params["PolicyArn"])
    described = {"Description": policy.description} if policy.description else {}
    return {"Policy": {**policy_shape(tx, policy), **described, "Tags": tag_list(policy.tags)}}


@operation("DeletePolicy")
def delete_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    policy = own_policy(tx, params["PolicyArn"])
    use = use_of(tx, policy.arn)
    if use.attached:
        raise delete_conflict("Cannot delete a policy attached to entities.")
    if use.as_boundary:
        raise delete_conflict("Cannot delete a policy used as a permissions boundary.")
    if len(policy.versions) > 1:
        raise delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions."
            " The default version is deleted with the policy."
        )
    tx.delete(policy)


@operation("ListPolicies")
def list_policies(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    listed = {policy.arn: policy for policy in _in_scope(tx, params.get("Scope", "All")) if _is_wanted(tx, policy, params)}
    found = page(params, sorted(listed))
    return found.result("Policies", [policy_shape(tx, listed[arn]) for arn in found.keys])


def _in_scope(tx: Transaction, scope: str) -> Iterator[ManagedPolicy]:
    if scope in ("All", "Local"):
        yield from tx.table(ManagedPolicy).values()
    if scope in ("All", "AWS"):
        yield from aws_managed_policies().values()


def _is_wanted(tx: Transaction, policy: ManagedPolicy, params: OperationParams) -> bool:
    """The filters of ListPolicies: a path, use by any entity, use as permissions or as a boundary."""
    use = use_of(tx, policy.arn)
    usage = params.get("PolicyUsageFilter")
    counted = {"PermissionsPolicy": use.attached, "PermissionsBoundary": use.as_boundary}
    needs_use = usage is not None or params.get("OnlyAttached", False)
    is_used = (counted[usage] if usage else use.attached + use.as_boundary) > 0
    return policy.path.startswith(params.get("PathPrefix", "/")) and (is_used or not needs_use)

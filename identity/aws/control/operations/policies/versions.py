"""Versions of a managed policy: at most five, one of them in force.

Wire facts: docs/reference/aws-wire.md#managed-policies.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.documents import encoded
from brownout.identity.aws.control.operations.policies.known import known_policy, own_policy
from brownout.identity.aws.control.operations.policies.managed import checked_document
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import delete_conflict, limit_exceeded, no_such_entity
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyVersion

MOST_VERSIONS = 5


@operation("CreatePolicyVersion")
def create_policy_version(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    policy = own_policy(tx, params["PolicyArn"])
    document = checked_document(params["PolicyDocument"])
    if len(policy.versions) >= MOST_VERSIONS:
        raise limit_exceeded(
            f"A managed policy can have up to {MOST_VERSIONS} versions. Before you create a new version, you must delete an"
            " existing version."
        )
    number = policy.last_number + 1
    made = PolicyVersion(f"v{number}", document, tx.now_s)
    is_default = params.get("SetAsDefault", False)
    changed = replace(policy, versions=(*policy.versions, made), last_number=number, updated_s=tx.now_s)
    tx.put(replace(changed, default_version=made.version_id) if is_default else changed)
    return {"PolicyVersion": {"VersionId": made.version_id, "IsDefaultVersion": is_default, "CreateDate": made.created_s}}


@operation("GetPolicyVersion")
def get_policy_version(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    policy = known_policy(tx, params["PolicyArn"])
    version = _version(policy, params["VersionId"])
    return {"PolicyVersion": {"Document": encoded(version.document), **version_shape(policy, version)}}


@operation("ListPolicyVersions")
def list_policy_versions(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """The newest version comes first."""
    policy = known_policy(tx, params["PolicyArn"])
    versions = {f"{n:09}": version for n, version in enumerate(reversed(policy.versions))}
    found = page(params, sorted(versions))
    return found.result("Versions", [version_shape(policy, versions[key]) for key in found.keys])


def version_shape(policy: ManagedPolicy, version: PolicyVersion) -> OperationResult:
    """What lists tell of a version: all but its document."""
    is_default = version.version_id == policy.default_version
    return {"VersionId": version.version_id, "IsDefaultVersion": is_default, "CreateDate": version.created_s}


@operation("DeletePolicyVersion")
def delete_policy_version(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    policy = own_policy(tx, params["PolicyArn"])
    version = _version(policy, params["VersionId"])
    if version.version_id == policy.default_version:
        raise delete_conflict("Cannot delete the default version of a policy.")
    kept = tuple(other for other in policy.versions if other is not version)
    tx.put(replace(policy, versions=kept, updated_s=tx.now_s))


@operation("SetDefaultPolicyVersion")
def set_default_policy_version(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    policy = own_policy(tx, params["PolicyArn"])
    version = _version(policy, params["VersionId"])
    tx.put(replace(policy, default_version=version.version_id, updated_s=tx.now_s))


def _version(policy: ManagedPolicy, version_id: str) -> PolicyVersion:
    for version in policy.versions:
        if version.version_id == version_id:
            return version
    raise no_such_entity(f"Policy {policy.arn} version {version_id} does not exist or is not attachable.")

"""Instance profiles: what an EC2 machine is started with, holding at most one role.

Wire facts: docs/reference/aws-wire.md#instance-profiles.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import changeable_role, known_role
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.roles.roles import role_shape
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import delete_conflict, entity_already_exists, limit_exceeded, no_such_entity
from brownout.identity.aws.records.principals import InstanceProfile, Role

MOST_PROFILES = 1000


@operation("CreateInstanceProfile")
def create_instance_profile(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    name, path = params["InstanceProfileName"], params.get("Path", "/")
    if tx.get(InstanceProfile, name.lower()) is not None:
        raise entity_already_exists(f"Instance Profile {name} already exists.")
    if len(tx.table(InstanceProfile)) >= MOST_PROFILES:
        raise limit_exceeded(f"Cannot exceed quota for InstanceProfilesPerAccount: {MOST_PROFILES}")
    arn = arns.instance_profile(tx.account_id, path, name)
    made = InstanceProfile(name, tx.new_id(ids.INSTANCE_PROFILE), arn, tx.now_s, path, tags=tags_of(params))
    tx.put(made)
    return {"InstanceProfile": whole_profile_shape(tx, made)}


def profile_shape(tx: Transaction, profile: InstanceProfile) -> OperationResult:
    """What lists tell of an instance profile: all but its tags."""
    role = tx.get(Role, profile.role_name.lower()) if profile.role_name else None
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.profile_id,
        "Arn": profile.arn,
        "CreateDate": profile.created_s,
        "Roles": [role_shape(role)] if role else [],
    }


def whole_profile_shape(tx: Transaction, profile: InstanceProfile) -> OperationResult:
    return {**profile_shape(tx, profile), "Tags": tag_list(profile.tags)}


def known_profile(tx: Transaction, name: str) -> InstanceProfile:
    """The instance profile of that name; raises NoSuchEntity."""
    found = tx.get(InstanceProfile, name.lower())
    if found is None:
        raise no_such_entity(f"Instance Profile {name} cannot be found.")
    return found


@operation("GetInstanceProfile")
def get_instance_profile(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return {"InstanceProfile": whole_profile_shape(tx, known_profile(tx, params["InstanceProfileName"]))}


@operation("ListInstanceProfiles")
def list_instance_profiles(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    profiles, prefix = tx.table(InstanceProfile), params.get("PathPrefix", "/")
    keys = profiles.sorted_keys
    found = page(params, keys if prefix == "/" else [key for key in keys if profiles[key].path.startswith(prefix)])
    return found.result("InstanceProfiles", [profile_shape(tx, profiles[key]) for key in found.keys])


@operation("ListInstanceProfilesForRole")
def list_instance_profiles_for_role(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    profiles = {profile.table_key: profile for profile in profiles_of(tx, known_role(tx, params["RoleName"]))}
    found = page(params, sorted(profiles))
    return found.result("InstanceProfiles", [profile_shape(tx, profiles[key]) for key in found.keys])


def profiles_of(tx: Transaction, role: Role) -> list[InstanceProfile]:
    """The instance profiles that hold the role."""
    return [profile for profile in tx.table(InstanceProfile).values() if profile.role_name.lower() == role.table_key]


@operation("AddRoleToInstanceProfile")
def add_role_to_instance_profile(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    profile = known_profile(tx, params["InstanceProfileName"])
    role = changeable_role(tx, params["RoleName"])
    if profile.role_name:
        raise limit_exceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    tx.put(replace(profile, role_name=role.name))


@operation("RemoveRoleFromInstanceProfile")
def remove_role_from_instance_profile(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    profile = known_profile(tx, params["InstanceProfileName"])
    role = changeable_role(tx, params["RoleName"])
    if profile.role_name.lower() != role.table_key:
        raise no_such_entity(f"The role with name {role.name} cannot be found in instance profile {profile.name}.")
    tx.put(replace(profile, role_name=""))


@operation("DeleteInstanceProfile")
def delete_instance_profile(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    profile = known_profile(tx, params["InstanceProfileName"])
    if profile.role_name:
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    tx.delete(profile)

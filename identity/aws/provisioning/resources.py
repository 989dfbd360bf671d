"""What each kind of resource is made of: calls of IAM to make, change and end it, and the attributes that others refer to.

A function of Lambda runs nothing here. What it is for is the use that it makes of its role: the region has to be able to
assume it, which for a role made a moment ago waits until the region knows of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws import arns
from brownout.identity.aws.errors import validation_error

Properties = Mapping[str, Any]
LAMBDA = "lambda.amazonaws.com"
_LONGEST_NAME = 64
_ROLE_SESSION_S = 3600  # the longest session of a role that states none


@dataclass(frozen=True, slots=True)
class IamStep:
    """One call of IAM."""

    action: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """How a kind of resource is handled. `name` is the property that gives it a name of the template's own.

    `needs_role` says which property has the ARN of a role that the service in `service` must be able to assume.
    """

    name: str
    create: Callable[[str, Properties], Iterator[IamStep]]
    delete: Callable[[str, Properties], Iterator[IamStep]]
    update: Callable[[str, Properties, Properties], Iterator[IamStep]]  # from properties to others, in place
    arn: Callable[[str, str, str, Properties], str]  # from account, region, name and properties
    handler: str = "Iam"  # as messages name the service
    is_iam: bool = True
    needs_role: str = ""
    service: str = ""
    fixed: tuple[str, ...] = ()  # properties beside the name that cannot be changed in place

    def replacing(self, before: Properties, after: Properties) -> tuple[str, ...]:
        """The changed properties for whose sake another resource has to take this one's place."""
        fixed = (self.name, *self.fixed) if self.name else self.fixed
        return tuple(name for name in fixed if before.get(name) != after.get(name))


def new_name(stack: str, logical_id: str, chance: str) -> str:
    """A name for a resource whose template gives none: stack, logical id and twelve characters, 64 at most."""
    end = chance.replace("-", "")[:12].upper()
    return f"{f'{stack}-{logical_id}'[: _LONGEST_NAME - len(end) - 1]}-{end}"


def document(value: Any) -> str:
    """A policy document as IAM takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _texts(properties: Properties, *names: str) -> dict[str, Any]:
    """Those of the properties that are there, as texts."""
    return {name: str(properties[name]) for name in names if name in properties}


def _create_role(name: str, properties: Properties) -> Iterator[IamStep]:
    optional = _texts(properties, "Path", "Description", "PermissionsBoundary")
    if "MaxSessionDuration" in properties:
        optional["MaxSessionDuration"] = int(properties["MaxSessionDuration"])
    if properties.get("Tags"):
        optional["Tags"] = tuple({"Key": str(tag["Key"]), "Value": str(tag["Value"])} for tag in properties["Tags"])
    trust = document(properties["AssumeRolePolicyDocument"])
    yield IamStep("CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": trust, **optional})
    for policy in properties.get("Policies", ()):
        put = {"PolicyName": str(policy["PolicyName"]), "PolicyDocument": document(policy["PolicyDocument"])}
        yield IamStep("PutRolePolicy", {"RoleName": name, **put})
    for arn in properties.get("ManagedPolicyArns", ()):
        yield IamStep("AttachRolePolicy", {"RoleName": name, "PolicyArn": str(arn)})


def _delete_role(name: str, properties: Properties) -> Iterator[IamStep]:
    for arn in properties.get("ManagedPolicyArns", ()):
        yield IamStep("DetachRolePolicy", {"RoleName": name, "PolicyArn": str(arn)})
    for policy in properties.get("Policies", ()):
        yield IamStep("DeleteRolePolicy", {"RoleName": name, "PolicyName": str(policy["PolicyName"])})
    yield IamStep("DeleteRole", {"RoleName": name})


def _update_role(name: str, before: Properties, after: Properties) -> Iterator[IamStep]:
    """What is new comes before what is old goes, so that the role never lacks what both have."""
    role = {"RoleName": name}
    if _trust(before) != _trust(after):
        yield IamStep("UpdateAssumeRolePolicy", {**role, "PolicyDocument": _trust(after)})
    if any(before.get(member) != after.get(member) for member in ("Description", "MaxSessionDuration")):
        length_s = int(after.get("MaxSessionDuration", _ROLE_SESSION_S))
        yield IamStep("UpdateRole", {**role, "Description": str(after.get("Description", "")), "MaxSessionDuration": length_s})
    yield from _update_boundary(role, before, after)
    old, new = _inline(before), _inline(after)
    for policy, text in new.items():
        if old.get(policy) != text:
            yield IamStep("PutRolePolicy", {**role, "PolicyName": policy, "PolicyDocument": text})
    for policy in (each for each in old if each not in new):
        yield IamStep("DeleteRolePolicy", {**role, "PolicyName": policy})
    held, wanted = _texts_in(before, "ManagedPolicyArns"), _texts_in(after, "ManagedPolicyArns")
    for arn in (each for each in wanted if each not in held):
        yield IamStep("AttachRolePolicy", {**role, "PolicyArn": arn})
    for arn in (each for each in held if each not in wanted):
        yield IamStep("DetachRolePolicy", {**role, "PolicyArn": arn})
    yield from _update_tags(role, before, after)


def _update_boundary(role: Properties, before: Properties, after: Properties) -> Iterator[IamStep]:
    wanted = after.get("PermissionsBoundary")
    if before.get("PermissionsBoundary") == wanted:
        return
    if wanted:
        yield IamStep("PutRolePermissionsBoundary", {**role, "PermissionsBoundary": str(wanted)})
    else:
        yield IamStep("DeleteRolePermissionsBoundary", role)


def _update_tags(role: Properties, before: Properties, after: Properties) -> Iterator[IamStep]:
    old, new = _tags(before), _tags(after)
    changed = tuple({"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value)
    if changed:
        yield IamStep("TagRole", {**role, "Tags": changed})
    gone = tuple(key for key in old if key not in new)
    if gone:
        yield IamStep("UntagRole", {**role, "TagKeys": gone})


def _trust(properties: Properties) -> str:
    return document(properties["AssumeRolePolicyDocument"])


def _inline(properties: Properties) -> dict[str, str]:
    return {str(each["PolicyName"]): document(each["PolicyDocument"]) for each in properties.get("Policies", ())}


def _tags(properties: Properties) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in properties.get("Tags") or ()}


def _texts_in(properties: Properties, name: str) -> list[str]:
    return [str(each) for each in properties.get(name, ())]


def _role_in(properties: Properties) -> str:
    roles = properties.get("Roles", ())
    if len(roles) != 1:
        raise validation_error("An instance profile has one role.")
    return str(roles[0])


def _create_profile(name: str, properties: Properties) -> Iterator[IamStep]:
    yield IamStep("CreateInstanceProfile", {"InstanceProfileName": name, **_texts(properties, "Path")})
    yield IamStep("AddRoleToInstanceProfile", {"InstanceProfileName": name, "RoleName": _role_in(properties)})


def _delete_profile(name: str, properties: Properties) -> Iterator[IamStep]:
    yield IamStep("RemoveRoleFromInstanceProfile", {"InstanceProfileName": name, "RoleName": _role_in(properties)})
    yield IamStep("DeleteInstanceProfile", {"InstanceProfileName": name})


def _update_profile(name: str, before: Properties, after: Properties) -> Iterator[IamStep]:
    old, new = _role_in(before), _role_in(after)
    if old != new:
        yield IamStep("RemoveRoleFromInstanceProfile", {"InstanceProfileName": name, "RoleName": old})
        yield IamStep("AddRoleToInstanceProfile", {"InstanceProfileName": name, "RoleName": new})


_HOLDERS: Sequence[tuple[str, str]] = (("Roles", "Role"), ("Users", "User"), ("Groups", "Group"))


def _policy_steps(verb: str, name: str, properties: Properties, more: Mapping[str, Any]) -> Iterator[IamStep]:
    held = {"PolicyName": str(properties["PolicyName"]), **more}
    for member, kind in _HOLDERS:
        for holder in properties.get(member, ()):
            yield IamStep(f"{verb}{kind}Policy", {f"{kind}Name": str(holder), **held})


def _create_policy(name: str, properties: Properties) -> Iterator[IamStep]:
    return _policy_steps("Put", name, properties, {"PolicyDocument": document(properties["PolicyDocument"])})


def _delete_policy(name: str, properties: Properties) -> Iterator[IamStep]:
    return _policy_steps("Delete", name, properties, {})


def _update_policy(name: str, before: Properties, after: Properties) -> Iterator[IamStep]:
    yield from _create_policy(name, after)
    kept = str(before["PolicyName"]) == str(after["PolicyName"])
    gone = {
        member: [each for each in _texts_in(before, member) if not (kept and each in _texts_in(after, member))]
        for member, _ in _HOLDERS
    }
    yield from _delete_policy(name, {"PolicyName": before["PolicyName"], **gone})


def _no_steps(name: str, *properties: Properties) -> Iterator[IamStep]:
    return iter(())


def _path(properties: Properties) -> str:
    return str(properties.get("Path", "/"))


def _role_arn(account: str, region: str, name: str, properties: Properties) -> str:
    return arns.role(account, _path(properties), name)


def _profile_arn(account: str, region: str, name: str, properties: Properties) -> str:
    return arns.instance_profile(account, _path(properties), name)


def _function_arn(account: str, region: str, name: str, properties: Properties) -> str:
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def _own_name(account: str, region: str, name: str, properties: Properties) -> str:
    return name


KINDS: Mapping[str, ResourceKind] = {
    "AWS::IAM::Role": ResourceKind("RoleName", _create_role, _delete_role, _update_role, _role_arn, fixed=("Path",)),
    "AWS::IAM::InstanceProfile": ResourceKind(
        "InstanceProfileName", _create_profile, _delete_profile, _update_profile, _profile_arn, fixed=("Path",)
    ),
    "AWS::IAM::Policy": ResourceKind("", _create_policy, _delete_policy, _update_policy, _own_name),
    "AWS::Lambda::Function": ResourceKind(
        "FunctionName",
        _no_steps,
        _no_steps,
        _no_steps,
        _function_arn,
        handler="Lambda",
        is_iam=False,
        needs_role="Role",
        service=LAMBDA,
    ),
}

"""What each kind of resource is made of: calls of IAM to make and to end it, and the attributes that others refer to.

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
    arn: Callable[[str, str, str, Properties], str]  # from account, region, name and properties
    handler: str = "Iam"  # as messages name the service
    is_iam: bool = True
    needs_role: str = ""
    service: str = ""


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


def _no_steps(name: str, properties: Properties) -> Iterator[IamStep]:
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
    "AWS::IAM::Role": ResourceKind("RoleName", _create_role, _delete_role, _role_arn),
    "AWS::IAM::InstanceProfile": ResourceKind("InstanceProfileName", _create_profile, _delete_profile, _profile_arn),
    "AWS::IAM::Policy": ResourceKind("", _create_policy, _delete_policy, _own_name),
    "AWS::Lambda::Function": ResourceKind(
        "FunctionName",
        _no_steps,
        _no_steps,
        _function_arn,
        handler="Lambda",
        is_iam=False,
        needs_role="Role",
        service=LAMBDA,
    ),
}

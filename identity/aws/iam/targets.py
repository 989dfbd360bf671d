"""What a call of IAM is about: the resource that policies are asked for, and the condition keys of the action.

An operation names its resource by parameters, so one rule serves nearly all of them: the first parameter of `_NAMED` that it
has. Operations about users whose name may be left away mean the caller's own user then. A resource that does not exist yet
has the ARN that it will get, and one that does not exist at all that of the default path.
Wire facts: docs/reference/aws-wire.md#resources-of-iam-actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import validation_error
from brownout.identity.aws.policy.context import request_tag_keys, tag_keys
from brownout.identity.aws.protocol.services import AwsOperation, Params
from brownout.identity.aws.records.published import PublishedAccount
from brownout.identity.aws.regional.annex import RequestKeys

ArnOf = Callable[[str, str, str], str]  # from account, path and name
NON_USER = "Must specify userName when calling with non-User credentials"
ANYTHING = "*"

_LISTED: Mapping[str, str] = {  # operations that list one kind: the resource is all of a path
    "ListGroups": "group",
    "ListInstanceProfiles": "instance-profile",
    "ListPolicies": "policy",
    "ListRoles": "role",
    "ListServerCertificates": "server-certificate",
    "ListUsers": "user",
}
_CREATED: Mapping[str, tuple[ArnOf, str]] = {
    "CreateGroup": (arns.group, "GroupName"),
    "CreateInstanceProfile": (arns.instance_profile, "InstanceProfileName"),
    "CreatePolicy": (arns.policy, "PolicyName"),
    "CreateRole": (arns.role, "RoleName"),
    "CreateUser": (arns.user, "UserName"),
    "CreateVirtualMFADevice": (arns.mfa_device, "VirtualMFADeviceName"),
    "UploadServerCertificate": (arns.server_certificate, "ServerCertificateName"),
}
_TAGGING: Mapping[str, str] = {  # what tags given at creation need besides
    "CreateInstanceProfile": "iam:TagInstanceProfile",
    "CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
    "CreatePolicy": "iam:TagPolicy",
    "CreateRole": "iam:TagRole",
    "CreateSAMLProvider": "iam:TagSAMLProvider",
    "CreateUser": "iam:TagUser",
    "CreateVirtualMFADevice": "iam:TagMFADevice",
    "UploadServerCertificate": "iam:TagServerCertificate",
}
_GIVEN = ("OpenIDConnectProviderArn", "SAMLProviderArn", "PolicySourceArn", "PolicyArn", "Arn", "EntityArn")
_DEVICES = frozenset({"DeleteVirtualMFADevice", "ListMFADeviceTags", "TagMFADevice", "UntagMFADevice", "GetMFADevice"})


@dataclass(frozen=True, slots=True)
class IamTarget:
    """The resource of a call, its tags and its permissions boundary ("" for none)."""

    arn: str
    tags: Mapping[str, str] = field(default_factory=dict)
    boundary: str = ""


def target_of(operation: AwsOperation, params: Params, caller: Caller, account: PublishedAccount) -> IamTarget:
    """What the call is about; raises AwsError ValidationError when it means its caller and that is no user."""
    name, number = operation.name, account.account_id
    if name in _CREATED:
        arn_of, member = _CREATED[name]
        return IamTarget(arn_of(number, str(params.get("Path", "/")), str(params[member])))
    if name in _LISTED:
        return IamTarget(arns.iam(number, _LISTED[name] + str(params.get("PathPrefix", "/"))))
    if name in _DEVICES:
        device = account.mfa_devices.get(str(params["SerialNumber"]))
        return IamTarget(str(params["SerialNumber"]), {} if device is None else device.tags)
    if name == "CreateOpenIDConnectProvider":
        return IamTarget(arns.oidc_provider(number, str(params["Url"])))
    if name == "CreateSAMLProvider":
        return IamTarget(arns.saml_provider(number, str(params["Name"])))
    if name == "CreateDelegationRequest":
        return IamTarget(arns.iam(number, f"delegation-request/{ANYTHING}"))
    if name == "CreateServiceLinkedRole":
        return IamTarget(arns.role(number, f"/aws-service-role/{params['AWSServiceName']}/", ANYTHING))
    if name == "GetAccessKeyLastUsed":
        key = account.access_key(str(params["AccessKeyId"]))
        return (
            _user(account, key.user_name) if key is not None and key.user_name else IamTarget(arns.user(number, "/", ANYTHING))
        )
    return _named(operation, params, caller, account)


def actions_of(operation: AwsOperation, params: Params) -> tuple[str, ...]:
    """The actions that the caller must be allowed: the operation's own, and that of tagging when what it creates gets tags."""
    tagging = _TAGGING.get(operation.name, "") if params.get("Tags") else ""
    return (operation.action, tagging) if tagging else (operation.action,)


def _named(operation: AwsOperation, params: Params, caller: Caller, account: PublishedAccount) -> IamTarget:
    for member, find in _NAMED.items():
        if member in params:
            return find(account, str(params[member]))
    if operation.name == "ChangePassword" or (operation.input is not None and _has_member(operation, "UserName")):
        return _own(caller, account)
    given = next((str(params[member]) for member in _GIVEN if member in params), ANYTHING)
    return IamTarget(given, _tags_of(account, given))


def _has_member(operation: AwsOperation, name: str) -> bool:
    return operation.input is not None and any(member.name == name for member in operation.input.members)


def _own(caller: Caller, account: PublishedAccount) -> IamTarget:
    if caller.kind == "user":
        return _user(account, caller.principal_name)
    if caller.is_root:
        return IamTarget(arns.root(account.account_id))
    raise validation_error(NON_USER)


def _user(account: PublishedAccount, name: str) -> IamTarget:
    user = account.user(name)
    if user is None:
        return IamTarget(arns.user(account.account_id, "/", name))
    return IamTarget(user.arn, user.tags, user.boundary)


def _role(account: PublishedAccount, name: str) -> IamTarget:
    role = account.roles.get(name.lower())
    if role is None:
        return IamTarget(arns.role(account.account_id, "/", name))
    return IamTarget(role.arn, role.tags, role.boundary)


def _group(account: PublishedAccount, name: str) -> IamTarget:
    group = account.groups.get(name.lower())
    return IamTarget(arns.group(account.account_id, "/", name) if group is None else group.arn)


def _instance_profile(account: PublishedAccount, name: str) -> IamTarget:
    profile = account.instance_profiles.get(name.lower())
    if profile is None:
        return IamTarget(arns.instance_profile(account.account_id, "/", name))
    return IamTarget(profile.arn, profile.tags)


def _delegation_request(account: PublishedAccount, request_id: str) -> IamTarget:
    return IamTarget(arns.iam(account.account_id, f"delegation-request/{request_id}"))


def _server_certificate(account: PublishedAccount, name: str) -> IamTarget:
    return IamTarget(arns.server_certificate(account.account_id, "/", name))


# The first that a call has names its resource.
_NAMED: Mapping[str, Callable[[PublishedAccount, str], IamTarget]] = {
    "InstanceProfileName": _instance_profile,
    "GroupName": _group,
    "RoleName": _role,
    "UserName": _user,
    "ServerCertificateName": _server_certificate,
    "DelegationRequestId": _delegation_request,
}


def _tags_of(account: PublishedAccount, arn: str) -> Mapping[str, str]:
    """Tags of a policy or provider by its ARN."""
    found = account.policies.get(arn) or account.oidc_providers.get(arn) or account.saml_providers.get(arn)
    return {} if found is None else found.tags


def keys_of(params: Params, target: IamTarget) -> RequestKeys:
    """The condition keys of the action."""
    keys: dict[str, str | tuple[str, ...]] = {}
    for prefix in ("aws:ResourceTag", "iam:ResourceTag"):
        keys.update(tag_keys(prefix, target.tags))
    if "PolicyArn" in params:
        keys["iam:PolicyARN"] = str(params["PolicyArn"])
    boundary = str(params.get("PermissionsBoundary", target.boundary))
    if boundary:
        keys["iam:PermissionsBoundary"] = boundary
    if "AWSServiceName" in params:
        keys["iam:AWSServiceName"] = str(params["AWSServiceName"])
    if "TagKeys" in params:
        keys["aws:TagKeys"] = tuple(str(key) for key in params["TagKeys"])
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in params.get("Tags", ())}
    return {**keys, **request_tag_keys(tags)}

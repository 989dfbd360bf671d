"""Which resource each call of IAM is about."""

from __future__ import annotations

import random
from typing import Any

import pytest

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.iam.targets import actions_of, keys_of, target_of
from brownout.identity.aws.protocol.services import service
from support.aws_roles import role, trust, user
from support.aws_shapes import drawn
from support.published_accounts import AccountMaker

MAKER = AccountMaker(build_stack(seed=3, settings={}, vendors=("aws",)), 1_735_689_600.0)
MAKER.put(
    user(MAKER.account_id, "Bob", path="/team/", tags={"team": "blue"}, boundary="arn:aws:iam::aws:policy/ReadOnlyAccess"),
    role(MAKER.account_id, "deep", trust({"AWS": "*"}), path="/a/b/"),
)
ACCOUNT = MAKER.account("sydney")
ARN = f"arn:aws:iam::{MAKER.account_id}:"
ALICE = Caller(MAKER.account_id, "user", f"{ARN}user/admin", "AIDA1", f"{ARN}user/admin", "AKIA1", None, "us-east-1", 0.0)
ROOT = Caller(MAKER.account_id, "root", f"{ARN}root", MAKER.account_id, f"{ARN}root", "AKIA2", None, "us-east-1", 0.0)
OPERATIONS = service("iam").operation_names


def target(name: str, caller: Caller = ALICE, **params: Any) -> str:
    operation = service("iam").operation(name)
    assert operation is not None
    return target_of(operation, params, caller, ACCOUNT).arn.removeprefix(ARN)


@pytest.mark.parametrize(
    ("name", "params", "resource"),
    [
        ("GetUser", {"UserName": "bob"}, "user/team/Bob"),
        ("GetUser", {"UserName": "nobody"}, "user/nobody"),
        ("GetUser", {}, "user/admin"),
        ("ChangePassword", {"OldPassword": "a", "NewPassword": "b"}, "user/admin"),
        ("GetRole", {"RoleName": "DEEP"}, "role/a/b/deep"),
        ("AddUserToGroup", {"GroupName": "g", "UserName": "bob"}, "group/g"),
        ("AddRoleToInstanceProfile", {"InstanceProfileName": "p", "RoleName": "deep"}, "instance-profile/p"),
        ("AttachRolePolicy", {"RoleName": "deep", "PolicyArn": "arn:aws:iam::aws:policy/x"}, "role/a/b/deep"),
        ("GetPolicy", {"PolicyArn": "arn:aws:iam::aws:policy/x"}, "arn:aws:iam::aws:policy/x"),
        ("CreatePolicy", {"PolicyName": "p", "Path": "/x/"}, "policy/x/p"),
        ("CreateVirtualMFADevice", {"VirtualMFADeviceName": "phone"}, "mfa/phone"),
        ("EnableMFADevice", {"UserName": "bob", "SerialNumber": f"{ARN}mfa/phone"}, "user/team/Bob"),
        ("DeleteVirtualMFADevice", {"SerialNumber": f"{ARN}mfa/phone"}, "mfa/phone"),
        ("CreateOpenIDConnectProvider", {"Url": "https://a.example.com/x"}, "oidc-provider/a.example.com/x"),
        ("CreateSAMLProvider", {"Name": "corp"}, "saml-provider/corp"),
        ("CreateServiceLinkedRole", {"AWSServiceName": "x.amazonaws.com"}, "role/aws-service-role/x.amazonaws.com/*"),
        ("GetAccessKeyLastUsed", {"AccessKeyId": MAKER.key_of("caller").access_key_id}, "user/caller"),
        ("GetAccessKeyLastUsed", {"AccessKeyId": "AKIAUNKNOWN"}, "user/*"),
        ("ListUsers", {}, "user/"),
        ("ListRoles", {"PathPrefix": "/a/"}, "role/a/"),
        ("GetAccountSummary", {}, "*"),
        ("ListVirtualMFADevices", {}, "*"),
        ("SimulatePrincipalPolicy", {"PolicySourceArn": f"{ARN}user/bob"}, "user/bob"),
    ],
)
def test_the_parameters_name_it(name: str, params: dict[str, Any], resource: str) -> None:
    """By its ARN with the path that it has."""
    assert target(name, **params) == resource


def test_the_root_is_its_own_resource() -> None:
    """A call of the root user that names nobody is about the root."""
    assert target("CreateAccessKey", ROOT) == "root"


def test_the_condition_keys_of_a_call() -> None:
    """Tags of the resource and of the request, the policy, the boundary that is or will be."""
    operation = service("iam").operation("PutUserPolicy")
    assert operation is not None
    found = target_of(operation, {"UserName": "bob"}, ALICE, ACCOUNT)
    keys = {name.lower(): value for name, value in keys_of({"UserName": "bob", "PolicyArn": "p"}, found).items()}
    assert keys["aws:resourcetag/team"] == keys["iam:resourcetag/team"] == ("blue",)
    assert (keys["iam:policyarn"], keys["iam:permissionsboundary"]) == ("p", "arn:aws:iam::aws:policy/ReadOnlyAccess")
    asked = keys_of({"Tags": [{"Key": "a", "Value": "1"}], "PermissionsBoundary": "b", "AWSServiceName": "s"}, found)
    lowered = {name.lower(): value for name, value in asked.items()}
    assert (lowered["aws:requesttag/a"], lowered["aws:tagkeys"], lowered["iam:permissionsboundary"]) == (("1",), ("a",), "b")
    assert lowered["iam:awsservicename"] == "s"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_about_something(name: str) -> None:
    """Whatever its parameters, each call has a resource, or the error for a caller that is no user."""
    operation = service("iam").operation(name)
    assert operation is not None
    for number in range(5):
        params = {} if operation.input is None else dict(drawn(operation.input, random.Random(f"{name} {number}")))
        found = target_of(operation, params, ALICE, ACCOUNT)
        assert found.arn
        keys_of(params, found)


def test_a_session_has_to_name_whom_it_means() -> None:
    """Callers that are no users have no own user."""
    session = Caller(MAKER.account_id, "assumed-role", "a", "b", f"{ARN}role/app", "ASIA1", None, "us-east-1", 0.0)
    with pytest.raises(AwsError, match="Must specify userName"):
        target("ListAccessKeys", session)


@pytest.mark.parametrize(
    ("name", "tags", "actions"),
    [
        ("CreateUser", [{"Key": "a", "Value": "b"}], ("iam:CreateUser", "iam:TagUser")),
        ("CreatePolicy", [{"Key": "a", "Value": "b"}], ("iam:CreatePolicy", "iam:TagPolicy")),
        ("CreateVirtualMFADevice", [{"Key": "a", "Value": "b"}], ("iam:CreateVirtualMFADevice", "iam:TagMFADevice")),
        ("CreateUser", [], ("iam:CreateUser",)),
        ("TagUser", [{"Key": "a", "Value": "b"}], ("iam:TagUser",)),
    ],
)
def test_tags_at_creation_need_the_action_that_tags(name: str, tags: list[Any], actions: tuple[str, ...]) -> None:
    """What is created with tags is created and tagged; without tags, or tagged later, one action is enough."""
    operation = service("iam").operation(name)
    assert operation is not None
    assert actions_of(operation, {"Tags": tags}) == actions


def test_every_creation_with_tags_has_its_tagging() -> None:
    """Of all operations that create something with tags, each names an action that exists."""
    for name in OPERATIONS:
        operation = service("iam").operation(name)
        assert operation is not None
        members = () if operation.input is None else operation.input.members
        if name.startswith(("Create", "Upload")) and "Tags" in {member.name for member in members}:
            _, tagging = actions_of(operation, {"Tags": [{"Key": "a", "Value": "b"}]})
            assert tagging.removeprefix("iam:") in OPERATIONS

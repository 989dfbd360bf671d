"""Roles of services: made by name of the service, closed to the account, deleted as a task."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from brownout.identity.aws.control.operations.roles.linked_services import LINKED_SERVICES
from brownout.identity.aws.records.policies import PolicyUse
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, ALLOW_ALL, EC2_TRUST, IamAccount

SUPPORT, SUPPORT_ROLE = "support.amazonaws.com", "AWSServiceRoleForSupport"
PROTECTED = (
    "UnmodifiableEntity",
    f"Cannot perform the operation on the protected role '{SUPPORT_ROLE}' - this role is only modifiable by AWS",
)


@pytest.fixture
def account() -> IamAccount:
    """The account with the role of AWS Support."""
    account = IamAccount()
    account("CreateServiceLinkedRole", AWSServiceName=SUPPORT)
    return account


def test_a_service_gets_its_role(account: IamAccount) -> None:
    """Path, name, trust and policy are those of the service."""
    role = account("GetRole", RoleName=SUPPORT_ROLE)["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{SUPPORT}/{SUPPORT_ROLE}"
    assert json.loads(unquote(role["AssumeRolePolicyDocument"]))["Statement"] == [
        {"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [SUPPORT]}}
    ]
    policies = account("ListAttachedRolePolicies", RoleName=SUPPORT_ROLE)["AttachedPolicies"]
    arn = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
    assert policies == [{"PolicyName": "AWSSupportServiceRolePolicy", "PolicyArn": arn}]


def test_a_suffix_makes_another_role(account: IamAccount) -> None:
    """Where the service takes one, several roles can stand side by side."""
    service = "autoscaling.amazonaws.com"
    for suffix in ({}, {"CustomSuffix": "blue"}, {"CustomSuffix": "green"}):
        account("CreateServiceLinkedRole", AWSServiceName=service, **suffix)
    names = [role["RoleName"] for role in account("ListRoles", PathPrefix=f"/aws-service-role/{service}/")["Roles"]]
    assert names == [f"AWSServiceRoleForAutoScaling{end}" for end in ("", "_blue", "_green")]


def test_every_service_can_have_its_role() -> None:
    """The table of services holds nothing that cannot be made."""
    account = IamAccount()
    for service in LINKED_SERVICES:
        account("CreateServiceLinkedRole", AWSServiceName=service)
    assert len(account("ListRoles")["Roles"]) == len(LINKED_SERVICES)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        (
            {"AWSServiceName": SUPPORT},
            (
                "InvalidInput",
                f"Service role name {SUPPORT_ROLE} has been taken in this account, please try a different suffix.",
            ),
        ),
        (
            {"AWSServiceName": "none.amazonaws.com"},
            ("AccessDenied", "Cannot find Service Linked Role template for none.amazonaws.com"),
        ),
        (
            {"AWSServiceName": SUPPORT, "CustomSuffix": "x"},
            ("InvalidInput", f"Custom suffix is not allowed for {SUPPORT}"),
        ),
    ],
)
def test_what_is_refused(account: IamAccount, params: dict[str, Any], error: tuple[str, str]) -> None:
    """A name that is taken, a service without a role, a suffix where there is none."""
    assert account.refused("CreateServiceLinkedRole", **params) == error


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("DeleteRole", {}),
        ("UpdateRole", {"MaxSessionDuration": 3600}),
        ("UpdateAssumeRolePolicy", {"PolicyDocument": EC2_TRUST}),
        ("AttachRolePolicy", {"PolicyArn": ADMINISTRATOR_ACCESS}),
        ("DetachRolePolicy", {"PolicyArn": ADMINISTRATOR_ACCESS}),
        ("PutRolePolicy", {"PolicyName": "all", "PolicyDocument": ALLOW_ALL}),
        ("DeleteRolePolicy", {"PolicyName": "all"}),
        ("PutRolePermissionsBoundary", {"PermissionsBoundary": ADMINISTRATOR_ACCESS}),
        ("DeleteRolePermissionsBoundary", {}),
        ("AddRoleToInstanceProfile", {"InstanceProfileName": "web"}),
        ("RemoveRoleFromInstanceProfile", {"InstanceProfileName": "web"}),
    ],
)
def test_the_role_is_closed_to_the_account(account: IamAccount, action: str, params: dict[str, Any]) -> None:
    """Every change of the role is refused in one way."""
    account("CreateInstanceProfile", InstanceProfileName="web")
    assert account.refused(action, RoleName=SUPPORT_ROLE, **params) == PROTECTED


def test_description_and_tags_are_open(account: IamAccount) -> None:
    """An account may describe and tag the role of a service."""
    account("UpdateRole", RoleName=SUPPORT_ROLE, Description="one")
    account("UpdateRoleDescription", RoleName=SUPPORT_ROLE, Description="two")
    account("TagRole", RoleName=SUPPORT_ROLE, Tags=[{"Key": "a", "Value": "b"}])
    role = account("GetRole", RoleName=SUPPORT_ROLE)["Role"]
    assert (role["Description"], role["Tags"]) == ("two", [{"Key": "a", "Value": "b"}])


def test_a_deletion_is_a_task_that_succeeds(account: IamAccount) -> None:
    """The task's id tells service and role, and the role is no longer found."""
    task = account("DeleteServiceLinkedRole", RoleName=SUPPORT_ROLE)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/{SUPPORT}/{SUPPORT_ROLE}/")
    assert account("GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task) == {"Status": "SUCCEEDED"}
    assert account.refused("GetRole", RoleName=SUPPORT_ROLE)[0] == "NoSuchEntity"
    assert not account.tables.table(PolicyUse)
    account("CreateServiceLinkedRole", AWSServiceName=SUPPORT)


def test_other_roles_and_tasks_are_not_found(account: IamAccount) -> None:
    """A role of the account's own is none of a service, and a text is no task."""
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    missing = "The role with name {} cannot be found."
    assert account.refused("DeleteServiceLinkedRole", RoleName="app") == ("NoSuchEntity", missing.format("app"))
    assert account.refused("DeleteServiceLinkedRole", RoleName="none") == ("NoSuchEntity", missing.format("none"))
    assert account.refused("GetServiceLinkedRoleDeletionStatus", DeletionTaskId="task/x")[0] == "InvalidInput"

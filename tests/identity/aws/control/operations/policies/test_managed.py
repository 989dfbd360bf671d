"""Managed policies: what is stored, listed and refused, and how their use is counted."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.control.operations.policies import managed
from brownout.identity.aws.records.principals import User
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, ALLOW_ALL, EC2_TRUST, START_S, IamAccount, allow

READ = f"arn:aws:iam::{ACCOUNT}:policy/team/read"
ALICE = User("alice", "AIDAALICE000000000001", f"arn:aws:iam::{ACCOUNT}:user/alice", START_S)


@pytest.fixture
def account() -> IamAccount:
    """An account with the policy `read`, the user alice and the role `app`."""
    account = IamAccount([ALICE])
    account("CreatePolicy", PolicyName="read", Path="/team/", PolicyDocument=allow("s3:Get*"), Description="reads")
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    return account


def test_a_policy_has_what_it_was_made_with(account: IamAccount) -> None:
    """CreatePolicy shows no description, GetPolicy does, as the real service."""
    tags = [{"Key": "a", "Value": "b"}]
    made = account("CreatePolicy", PolicyName="write", PolicyDocument=ALLOW_ALL, Description="writes", Tags=tags)["Policy"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:policy/write"
    assert made["PolicyId"].startswith("ANPA")
    assert made == {
        "PolicyName": "write",
        "PolicyId": made["PolicyId"],
        "Arn": made["Arn"],
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": START_S,
        "UpdateDate": START_S,
        "Tags": tags,
    }
    assert account("GetPolicy", PolicyArn=made["Arn"])["Policy"] == {**made, "Description": "writes"}


def test_a_policy_of_aws_can_be_read(account: IamAccount) -> None:
    """It is there in every account, and attachable unless it is a service's own."""
    shown = account("GetPolicy", PolicyArn=ADMINISTRATOR_ACCESS)["Policy"]
    assert (shown["PolicyName"], shown["Path"], shown["IsAttachable"]) == ("AdministratorAccess", "/", True)
    assert account("GetPolicyVersion", PolicyArn=ADMINISTRATOR_ACCESS, VersionId=shown["DefaultVersionId"])


@pytest.mark.parametrize(
    ("action", "params", "error"),
    [
        (
            "CreatePolicy",
            {"PolicyName": "READ", "PolicyDocument": ALLOW_ALL},
            ("EntityAlreadyExists", "A policy called READ already exists. Duplicate names are not allowed."),
        ),
        (
            "CreatePolicy",
            {"PolicyName": "big", "PolicyDocument": allow(*[f"s3:GetObject{n}" for n in range(500)])},
            ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144"),
        ),
        ("GetPolicy", {"PolicyArn": f"{READ}s"}, ("NoSuchEntity", f"Policy {READ}s was not found.")),
        (
            "GetPolicy",
            {"PolicyArn": "arn:aws:s3:::bucket/object"},
            ("InvalidInput", "ARN arn:aws:s3:::bucket/object is not valid."),
        ),
        ("DeletePolicy", {"PolicyArn": f"{READ}s"}, ("NoSuchEntity", f"Policy {READ}s was not found.")),
        ("DeletePolicy", {"PolicyArn": ADMINISTRATOR_ACCESS}, ("AccessDenied", "Policy is outside your own account.")),
        (
            "CreatePolicyVersion",
            {"PolicyArn": ADMINISTRATOR_ACCESS, "PolicyDocument": ALLOW_ALL},
            ("AccessDenied", "Policy is outside your own account."),
        ),
        ("ListEntitiesForPolicy", {"PolicyArn": f"{READ}s"}, ("NoSuchEntity", f"Policy {READ}s was not found.")),
    ],
)
def test_what_is_refused(account: IamAccount, action: str, params: dict[str, Any], error: tuple[str, str]) -> None:
    """Each refusal has IAM's code and words."""
    assert account.refused(action, **params) == error


@pytest.mark.parametrize("document", ["", "{", "{}", "[]", EC2_TRUST])
def test_documents_that_are_no_policy(account: IamAccount, document: str) -> None:
    """Neither a new policy nor a new version takes them."""
    assert account.refused("CreatePolicy", PolicyName="new", PolicyDocument=document)[0] == "MalformedPolicyDocument"
    assert account.refused("CreatePolicyVersion", PolicyArn=READ, PolicyDocument=document)[0] == "MalformedPolicyDocument"


def test_a_policy_in_use_is_not_deleted(account: IamAccount) -> None:
    """An attachment, a boundary and other versions each stand in the way."""
    account("AttachUserPolicy", UserName="alice", PolicyArn=READ)
    account("PutRolePermissionsBoundary", RoleName="app", PermissionsBoundary=READ)
    account("CreatePolicyVersion", PolicyArn=READ, PolicyDocument=ALLOW_ALL)
    assert account("GetPolicy", PolicyArn=READ)["Policy"]["AttachmentCount"] == 1
    assert account("GetPolicy", PolicyArn=READ)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    refused = lambda: account.refused("DeletePolicy", PolicyArn=READ)  # noqa: E731 (three uses below)
    assert refused() == ("DeleteConflict", "Cannot delete a policy attached to entities.")
    account("DetachUserPolicy", UserName="alice", PolicyArn=READ)
    assert refused() == ("DeleteConflict", "Cannot delete a policy used as a permissions boundary.")
    account("DeleteRolePermissionsBoundary", RoleName="app")
    assert refused()[1].startswith("This policy has more than one version.")
    account("DeletePolicyVersion", PolicyArn=READ, VersionId="v2")
    account("DeletePolicy", PolicyArn=READ)
    assert account.refused("GetPolicy", PolicyArn=READ)[0] == "NoSuchEntity"


def listed(account: IamAccount, **params: Any) -> set[str]:
    """Names that ListPolicies finds, over all pages of two."""
    names: list[str] = []
    marker: dict[str, str] = {}
    while True:
        found = account("ListPolicies", MaxItems=2, **params, **marker)
        assert len(found["Policies"]) <= 2
        names += [policy["PolicyName"] for policy in found["Policies"]]
        if not found["IsTruncated"]:
            assert len(set(names)) == len(names)
            return set(names)
        marker = {"Marker": found["Marker"]}


def test_policies_are_listed_by_scope_and_use(account: IamAccount) -> None:
    """Whose they are, whether they are used, for what, and their path."""
    account("CreatePolicy", PolicyName="bound", PolicyDocument=ALLOW_ALL)
    account("CreatePolicy", PolicyName="idle", PolicyDocument=ALLOW_ALL)
    account("AttachUserPolicy", UserName="alice", PolicyArn=READ)
    account("AttachRolePolicy", RoleName="app", PolicyArn=ADMINISTRATOR_ACCESS)
    account("PutRolePermissionsBoundary", RoleName="app", PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/bound")
    assert listed(account, Scope="Local") == {"read", "bound", "idle"}
    assert {"read", "AdministratorAccess", "ReadOnlyAccess"} < listed(account)
    assert listed(account, Scope="AWS") == listed(account, Scope="All") - {"read", "bound", "idle"}
    assert listed(account, OnlyAttached=True) == {"read", "bound", "AdministratorAccess"}
    assert listed(account, OnlyAttached=True, Scope="AWS") == {"AdministratorAccess"}
    assert listed(account, PolicyUsageFilter="PermissionsBoundary") == {"bound"}
    assert listed(account, PolicyUsageFilter="PermissionsPolicy", Scope="Local") == {"read"}
    assert listed(account, PathPrefix="/team/") == {"read"}


def test_the_number_of_policies_is_limited(account: IamAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quota is told with its name and value."""
    monkeypatch.setattr(managed, "MOST_POLICIES", 1)
    refused = account.refused("CreatePolicy", PolicyName="new", PolicyDocument=ALLOW_ALL)
    assert refused == ("LimitExceeded", "Cannot exceed quota for PoliciesPerAccount: 1")

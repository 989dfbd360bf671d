"""GetAccountAuthorizationDetails: who is there and what they are allowed, by kind and page."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from brownout.identity.aws.records.principals import Group, User
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, EC2_TRUST, START_S, IamAccount, allow

IAM = f"arn:aws:iam::{ACCOUNT}"
MEMBERS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


@pytest.fixture
def account() -> IamAccount:
    """An account with one of each, each with policies of both sorts."""
    account = IamAccount(
        [
            User("alice", "AIDAALICE000000000001", f"{IAM}:user/x/alice", START_S, "/x/", {"a": "b"}, ("staff",)),
            Group("staff", "AGPASTAFF000000000001", f"{IAM}:group/staff", START_S),
        ]
    )
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST, PermissionsBoundary=ADMINISTRATOR_ACCESS)
    account("CreateInstanceProfile", InstanceProfileName="web")
    account("AddRoleToInstanceProfile", InstanceProfileName="web", RoleName="app")
    account("CreatePolicy", PolicyName="own", PolicyDocument=allow("s3:Get1"), Description="reads")
    account("CreatePolicyVersion", PolicyArn=f"{IAM}:policy/own", PolicyDocument=allow("s3:Get2"), SetAsDefault=True)
    for kind, name in (("User", "alice"), ("Group", "staff"), ("Role", "app")):
        holder = {f"{kind}Name": name}
        account.run(f"Put{kind}Policy", {**holder, "PolicyName": "mine", "PolicyDocument": allow("s3:*")})
        account.run(f"Attach{kind}Policy", {**holder, "PolicyArn": f"{IAM}:policy/own"})
    return account


def details(account: IamAccount, **params: Any) -> dict[str, list[Any]]:
    found = account("GetAccountAuthorizationDetails", **params)
    assert not found["IsTruncated"]
    return {member: list(found[member]) for member in MEMBERS}


ATTACHED = [{"PolicyName": "own", "PolicyArn": f"{IAM}:policy/own"}]


def test_a_user_is_told_with_groups_and_policies(account: IamAccount) -> None:
    """Documents are percent-encoded."""
    (user,) = details(account)["UserDetailList"]
    (inline,) = user.pop("UserPolicyList")
    assert (inline["PolicyName"], unquote(inline["PolicyDocument"])) == ("mine", allow("s3:*"))
    assert user == {
        "Path": "/x/",
        "UserName": "alice",
        "UserId": "AIDAALICE000000000001",
        "Arn": f"{IAM}:user/x/alice",
        "CreateDate": START_S,
        "GroupList": ["staff"],
        "AttachedManagedPolicies": ATTACHED,
        "Tags": [{"Key": "a", "Value": "b"}],
    }


def test_a_group_is_told_with_policies(account: IamAccount) -> None:
    """Its members are told by the users."""
    (group,) = details(account)["GroupDetailList"]
    assert (group["GroupName"], group["AttachedManagedPolicies"]) == ("staff", ATTACHED)
    assert [policy["PolicyName"] for policy in group["GroupPolicyList"]] == ["mine"]


def test_a_role_is_told_with_trust_profiles_and_boundary(account: IamAccount) -> None:
    """All that decides who may become it and what it may do."""
    (role,) = details(account)["RoleDetailList"]
    assert unquote(role["AssumeRolePolicyDocument"]) == EC2_TRUST
    assert [profile["InstanceProfileName"] for profile in role["InstanceProfileList"]] == ["web"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == ADMINISTRATOR_ACCESS
    assert (role["AttachedManagedPolicies"], role["RoleLastUsed"]) == (ATTACHED, {})


def test_policies_are_told_with_all_versions(account: IamAccount) -> None:
    """The account's own, and of AWS's those in use: here as a boundary."""
    own, of_aws = sorted(details(account)["Policies"], key=lambda policy: str(policy["PolicyName"]), reverse=True)
    assert (own["PolicyName"], own["Description"], own["AttachmentCount"]) == ("own", "reads", 3)
    assert [version["VersionId"] for version in own["PolicyVersionList"]] == ["v2", "v1"]
    assert [unquote(version["Document"]) for version in own["PolicyVersionList"]] == [allow("s3:Get2"), allow("s3:Get1")]
    assert (of_aws["PolicyName"], of_aws["PermissionsBoundaryUsageCount"]) == ("AdministratorAccess", 1)


@pytest.mark.parametrize(
    ("filters", "counts"),
    [
        (["User"], (1, 0, 0, 0)),
        (["Group"], (0, 1, 0, 0)),
        (["Role"], (0, 0, 1, 0)),
        (["LocalManagedPolicy"], (0, 0, 0, 1)),
        (["AWSManagedPolicy"], (0, 0, 0, 1)),
        (["User", "AWSManagedPolicy", "LocalManagedPolicy"], (1, 0, 0, 2)),
        ([], (1, 1, 1, 2)),
    ],
)
def test_filters_choose_kinds(account: IamAccount, filters: list[str], counts: tuple[int, ...]) -> None:
    """Several filters add up, none means all."""
    found = details(account, Filter=filters)
    assert tuple(len(found[member]) for member in MEMBERS) == counts


def test_pages_run_over_all_kinds(account: IamAccount) -> None:
    """Two entries a page, each once, and all of them in the end."""
    whole = details(account)
    joined: dict[str, list[Any]] = {member: [] for member in MEMBERS}
    marker: dict[str, str] = {}
    while True:
        found = account("GetAccountAuthorizationDetails", MaxItems=2, **marker)
        assert sum(len(found[member]) for member in MEMBERS) <= 2
        for member in MEMBERS:
            joined[member] += found[member]
        if not found["IsTruncated"]:
            break
        marker = {"Marker": found["Marker"]}
    assert joined == whole

"""Managed policies on users, groups and roles: the same rules for all three."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.records.policies import PolicyUse
from brownout.identity.aws.records.principals import Group, User
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, ALLOW_ALL, EC2_TRUST, START_S, IamAccount

OWN = f"arn:aws:iam::{ACCOUNT}:policy/team/own"
SERVICE_ROLE_POLICY = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
HOLDERS = (("User", "alice"), ("Group", "staff"), ("Role", "app"))
each_holder = pytest.mark.parametrize(("kind", "name"), HOLDERS)


@pytest.fixture
def account() -> IamAccount:
    """An account with one user, one group, one role and the policy `own`."""
    account = IamAccount(
        [
            User("alice", "AIDAALICE000000000001", f"arn:aws:iam::{ACCOUNT}:user/x/alice", START_S, "/x/"),
            Group("staff", "AGPASTAFF000000000001", f"arn:aws:iam::{ACCOUNT}:group/staff", START_S),
        ]
    )
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    account("CreatePolicy", PolicyName="own", Path="/team/", PolicyDocument=ALLOW_ALL)
    return account


def attach(account: IamAccount, kind: str, name: str, arn: str = OWN) -> None:
    account.run(f"Attach{kind}Policy", {f"{kind}Name": name, "PolicyArn": arn})


def attached(account: IamAccount, kind: str, name: str, **params: Any) -> list[str]:
    found = account.run(f"ListAttached{kind}Policies", {f"{kind}Name": name, **params})
    return [policy["PolicyArn"] for policy in found["AttachedPolicies"]]


@each_holder
def test_a_policy_is_attached_and_detached(account: IamAccount, kind: str, name: str) -> None:
    """Attaching twice is attaching once; the count goes up and down with it."""
    for _ in range(2):
        attach(account, kind, name)
    attach(account, kind, name, ADMINISTRATOR_ACCESS)
    assert attached(account, kind, name) == [OWN, ADMINISTRATOR_ACCESS]
    assert attached(account, kind, name, PathPrefix="/team/") == [OWN]
    assert attached(account, kind, name, MaxItems=1) == [OWN]
    assert account("GetPolicy", PolicyArn=OWN)["Policy"]["AttachmentCount"] == 1
    for arn in (OWN, ADMINISTRATOR_ACCESS):
        account.run(f"Detach{kind}Policy", {f"{kind}Name": name, "PolicyArn": arn})
    assert attached(account, kind, name) == []
    assert not account.tables.table(PolicyUse)


@each_holder
def test_what_is_refused(account: IamAccount, kind: str, name: str) -> None:
    """Unknown holders and policies, policies of services, one more than ten, and detaching what is not attached."""
    none = f"arn:aws:iam::{ACCOUNT}:policy/none"
    attaching, detaching = f"Attach{kind}Policy", f"Detach{kind}Policy"
    holder = {f"{kind}Name": name}
    missing = ("NoSuchEntity", f"The {kind.lower()} with name no cannot be found.")
    for action in (attaching, detaching):
        assert account.refused(action, **{f"{kind}Name": "no"}, PolicyArn=OWN) == missing
        assert account.refused(action, **holder, PolicyArn="arn:aws:iam::1:policy/x") == (
            "InvalidInput",
            "ARN arn:aws:iam::1:policy/x is not valid.",
        )
    assert account.refused(f"ListAttached{kind}Policies", **{f"{kind}Name": "no"}) == missing
    assert account.refused(attaching, **holder, PolicyArn=none) == (
        "NoSuchEntity",
        f"Policy {none} does not exist or is not attachable.",
    )
    assert account.refused(attaching, **holder, PolicyArn=SERVICE_ROLE_POLICY) == (
        "PolicyNotAttachable",
        f"Cannot attach a Service Role Policy to a Customer {kind}.",
    )
    assert account.refused(detaching, **holder, PolicyArn=OWN) == ("NoSuchEntity", f"Policy {OWN} was not found.")


@each_holder
def test_ten_policies_are_the_most(account: IamAccount, kind: str, name: str) -> None:
    """The quota has a name of its own for each kind of holder."""
    for n in range(11):
        account("CreatePolicy", PolicyName=f"p{n}", PolicyDocument=ALLOW_ALL)
    for n in range(10):
        attach(account, kind, name, f"arn:aws:iam::{ACCOUNT}:policy/p{n}")
    refused = account.refused(f"Attach{kind}Policy", **{f"{kind}Name": name}, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p10")
    assert refused == ("LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind}: 10")
    attach(account, kind, name, f"arn:aws:iam::{ACCOUNT}:policy/p0")


def entities(account: IamAccount, **params: Any) -> set[str]:
    """Names that ListEntitiesForPolicy finds, over all pages of one."""
    found_names: set[str] = set()
    marker: dict[str, str] = {}
    while True:
        found = account("ListEntitiesForPolicy", PolicyArn=OWN, MaxItems=1, **params, **marker)
        found_names |= {user["UserName"] for user in found["PolicyUsers"]}
        found_names |= {group["GroupName"] for group in found["PolicyGroups"]}
        found_names |= {role["RoleName"] for role in found["PolicyRoles"]}
        if not found["IsTruncated"]:
            return found_names
        marker = {"Marker": found["Marker"]}


def test_who_has_a_policy_is_listed(account: IamAccount) -> None:
    """By kind of entity, by path, and by what the policy is to them."""
    assert entities(account) == set()
    for kind, name in HOLDERS:
        attach(account, kind, name)
    account("CreateRole", RoleName="bound", AssumeRolePolicyDocument=EC2_TRUST, PermissionsBoundary=OWN)
    assert entities(account) == {"alice", "staff", "app", "bound"}
    assert entities(account, EntityFilter="Role") == {"app", "bound"}
    assert entities(account, EntityFilter="User") == {"alice"}
    assert entities(account, PathPrefix="/x/") == {"alice"}
    assert entities(account, PolicyUsageFilter="PermissionsBoundary") == {"bound"}
    assert entities(account, PolicyUsageFilter="PermissionsPolicy") == {"alice", "staff", "app"}

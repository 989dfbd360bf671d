"""Permissions boundaries: set, replaced, counted and taken away."""

from __future__ import annotations

import pytest

from brownout.identity.aws.records.policies import PolicyUse
from brownout.identity.aws.records.principals import Role, User
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, ALLOW_ALL, EC2_TRUST, START_S, IamAccount

OWN = f"arn:aws:iam::{ACCOUNT}:policy/own"
each_holder = pytest.mark.parametrize(("kind", "name"), [("User", "alice"), ("Role", "app")])


@pytest.fixture
def account() -> IamAccount:
    """An account with one user, one role and the policy `own`."""
    account = IamAccount([User("alice", "AIDAALICE000000000001", f"arn:aws:iam::{ACCOUNT}:user/alice", START_S)])
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    account("CreatePolicy", PolicyName="own", PolicyDocument=ALLOW_ALL)
    return account


def put(account: IamAccount, kind: str, name: str, arn: str) -> None:
    account.run(f"Put{kind}PermissionsBoundary", {f"{kind}Name": name, "PermissionsBoundary": arn})


def boundary(account: IamAccount, kind: str, name: str) -> str:
    return account.tables.table(User)[name].boundary if kind == "User" else account.tables.table(Role)[name].boundary


@each_holder
def test_a_boundary_is_set_replaced_and_removed(account: IamAccount, kind: str, name: str) -> None:
    """The use of each policy is counted, once however often it is set."""
    for arn in (OWN, OWN, ADMINISTRATOR_ACCESS):
        put(account, kind, name, arn)
        assert boundary(account, kind, name) == arn
        assert {use.arn: use.as_boundary for use in account.tables.table(PolicyUse).values()} == {arn: 1}
    account.run(f"Delete{kind}PermissionsBoundary", {f"{kind}Name": name})
    assert boundary(account, kind, name) == ""
    assert not account.tables.table(PolicyUse)


@each_holder
def test_what_is_refused(account: IamAccount, kind: str, name: str) -> None:
    """Unknown holders and policies, policies of services, and removing what is not there."""
    putting, holder = f"Put{kind}PermissionsBoundary", {f"{kind}Name": name}
    nobody = ("NoSuchEntity", f"The {kind.lower()} with name no cannot be found.")
    none = f"{OWN}s"
    assert account.refused(putting, **{f"{kind}Name": "no"}, PermissionsBoundary=OWN) == nobody
    assert account.refused(f"Delete{kind}PermissionsBoundary", **{f"{kind}Name": "no"}) == nobody
    assert account.refused(putting, **holder, PermissionsBoundary=none) == (
        "NoSuchEntity",
        f"Scope ARN: {none} does not exist or is not attachable.",
    )
    assert account.refused(putting, **holder, PermissionsBoundary="arn:aws:s3:::bucket/object")[0] == "InvalidInput"
    service_role_policy = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
    assert account.refused(putting, **holder, PermissionsBoundary=service_role_policy)[0] == "PolicyNotAttachable"
    assert account.refused(f"Delete{kind}PermissionsBoundary", **holder)[0] == "NoSuchEntity"

"""Inline policies of users, groups and roles: the same rules with other limits."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from brownout.identity.aws.records.principals import Group, User
from support.iam_account import ACCOUNT, ALLOW_ALL, EC2_TRUST, START_S, IamAccount, allow

HOLDERS = (("User", "alice", 2048), ("Group", "staff", 5120), ("Role", "app", 10240))
each_holder = pytest.mark.parametrize(("kind", "name", "most"), HOLDERS)


@pytest.fixture
def account() -> IamAccount:
    """An account with one user, one group and one role."""
    account = IamAccount(
        [
            User("alice", "AIDAALICE000000000001", f"arn:aws:iam::{ACCOUNT}:user/alice", START_S),
            Group("staff", "AGPASTAFF000000000001", f"arn:aws:iam::{ACCOUNT}:group/staff", START_S),
        ]
    )
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    return account


def put(account: IamAccount, kind: str, name: str, policy: str, document: str) -> None:
    account.run(f"Put{kind}Policy", {f"{kind}Name": name, "PolicyName": policy, "PolicyDocument": document})


def listed(account: IamAccount, kind: str, name: str, **params: Any) -> list[str]:
    return list(account.run(f"List{kind}Policies", {f"{kind}Name": name, **params})["PolicyNames"])


@each_holder
def test_a_policy_is_put_replaced_and_deleted(account: IamAccount, kind: str, name: str, most: int) -> None:
    """A second document of one name takes the place of the first."""
    put(account, kind, name, "b", allow("s3:Get*"))
    put(account, kind, name, "a", ALLOW_ALL)
    put(account, kind, name, "b", allow("s3:Put*"))
    assert listed(account, kind, name) == ["a", "b"]
    assert listed(account, kind, name, MaxItems=1) == ["a"]
    shown = account.run(f"Get{kind}Policy", {f"{kind}Name": name.upper(), "PolicyName": "b"})
    assert (shown[f"{kind}Name"], shown["PolicyName"]) == (name, "b")
    assert unquote(shown["PolicyDocument"]) == allow("s3:Put*")
    account.run(f"Delete{kind}Policy", {f"{kind}Name": name, "PolicyName": "b"})
    assert listed(account, kind, name) == ["a"]


@each_holder
def test_what_is_refused(account: IamAccount, kind: str, name: str, most: int) -> None:
    """Unknown holders and policies, and documents that are no policy."""
    word = kind.lower()
    holder, unknown = {f"{kind}Name": name}, {f"{kind}Name": "no"}
    nobody = ("NoSuchEntity", f"The {word} with name no cannot be found.")
    nothing = ("NoSuchEntity", f"The {word} policy with name p cannot be found.")
    assert account.refused(f"Put{kind}Policy", **unknown, PolicyName="p", PolicyDocument=ALLOW_ALL) == nobody
    assert account.refused(f"List{kind}Policies", **unknown) == nobody
    for action in (f"Get{kind}Policy", f"Delete{kind}Policy"):
        assert account.refused(action, **unknown, PolicyName="p") == nobody
        assert account.refused(action, **holder, PolicyName="p") == nothing
    for document in ("", "{", EC2_TRUST):
        refused = account.refused(f"Put{kind}Policy", **holder, PolicyName="p", PolicyDocument=document)
        assert refused[0] == "MalformedPolicyDocument"


def of_weight(weight: int) -> str:
    """A policy document of that many characters without white space."""
    return allow("s3:" + "a" * (weight - len(allow("s3:").replace(" ", ""))))


@each_holder
def test_all_policies_of_one_have_a_limit_together(account: IamAccount, kind: str, name: str, most: int) -> None:
    """A policy that is replaced counts no more; white space never does."""
    put(account, kind, name, "a", of_weight(most - 200))
    put(account, kind, name, "b", of_weight(200).replace(",", ", " + "\n" * 300))
    refused = account.refused(f"Put{kind}Policy", **{f"{kind}Name": name}, PolicyName="b", PolicyDocument=of_weight(201))
    assert refused == ("LimitExceeded", f"Maximum policy size of {most} bytes exceeded for {kind.lower()} {name}")
    put(account, kind, name, "a", of_weight(200))
    put(account, kind, name, "b", of_weight(201))

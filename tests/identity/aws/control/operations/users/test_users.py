"""Users are made, found, listed, renamed and deleted as IAM does it."""

from __future__ import annotations

import pytest

from brownout.identity.aws.control.operations.users import users
from brownout.identity.aws.records.policies import PolicyUse
from brownout.identity.aws.records.principals import LastUsed, Role, User
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, ALLOW_ALL, IamAccount, trust


def test_a_user_is_made_and_found() -> None:
    """What CreateUser returns is what GetUser finds, in any case of the name."""
    iam = IamAccount()
    made = iam("CreateUser", UserName="Bob", Path="/team/", Tags=[{"Key": "a", "Value": "1"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/Bob"
    assert made["Tags"] == [{"Key": "a", "Value": "1"}]
    assert iam("GetUser", UserName="bob")["User"] == made
    assert iam.refused("CreateUser", UserName="BOB") == (
        "EntityAlreadyExists",
        "User with name BOB already exists.",
    )
    assert iam.refused("GetUser", UserName="Al") == ("NoSuchEntity", "The user with name Al cannot be found.")


def test_who_calls_is_meant_where_no_name_is_given() -> None:
    """A user sees itself, the root sees the account, and a role has to give a name."""
    iam = IamAccount()
    made = iam("CreateUser", UserName="Bob")["User"]
    assert iam("GetUser")["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    iam.caller = iam.caller._replace(kind="user", principal_arn=made["Arn"], arn=made["Arn"])
    assert iam("GetUser")["User"] == made
    iam.caller = iam.caller._replace(kind="assumed-role", principal_arn=f"arn:aws:iam::{ACCOUNT}:role/app")
    code, message = iam.refused("GetUser")
    assert (code, message) == ("ValidationError", "Must specify userName when calling with non-User credentials")


def test_users_are_listed_by_path_in_pages() -> None:
    """A path prefix selects, pages follow the names, and the last sign-in is told."""
    iam = IamAccount([LastUsed("password/c", 5.0, "ap-southeast-2", "signin")])
    for name, path in (("c", "/"), ("A", "/x/"), ("b", "/x/y/")):
        iam("CreateUser", UserName=name, Path=path)
    first = iam("ListUsers", MaxItems=2)
    second = iam("ListUsers", Marker=first["Marker"])
    assert [user["UserName"] for user in (*first["Users"], *second["Users"])] == ["A", "b", "c"]
    assert second["Users"][0]["PasswordLastUsed"] == 5.0
    assert [user["UserName"] for user in iam("ListUsers", PathPrefix="/x/")["Users"]] == ["A", "b"]


def test_there_may_be_so_many_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """One user too many is LimitExceeded with the quota in the message."""
    monkeypatch.setattr(users, "MOST_USERS", 1)
    iam = IamAccount()
    iam("CreateUser", UserName="a")
    assert iam.refused("CreateUser", UserName="b") == ("LimitExceeded", "Cannot exceed quota for UsersPerAccount: 1")


def test_a_boundary_counts_as_a_use_of_its_policy() -> None:
    """The boundary that a user is made with is shown, counted, and not counted any more once the user is gone."""
    iam = IamAccount()
    made = iam("CreateUser", UserName="a", PermissionsBoundary=ADMINISTRATOR_ACCESS)["User"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == ADMINISTRATOR_ACCESS
    assert iam.tables.table(PolicyUse)[ADMINISTRATOR_ACCESS].as_boundary == 1
    iam("DeleteUser", UserName="a")
    assert not iam.tables.table(PolicyUse)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (("CreateAccessKey", {}), "must delete access keys first"),
        (("AddUserToGroup", {"GroupName": "g"}), "must remove users from group first"),
        (("CreateLoginProfile", {"Password": "Abcdefg1"}), "must delete login profile first"),
        (("AttachUserPolicy", {"PolicyArn": ADMINISTRATOR_ACCESS}), "must detach all policies first"),
        (("PutUserPolicy", {"PolicyName": "p", "PolicyDocument": ALLOW_ALL}), "must delete policies first"),
        (
            ("CreateServiceSpecificCredential", {"ServiceName": "codecommit.amazonaws.com"}),
            "must remove referenced objects first",
        ),
    ],
)
def test_a_user_that_has_something_is_not_deleted(what: tuple[str, dict[str, str]], words: str) -> None:
    """DeleteUser is DeleteConflict, and the words say what is left."""
    iam = IamAccount()
    iam("CreateGroup", GroupName="g")
    iam("CreateUser", UserName="a")
    iam(what[0], UserName="a", **what[1])
    assert iam.refused("DeleteUser", UserName="a") == ("DeleteConflict", f"Cannot delete entity, {words}.")


def test_a_deleted_user_leaves_nothing() -> None:
    """The name is free again, and a role that trusted the user trusts its id, which nobody gets again."""
    iam = IamAccount()
    made = iam("CreateUser", UserName="a")["User"]
    iam("CreateRole", RoleName="a", AssumeRolePolicyDocument=trust({"AWS": made["Arn"]}))
    iam("DeleteUser", UserName="A")
    assert not iam.tables.table(User)
    assert made["UserId"] in iam.tables.table(Role)["a"].trust
    assert iam("CreateUser", UserName="a")["User"]["UserId"] != made["UserId"]
    assert iam.refused("DeleteUser", UserName="b")[0] == "NoSuchEntity"

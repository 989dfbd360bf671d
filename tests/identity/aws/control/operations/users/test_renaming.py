"""A user or group that gets another name keeps its id and all that belongs to it."""

from __future__ import annotations

from brownout.identity.aws.records.credentials import AccessKey, MfaDevice, UserCredentials
from brownout.identity.aws.records.principals import LastUsed, Role, User
from brownout.identity.aws.records.published import RegionalLogin
from support.iam_account import ACCOUNT, IamAccount, trust


def test_a_renamed_user_keeps_what_it_has() -> None:
    """Keys, password, groups and last uses go along, and roles that trust the user go on to do so."""
    iam = IamAccount([LastUsed("password/old", 5.0, "ap-southeast-2", "signin")])
    before = iam("CreateUser", UserName="old")["User"]
    key = iam("CreateAccessKey", UserName="old")["AccessKey"]["AccessKeyId"]
    iam("CreateLoginProfile", UserName="old", Password="Abcdefg1")
    iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=trust({"AWS": before["Arn"]}))
    iam("UpdateUser", UserName="old", NewUserName="New", NewPath="/p/")
    after = iam("GetUser", UserName="new")["User"]
    assert after["UserId"] == before["UserId"]
    assert after["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/p/New"
    assert after["PasswordLastUsed"] == 5.0
    assert iam("ListAccessKeys", UserName="new")["AccessKeyMetadata"][0]["AccessKeyId"] == key
    assert iam.tables.table(AccessKey)[key].user_name == "New"
    assert iam("GetLoginProfile", UserName="new")["LoginProfile"]["UserName"] == "New"
    assert {login.login.user_name for login in iam.tables.table(RegionalLogin).values()} == {"New"}
    assert after["Arn"] in iam.tables.table(Role)["r"].trust
    assert set(iam.tables.table(UserCredentials)) == {"new"}
    assert set(iam.tables.table(User)) == {"new"}
    assert not iam.tables.table(MfaDevice)


def test_only_the_case_or_the_path_may_change() -> None:
    """A user may get its own name in another case; another user's name is taken."""
    iam = IamAccount()
    for name in ("a", "b"):
        iam("CreateUser", UserName=name)
    iam("CreateAccessKey", UserName="a")
    iam("UpdateUser", UserName="a", NewUserName="A")
    iam("UpdateUser", UserName="a", NewPath="/x/")
    assert iam("GetUser", UserName="a")["User"]["Arn"].endswith(":user/x/A")
    assert iam("ListAccessKeys", UserName="a")["AccessKeyMetadata"][0]["UserName"] == "A"
    assert iam.refused("UpdateUser", UserName="a", NewUserName="B")[0] == "EntityAlreadyExists"
    assert iam.refused("UpdateUser", UserName="c", NewUserName="d")[0] == "NoSuchEntity"


def test_a_renamed_group_keeps_its_users() -> None:
    """Members are those of the new name, and the old one is free."""
    iam = IamAccount()
    iam("CreateGroup", GroupName="old")
    iam("CreateGroup", GroupName="other")
    iam("CreateUser", UserName="a")
    iam("AddUserToGroup", GroupName="old", UserName="a")
    iam("UpdateGroup", GroupName="old", NewGroupName="new", NewPath="/p/")
    assert [user["UserName"] for user in iam("GetGroup", GroupName="new")["Users"]] == ["a"]
    assert iam("ListGroupsForUser", UserName="a")["Groups"][0]["Arn"].endswith(":group/p/new")
    assert iam.refused("GetGroup", GroupName="old")[0] == "NoSuchEntity"
    assert iam.refused("UpdateGroup", GroupName="new", NewGroupName="OTHER")[0] == "EntityAlreadyExists"

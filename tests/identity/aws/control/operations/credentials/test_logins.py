"""Passwords: what they must be, who changes them, and that nobody keeps one."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.control.operations.credentials.passwords import matches
from brownout.identity.aws.records.credentials import Secret
from brownout.identity.aws.records.published import PublishedLogin, RegionalLogin
from support.iam_account import ACCOUNT, IamAccount

FIRST, SECOND, THIRD = "Correct1horse", "Battery2staple", "Another3one"


def account(**policy: Any) -> IamAccount:
    iam = IamAccount()
    iam("CreateUser", UserName="a")
    if policy:
        iam("UpdateAccountPasswordPolicy", **policy)
    return iam


def logins(iam: IamAccount) -> dict[str, PublishedLogin]:
    return {login.region: login.login for login in iam.tables.table(RegionalLogin).values()}


def test_each_region_has_a_hash_of_its_own() -> None:
    """Both regions can check the password, neither's hash is the other's, and the password is nowhere."""
    iam = account()
    made = iam("CreateLoginProfile", UserName="A", Password=FIRST, PasswordResetRequired=True)["LoginProfile"]
    assert (made["UserName"], made["PasswordResetRequired"]) == ("a", True)
    found = logins(iam)
    assert set(found) == {"sydney", "melbourne"}
    assert all(matches(login, FIRST) and not matches(login, SECOND) for login in found.values())
    assert all(login.reset_required for login in found.values())
    assert found["sydney"].digest != found["melbourne"].digest
    everything = "".join(str(record.to_json()) for kind in iam.tables for record in iam.tables.table(kind).values())
    assert FIRST not in everything


def test_a_password_is_changed_and_deleted() -> None:
    """What UpdateLoginProfile leaves away stays; DeleteLoginProfile takes all of it away."""
    iam = account()
    iam("CreateLoginProfile", UserName="a", Password=FIRST)
    iam("UpdateLoginProfile", UserName="a", PasswordResetRequired=True)
    assert matches(logins(iam)["sydney"], FIRST)
    assert logins(iam)["melbourne"].reset_required
    iam("UpdateLoginProfile", UserName="a", Password=SECOND)
    assert matches(logins(iam)["sydney"], SECOND)
    assert iam("GetLoginProfile", UserName="a")["LoginProfile"]["PasswordResetRequired"]
    iam("DeleteLoginProfile", UserName="a")
    assert not logins(iam)
    assert not iam.tables.table(Secret)
    assert iam.refused("GetLoginProfile", UserName="a") == ("NoSuchEntity", "Login Profile for User a cannot be found.")


def test_a_user_has_one_password() -> None:
    """A second profile is EntityAlreadyExists, and one without a password is refused."""
    iam = account()
    assert iam.refused("CreateLoginProfile", UserName="a")[0] == "ValidationError"
    iam("CreateLoginProfile", UserName="a", Password=FIRST)
    assert iam.refused("CreateLoginProfile", UserName="a", Password=FIRST) == (
        "EntityAlreadyExists",
        "Login Profile for user a already exists.",
    )


@pytest.mark.parametrize("password", ["Short1", "alllowercase", "lower1digits"])
def test_without_a_policy_passwords_need_eight_characters_of_three_kinds(password: str) -> None:
    """What the account has no rule for, IAM's own rule forbids."""
    assert account().refused("CreateLoginProfile", UserName="a", Password=password)[0] == "PasswordPolicyViolation"


@pytest.mark.parametrize(
    ("policy", "password"),
    [
        ({"MinimumPasswordLength": 14}, "Short1but!mixed"[:13]),
        ({"RequireSymbols": True}, "Abcdefg1"),
        ({"RequireNumbers": True}, "Abcdefg!"),
        ({"RequireUppercaseCharacters": True}, "abcdefg1!"),
        ({"RequireLowercaseCharacters": True}, "ABCDEFG1!"),
    ],
)
def test_a_policy_is_kept(policy: dict[str, Any], password: str) -> None:
    """A password that the account's policy forbids is PasswordPolicyViolation; without that rule it is good."""
    iam = account(**policy)
    assert iam.refused("CreateLoginProfile", UserName="a", Password=password)[0] == "PasswordPolicyViolation"
    iam("UpdateAccountPasswordPolicy")
    iam("CreateLoginProfile", UserName="a", Password=password)


def test_a_password_is_not_used_again() -> None:
    """A policy that remembers one password forbids the last one, and not the one before."""
    iam = account(PasswordReusePrevention=1)
    iam("CreateLoginProfile", UserName="a", Password=FIRST)
    code, _ = iam.refused("UpdateLoginProfile", UserName="a", Password=FIRST)
    assert code == "PasswordPolicyViolation"
    iam("UpdateLoginProfile", UserName="a", Password=SECOND)
    iam("UpdateLoginProfile", UserName="a", Password=FIRST)


def test_a_user_changes_its_own_password() -> None:
    """The old password is needed, the new one must be good, and nobody else may use ChangePassword."""
    iam = account()
    iam("CreateLoginProfile", UserName="a", Password=FIRST, PasswordResetRequired=True)
    assert iam.refused("ChangePassword", OldPassword=FIRST, NewPassword=SECOND)[0] == "InvalidUserType"
    iam.caller = iam.caller._replace(kind="user", principal_arn=f"arn:aws:iam::{ACCOUNT}:user/a")
    assert iam.refused("ChangePassword", OldPassword=SECOND, NewPassword=THIRD)[0] == "AccessDenied"
    assert iam.refused("ChangePassword", OldPassword=FIRST, NewPassword="weak")[0] == "PasswordPolicyViolation"
    iam("ChangePassword", OldPassword=FIRST, NewPassword=SECOND)
    assert matches(logins(iam)["melbourne"], SECOND)
    assert not iam("GetLoginProfile")["LoginProfile"]["PasswordResetRequired"]

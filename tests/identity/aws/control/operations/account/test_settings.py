"""The account's alias and password policy."""

from __future__ import annotations

from support.iam_account import ACCOUNT, IamAccount


def test_an_account_has_one_alias() -> None:
    """Another alias takes the place of the first, and only the alias that is there can be deleted."""
    iam = IamAccount()
    assert iam("ListAccountAliases")["AccountAliases"] == []
    iam("CreateAccountAlias", AccountAlias="one")
    assert iam.refused("CreateAccountAlias", AccountAlias="one")[0] == "EntityAlreadyExists"
    iam("CreateAccountAlias", AccountAlias="two")
    assert iam("ListAccountAliases") == {"AccountAliases": ["two"], "IsTruncated": False}
    assert iam.refused("DeleteAccountAlias", AccountAlias="one")[0] == "NoSuchEntity"
    iam("DeleteAccountAlias", AccountAlias="two")
    assert iam("ListAccountAliases")["AccountAliases"] == []


def test_a_password_policy_is_set_as_a_whole() -> None:
    """What a later call leaves away is not what an earlier one set."""
    iam = IamAccount()
    missing = ("NoSuchEntity", f"The Password Policy with domain name {ACCOUNT} cannot be found.")
    assert iam.refused("GetAccountPasswordPolicy") == missing
    assert iam.refused("DeleteAccountPasswordPolicy") == missing
    iam("UpdateAccountPasswordPolicy", MinimumPasswordLength=12, MaxPasswordAge=90, HardExpiry=True)
    policy = iam("GetAccountPasswordPolicy")["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["MaxPasswordAge"], policy["ExpirePasswords"]) == (12, 90, True)
    assert policy["HardExpiry"]
    iam("UpdateAccountPasswordPolicy", RequireSymbols=True)
    policy = iam("GetAccountPasswordPolicy")["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["RequireSymbols"], policy["ExpirePasswords"]) == (6, True, False)
    iam("DeleteAccountPasswordPolicy")
    assert iam.refused("GetAccountPasswordPolicy") == missing

"""The account's alias and password policy. Wire facts: docs/reference/aws-wire.md#the-account."""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import entity_already_exists, no_such_entity
from brownout.identity.aws.records.settings import AccountSettings, PasswordPolicy


def account_settings(tx: Transaction) -> AccountSettings:
    return tx.get(AccountSettings, "") or AccountSettings()


@operation("CreateAccountAlias")
def create_account_alias(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """An account has one alias: another takes its place."""
    alias, settings = params["AccountAlias"], account_settings(tx)
    if settings.alias == alias:
        raise entity_already_exists(f"The account alias {alias} already exists.")
    tx.put(replace(settings, alias=alias))


@operation("DeleteAccountAlias")
def delete_account_alias(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    alias, settings = params["AccountAlias"], account_settings(tx)
    if settings.alias != alias:
        raise no_such_entity(f"The account alias {alias} cannot be found.")
    tx.put(replace(settings, alias=""))


@operation("ListAccountAliases")
def list_account_aliases(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    alias = account_settings(tx).alias
    return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}


@operation("UpdateAccountPasswordPolicy")
def update_account_password_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """The whole policy: what the call leaves away falls back to IAM's defaults, not to what was set before."""
    policy = PasswordPolicy(
        params.get("MinimumPasswordLength", 6),
        params.get("RequireSymbols", False),
        params.get("RequireNumbers", False),
        params.get("RequireUppercaseCharacters", False),
        params.get("RequireLowercaseCharacters", False),
        params.get("AllowUsersToChangePassword", False),
        params.get("MaxPasswordAge", 0),
        params.get("PasswordReusePrevention", 0),
        params.get("HardExpiry", False),
    )
    tx.put(replace(account_settings(tx), password_policy=policy))


@operation("GetAccountPasswordPolicy")
def get_account_password_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    policy = _known_policy(tx)
    shape = {
        "MinimumPasswordLength": policy.minimum_length,
        "RequireSymbols": policy.require_symbols,
        "RequireNumbers": policy.require_numbers,
        "RequireUppercaseCharacters": policy.require_uppercase,
        "RequireLowercaseCharacters": policy.require_lowercase,
        "AllowUsersToChangePassword": policy.users_may_change,
        "ExpirePasswords": policy.max_age_days > 0,
    }
    limits = {"MaxPasswordAge": policy.max_age_days, "PasswordReusePrevention": policy.reuse_prevention}
    shape |= {name: number for name, number in limits.items() if number}
    return {"PasswordPolicy": shape | ({"HardExpiry": True} if policy.hard_expiry else {})}


@operation("DeleteAccountPasswordPolicy")
def delete_account_password_policy(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    _known_policy(tx)
    tx.put(replace(account_settings(tx), password_policy=None))


def _known_policy(tx: Transaction) -> PasswordPolicy:
    """Raises NoSuchEntity where the account has none of its own."""
    policy = account_settings(tx).password_policy
    if policy is None:
        raise no_such_entity(f"The Password Policy with domain name {tx.account_id} cannot be found.")
    return policy

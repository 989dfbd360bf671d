"""Credentials of users as the control plane makes and forgets them, quotas aside. The root's name is ""."""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import ids
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import AccessKey, Secret, UserCredentials
from brownout.identity.aws.records.principals import LastUsed
from brownout.identity.aws.records.published import LearnedKey


def owned_by(tx: Transaction, user_name: str) -> UserCredentials:
    """Which credentials the user has."""
    return tx.get(UserCredentials, user_name.lower()) or UserCredentials(user_name)


def new_access_key(tx: Transaction, user_name: str) -> tuple[AccessKey, str]:
    """A new access key of the user, and its secret."""
    key_id, secret = tx.new_id(ids.ACCESS_KEY), tx.secret()
    while tx.get(AccessKey, key_id) is not None:
        key_id = tx.new_id(ids.ACCESS_KEY)
    made, owned = AccessKey(key_id, user_name, tx.now_s), owned_by(tx, user_name)
    tx.put(made, Secret(key_id, secret), replace(owned, access_keys=(*owned.access_keys, key_id)))
    return made, secret


def forget_access_key(tx: Transaction, key: AccessKey) -> None:
    """Takes the key away with its secret and its last use, and what was learned of it from replicas."""
    owned = owned_by(tx, key.user_name)
    tx.put(replace(owned, access_keys=without(owned.access_keys, key.access_key_id)))
    tx.delete(key)
    forget_secret(tx, key.access_key_id)
    forget_last_use(tx, key.access_key_id)
    for region in tx.regions:
        learned = tx.get(LearnedKey, f"{region}/{key.access_key_id}")
        if learned is not None:
            tx.delete(learned)


def forget_secret(tx: Transaction, subject: str) -> None:
    """Takes away what is secret in a credential."""
    secret = tx.get(Secret, subject)
    if secret is not None:
        tx.delete(secret)


def forget_last_use(tx: Transaction, subject: str) -> None:
    used = tx.get(LastUsed, subject)
    if used is not None:
        tx.delete(used)


def without(listed: tuple[str, ...], gone: str) -> tuple[str, ...]:
    return tuple(each for each in listed if each != gone)

"""Credentials of users as the control plane makes and forgets them, quotas aside."""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import ids
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import AccessKey, Secret, UserCredentials
from brownout.identity.aws.records.principals import LastUsed, User


def owned_by(tx: Transaction, user: User) -> UserCredentials:
    """Which credentials the user has."""
    return tx.get(UserCredentials, user.table_key) or UserCredentials(user.name)


def new_access_key(tx: Transaction, user: User) -> tuple[AccessKey, str]:
    """A new access key of the user, and its secret."""
    key_id, secret = tx.new_id(ids.ACCESS_KEY), tx.secret()
    while tx.get(AccessKey, key_id) is not None:
        key_id = tx.new_id(ids.ACCESS_KEY)
    made, owned = AccessKey(key_id, user.name, tx.now_s), owned_by(tx, user)
    tx.put(made, Secret(key_id, secret), replace(owned, access_keys=(*owned.access_keys, key_id)))
    return made, secret


def forget_access_key(tx: Transaction, user: User, key: AccessKey) -> None:
    """Takes the key away with its secret and its last use."""
    owned = owned_by(tx, user)
    tx.put(replace(owned, access_keys=tuple(each for each in owned.access_keys if each != key.access_key_id)))
    tx.delete(key)
    forget_secret(tx, key.access_key_id)
    used = tx.get(LastUsed, key.access_key_id)
    if used is not None:
        tx.delete(used)


def forget_secret(tx: Transaction, subject: str) -> None:
    """Takes away what is secret in a credential."""
    secret = tx.get(Secret, subject)
    if secret is not None:
        tx.delete(secret)

"""The life of an account as a whole: how it begins, what time does to it, how a test gets it back as it was.

The users that an account begins with have access keys that are made once. They stand among the secrets too
(`first-key/NAME`), so that a reset gives back the very keys that clients were told of, even where they were deleted.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.auth.region_keys import DAY_S, day_of
from brownout.identity.aws.control.credentials import new_access_key, owned_by
from brownout.identity.aws.control.publishing.editions import PAST_DAYS
from brownout.identity.aws.control.sealing_keys import renew_sealing_keys, renewed_until_s
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import ACTIVE, AccessKey, Revocation, Secret, UserCredentials
from brownout.identity.aws.records.kinds import KINDS
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.seed import ADMIN, CALLER
from brownout.identity.aws.records.settings import AccountSettings, Lineage, SealingKey
from brownout.identity.aws.records.tables import Tables
from brownout.identity.core.replication.lines import begun

FIRST_USERS = (ADMIN, CALLER)
# Through a reset: sessions of before stay readable, replicas know whose account it is, and faults are not undone.
_KEPT_UP = (AccountSettings, SealingKey)  # what is kept up with the time
_KEPT = (SealingKey, Lineage, Revocation)


def begin_account(tx: Transaction, initial: Tables) -> None:
    """What an account is before its first change, with keys for its first users, on a line of its own."""
    _put_all(tx, initial)
    tx.put(Lineage((tx.new_uuid(),)))
    for name in FIRST_USERS:
        key, secret = new_access_key(tx, name)
        tx.put(Secret(f"first-key/{name}", f"{key.access_key_id} {secret}"))
    keep_up(tx, seals=True)


def go_on(tx: Transaction, version: int) -> None:
    """A new life of the directory goes on with the account that its disk has at `version`."""
    lineage = tx.get(Lineage, "")
    tx.put(Lineage(begun(lineage.lines if lineage else (), tx.new_uuid(), version)))


def reset_account(tx: Transaction, initial: Tables) -> None:
    """Makes the account what it was at its beginning, with the keys that its first users had then."""
    first = [tx.get(Secret, f"first-key/{name}") for name in FIRST_USERS]
    keys = tx.table(AccessKey)
    for kind in KINDS:
        if kind not in _KEPT:
            for record in tx.table(kind).values():
                tx.delete(record)
    _put_all(tx, initial)
    for name, marker in zip(FIRST_USERS, first, strict=True):
        if marker is not None:
            key_id, secret = marker.value.split()
            key = keys.get(key_id) or AccessKey(key_id, name, tx.now_s)
            tx.put(marker, Secret(key_id, secret), replace(key, user_name=name, status=ACTIVE))
            tx.put(UserCredentials(name, (key_id,)))
    keep_up(tx, seals=False)


def keep_up(tx: Transaction, *, seals: bool) -> None:
    """What is due by now: the days of the keys that regions are sent, and with `seals` the keys that they seal with."""
    settings = tx.get(AccountSettings, "") or AccountSettings()
    first_day = day_of(tx.now_s) - PAST_DAYS
    client_day = 0 if tx.client_now_s is None else day_of(tx.client_now_s) - PAST_DAYS
    if (settings.key_first_day, settings.client_first_day) != (first_day, client_day):
        tx.put(replace(settings, key_first_day=first_day, client_first_day=client_day))
    if seals:
        renew_sealing_keys(tx)


class Upkeep:
    """`keep_up` at one time after the other, without a look at what is due before anything can be."""

    def __init__(self) -> None:
        self._known: tuple[Tables, bool] | None = None  # with whose keys nothing was due, and whether sealing keys were made
        self._from_s = self._until_s = 0.0

    def is_due(self, tx: Transaction, *, seals: bool) -> bool:
        """False where `keep_up` would change nothing: it did not before, and neither the keys nor the day are others."""
        known = self._known
        if known is None or known[1] != seals or tx.client_now_s is not None:
            return True
        return tx.base.differs(known[0], _KEPT_UP) or not self._from_s <= tx.now_s < self._until_s

    def note(self, tx: Transaction, *, seals: bool) -> None:
        """Tells of a transaction that was kept up."""
        self._known = None if tx.changes else (tx.base, seals)
        day_ends_s = float((day_of(tx.now_s) + 1) * DAY_S)
        self._from_s = tx.now_s
        self._until_s = min(day_ends_s, renewed_until_s(tx.base.table(SealingKey).values(), tx.now_s)) if seals else day_ends_s


def credentials_of(tx: Transaction, name: str) -> tuple[str, str]:
    """Access key and secret of a user, made now where none is known; raises KeyError for a user that does not exist.

    For the harness: no quota holds. The first keys of an account come first.
    """
    user = _user(tx, name)
    marker = tx.get(Secret, f"first-key/{name}")
    for key_id in (*((marker.value.split()[0],) if marker else ()), *owned_by(tx, user.name).access_keys):
        key, secret = tx.get(AccessKey, key_id), tx.get(Secret, key_id)
        if key is not None and secret is not None and key.status == ACTIVE:
            return key_id, secret.value
    made, value = new_access_key(tx, user.name)
    return made.access_key_id, value


def _user(tx: Transaction, name: str) -> User:
    found = tx.get(User, name.lower())
    if found is None:
        raise KeyError(name)
    return found


def _put_all(tx: Transaction, tables: Tables) -> None:
    for kind in tables:
        tx.put(*tables.table(kind).values())

"""What each region is sent: the account in that region's edition, kept up to date by what changed and nothing else.

Most tables are those of the directory, the very same. Three are made for the region: access keys with the keys derived for its
scopes instead of the secret, passwords as the hashes made for it, and the seeds of MFA devices that are in use. They follow
the tables that they are made from row by row, so a write costs its own rows, and nothing when nothing changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brownout.identity.aws.auth import region_keys
from brownout.identity.aws.control.account import NOTHING_YET, AccountState
from brownout.identity.aws.records.credentials import AccessKey, MfaDevice, Revocation, Secret
from brownout.identity.aws.records.published import (
    DEFAULT_SETTINGS,
    PUBLISHED,
    LearnedKey,
    MfaSeed,
    PublishedAccount,
    PublishedKey,
    PublishedLogin,
    RegionalLogin,
)
from brownout.identity.aws.records.settings import AccountSettings, Lineage
from brownout.identity.aws.records.table import RecordTable
from brownout.identity.aws.records.tables import RecordKind, Tables

_SOURCES: tuple[RecordKind, ...] = (*PUBLISHED, AccessKey, Revocation, Secret, RegionalLogin, LearnedKey, Lineage)
CLIENT_DAYS = 3  # by the machine's clock: yesterday, today and tomorrow
PAST_DAYS = 1  # of keys are published too: a signature of just before midnight is verified just after


class RegionalEdition:
    """One region's edition of one account."""

    def __init__(self, account_id: str, region: str, scopes: tuple[str, ...], horizon_days: int) -> None:
        """`scopes` are the regions that signatures verified here may be for, by their AWS names."""
        self._account_id, self._region, self._scopes = account_id, region, scopes
        self._days = horizon_days + 1 + PAST_DAYS
        self._state: AccountState = NOTHING_YET
        self._edition: PublishedAccount | None = None
        self._first_day = self._client_day = -1
        self._keys: RecordTable[PublishedKey] = RecordTable()
        self._logins: RecordTable[PublishedLogin] = RecordTable()
        self._seeds: RecordTable[MfaSeed] = RecordTable()

    def of(self, state: AccountState) -> PublishedAccount:
        """The edition of `state`; the same object until something changes that it is made from."""
        if self._edition is None or state is not self._state:
            if self._edition is None or self._has_changed(state):
                self._edition = self._made(state)
            self._state = state  # one with the same sources is as good to compare with, and is compared with at once
        return self._edition

    def _has_changed(self, state: AccountState) -> bool:
        """True when anything is new that the edition is made from: many changes, such as last uses, do not enter it."""
        return state.tables.differs(self._state.tables, _SOURCES)

    def _made(self, state: AccountState) -> PublishedAccount:
        settings = state.tables.table(AccountSettings).get("", DEFAULT_SETTINGS)
        self._follow_keys(state.tables, settings)
        self._follow_revocations(state.tables)
        self._follow_logins(state.tables)
        self._follow_seeds(state.tables)
        own: dict[RecordKind, RecordTable[Any]] = {PublishedKey: self._keys, PublishedLogin: self._logins, MfaSeed: self._seeds}
        tables = state.tables.only(PUBLISHED).with_tables(own)
        return PublishedAccount(self._account_id, self._region, state.version, state.lines, tables)

    def _follow_keys(self, tables: Tables, settings: AccountSettings) -> None:
        new, old = tables.table(AccessKey), self._state.tables.table(AccessKey)
        if (settings.key_first_day, settings.client_first_day) != (self._first_day, self._client_day):
            self._first_day, self._client_day = settings.key_first_day, settings.client_first_day
            found = (self._published_key(tables, key) for key in new.values())
            self._keys = RecordTable.of(key for key in found if key is not None)
        elif new is not old:
            changed = {key_id: new.get(key_id) for key_id in new.changed_keys(old)}
            self._keys = self._keys.with_changes(
                {key_id: None if key is None else self._published_key(tables, key) for key_id, key in changed.items()}
            )

    def _follow_revocations(self, tables: Tables) -> None:
        """Marks the keys that faults take away; there are few revocations and they seldom change, so each key is looked at."""
        revocations = tables.table(Revocation)
        if revocations is self._state.tables.table(Revocation):
            return
        found = {key.access_key_id: _is_revoked(tables, key) for key in tables.table(AccessKey).values()}
        self._keys = self._keys.with_changes(
            {
                key_id: replace(published, revoked=found.get(key_id, False))
                for key_id, published in self._keys.items()
                if published.revoked != found.get(key_id, False)
            }
        )

    def _published_key(self, tables: Tables, key: AccessKey) -> PublishedKey | None:
        """The key as the region is sent it; None for one whose secret is lost and that no replica had."""
        before = self._keys.get(key.access_key_id)
        secret = tables.table(Secret).get(key.access_key_id)
        if secret is None:
            learned = tables.table(LearnedKey).get(f"{self._region}/{key.access_key_id}")
            if learned is None:
                return None
            return replace(learned.published, user_name=key.user_name, status=key.status, revoked=_is_revoked(tables, key))
        derived = {scope: self._derived(secret.value, scope, before) for scope in self._scopes}
        clients = self._scopes if self._client_day else ()
        return PublishedKey(
            key.access_key_id,
            key.user_name,
            self._first_day,
            derived,
            key.status,
            key.created_s,
            _is_revoked(tables, key),
            self._client_day,
            {scope: region_keys.horizon(secret.value, scope, self._client_day, CLIENT_DAYS) for scope in clients},
        )

    def _derived(self, secret: str, scope: str, before: PublishedKey | None) -> bytes:
        """The keys of the horizon, of which those that were published before are not derived again."""
        first_day, days = self._first_day, self._days
        if before is None or not before.first_day <= first_day < before.first_day + days:
            return region_keys.horizon(secret, scope, first_day, days)
        shift = first_day - before.first_day
        kept = before.region_keys[scope][shift * region_keys.KEY_BYTES :]
        return kept + (region_keys.horizon(secret, scope, before.first_day + days, shift) if shift else b"")

    def _follow_logins(self, tables: Tables) -> None:
        new, old = tables.table(RegionalLogin), self._state.tables.table(RegionalLogin)
        ours = (key for key in new.changed_keys(old) if key.startswith(f"{self._region}/"))
        found = {key.partition("/")[2]: new.get(key) for key in ours}
        if found:
            self._logins = self._logins.with_changes(
                {user: None if made is None else made.login for user, made in found.items()}
            )

    def _follow_seeds(self, tables: Tables) -> None:
        new, old = tables.table(MfaDevice), self._state.tables.table(MfaDevice)
        found = {serial: new.get(serial) for serial in new.changed_keys(old)}
        if found:
            self._seeds = self._seeds.with_changes(
                {serial: None if device is None else _seed(tables, device) for serial, device in found.items()}
            )


def _is_revoked(tables: Tables, key: AccessKey) -> bool:
    return any(revocation.concerns(key) for revocation in tables.table(Revocation).values())


def _seed(tables: Tables, device: MfaDevice) -> MfaSeed | None:
    secret = tables.table(Secret).get(device.serial_number)
    return MfaSeed(device.serial_number, bytes.fromhex(secret.value)) if device.user_name and secret else None

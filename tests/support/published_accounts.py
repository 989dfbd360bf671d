"""Accounts as a region is sent them, made without a directory: what a stack starts with, and long-term keys of its users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.region_keys import day_of, horizon
from brownout.identity.aws.records.published import PublishedAccount, PublishedKey
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.seed import account_of, initial_account
from brownout.identity.aws.records.settings import SealingKey
from brownout.identity.aws.records.tables import Tables
from brownout.identity.core.topology import REGIONS, StackSpec

HORIZON_DAYS = 40
DAY_S = 86_400.0


@dataclass
class AccountMaker:
    """Makes versions of a stack's account, one after the other."""

    stack: StackSpec
    now_s: float
    version: int = 1
    lines: tuple[str, ...] = ("line-1",)
    sealing_ends_s: float = 2 * DAY_S  # from now
    records: list[AccountRecord] = field(default_factory=list)
    removed: list[AccountRecord] = field(default_factory=list)
    secrets: dict[str, Credentials] = field(default_factory=dict)
    sent: dict[str, Tables] = field(default_factory=dict)  # by region, the newest

    @property
    def account_id(self) -> str:
        return account_of(self.stack)

    def role_arn(self, name: str) -> str:
        return arns.role(self.account_id, "/", name)

    def key_of(self, user: str) -> Credentials:
        """The long-term key of a user, or of the root for ""."""
        if user not in self.secrets:
            key_id = ids.access_key_id(ids.ACCESS_KEY, self.account_id, f"key of {user}")
            self.secrets[user] = Credentials(key_id, ids.secret_access_key("key of", user))
        return self.secrets[user]

    def put(self, *records: AccountRecord) -> None:
        """Puts records in place of those of the same kind and key, under a new version."""
        self.records.extend(records)
        self.version += 1

    def remove(self, record: AccountRecord) -> None:
        """Takes a record away, under a new version."""
        self.removed.append(record)
        self.version += 1

    def account(self, region: str) -> PublishedAccount:
        """The account as `region` is sent it now: as the directory's, it shares with the one before what did not change."""
        tables = initial_account(self.stack)
        for record in (*self._keys(region), *self._sealing_keys(), *self.records):
            tables = tables.with_changes({type(record): {record.table_key: record}})
        for record in self.removed:
            tables = tables.with_changes({type(record): {record.table_key: None}})
        before = self.sent.get(region, tables)
        tables = tables.with_tables({kind: before.table(kind) for kind in tables if before.table(kind) == tables.table(kind)})
        self.sent[region] = tables
        return PublishedAccount(self.account_id, region, self.version, self.lines, tables)

    def _keys(self, region: str) -> Iterable[PublishedKey]:
        first = day_of(self.now_s) - 1
        for user in ("admin", "caller", "", *(name for name in self.secrets if name not in ("admin", "caller", ""))):
            known = self.key_of(user)
            scopes = (REGIONS[region].aws_name, "us-east-1")
            packed = {scope: _horizon(known.secret_access_key, scope, first, HORIZON_DAYS) for scope in scopes}
            yield PublishedKey(known.access_key_id, user, first, packed)

    def _sealing_keys(self) -> Iterable[SealingKey]:
        material = hashlib.sha256(f"sealing {self.stack.seed}".encode()).digest()
        ends_s = self.now_s + self.sealing_ends_s
        yield SealingKey("sealing-1", material, self.now_s - DAY_S, ends_s, ends_s + 7 * DAY_S)

    def renamed_line(self, line: str) -> AccountMaker:
        """A maker whose directory knows nothing of this one's disks."""
        return replace(self, lines=(line,))


@lru_cache(maxsize=256)
def _horizon(secret: str, scope: str, first_day: int, days: int) -> bytes:
    """As `horizon`: makers of all tests have the same users, whose keys are derived once."""
    return horizon(secret, scope, first_day, days)

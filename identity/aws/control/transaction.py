"""What one operation sees of the account and does to it.

An operation is a pure function over a Transaction: it reads records, puts and deletes some, and raises AwsError to refuse.
Nothing of it is seen outside until the account has committed all of it under one version, so an operation that
raises half way has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from brownout.identity.aws import ids
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.table import RecordTable
from brownout.identity.aws.records.tables import Changes, RecordKind, Tables

R = TypeVar("R", bound=AccountRecord)


class Transaction:
    """One operation's view of the account. `regions` maps each region of the stack to its AWS name.

    `client_now_s` is the time by the clock of real clients, None where it does not count.
    """

    def __init__(
        self,
        tables: Tables,
        account_id: str,
        *,
        now_s: float,
        new_uuid: Callable[[], str],
        regions: Mapping[str, str],
        client_now_s: float | None = None,
    ) -> None:
        self.account_id = account_id
        self.now_s = now_s
        self.client_now_s = client_now_s
        self.regions = regions
        self.new_uuid = new_uuid
        self.base = tables  # the account as it was when this began
        self._changes: dict[RecordKind, dict[str, AccountRecord | None]] = {}

    def get(self, kind: type[R], key: str) -> R | None:
        """The record of that kind under `key`: a name in lower case, an id or an ARN."""
        changed = self._changes.get(kind, _NO_CHANGES)
        if key in changed:
            found = changed[key]
            assert found is None or isinstance(found, kind)
            return found
        return self.base.table(kind).get(key)

    def table(self, kind: type[R]) -> RecordTable[R]:
        """All records of that kind, with what this transaction has changed."""
        changed = self._changes.get(kind)
        return self.base.with_changes({kind: changed}).table(kind) if changed else self.base.table(kind)

    def put(self, *records: AccountRecord) -> None:
        """Puts each record in place of what stands under its key."""
        for record in records:
            self._changes.setdefault(type(record), {})[record.table_key] = record

    def delete(self, record: AccountRecord) -> None:
        """Takes the record away."""
        self._changes.setdefault(type(record), {})[record.table_key] = None

    @property
    def changes(self) -> Changes:
        """What was put and deleted so far."""
        return self._changes

    def new_id(self, prefix: str) -> str:
        """A fresh id of that kind: `AIDA...` of a user, `AKIA...` of an access key."""
        if prefix in (ids.ACCESS_KEY, ids.SESSION_KEY):
            return ids.access_key_id(prefix, self.account_id, self.new_uuid())
        return ids.unique_id(prefix, self.new_uuid())

    def secret(self) -> str:
        """A fresh secret of 40 characters."""
        return ids.secret_access_key(self.new_uuid(), self.new_uuid())


_NO_CHANGES: Mapping[str, AccountRecord | None] = {}

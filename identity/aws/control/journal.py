"""How the account is made durable: whole transactions, in the order of their versions, one write each.

Every committed transaction is one record of the journal, so a kill leaves all of it or nothing. Several may be on their way
to the disk at once, each made on top of those before it. Therefore a record of the journal repeats what is not known to be
durable yet: once it is written, everything up to its version is.

Now and then the oldest records of the journal are *settled*: each row that they changed is written under a key of its own,
then they are dropped, oldest first. A row knows its version, so a record of the journal that is found again changes nothing
that is newer. The newest record always stays: it tells the version that was reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws.records.kinds import BY_NAME
from brownout.identity.aws.records.record import AccountRecord, JsonForm
from brownout.identity.aws.records.tables import Changes, RecordKind, Tables
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json

SETTLE_AFTER = 64  # records of the journal
_ENTRY, _ROW = "journal", "row"
_Rows = dict[RecordKind, dict[str, AccountRecord | None]]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The changes up to one version, since the last version that was durable before."""

    version: int
    changes: Changes

    def to_json(self) -> JsonForm[JournalEntry]:
        return JsonForm(self, JournalEntry._json)

    def _json(self) -> dict[str, Any]:
        changes = {
            kind.KIND: {key: None if record is None else record.to_json() for key, record in rows.items()}
            for kind, rows in self.changes.items()
        }
        return {"version": self.version, "changes": changes}

    @classmethod
    def from_json(cls, raw: Json) -> JournalEntry:
        if isinstance(raw, JsonForm) and isinstance(raw.value, cls):
            return raw.value
        changes = {
            BY_NAME[name]: {key: None if row is None else BY_NAME[name].from_json(row) for key, row in rows.items()}
            for name, rows in raw["changes"].items()
        }
        return cls(int(raw["version"]), changes)


@dataclass(frozen=True, slots=True)
class SettledRow:
    """One row as it was at a version, in a place of its own."""

    version: int
    record: AccountRecord

    def to_json(self) -> JsonForm[SettledRow]:
        return JsonForm(self, SettledRow._json)

    def _json(self) -> dict[str, Any]:
        return {"version": self.version, "kind": self.record.KIND, "record": self.record.to_json()}

    @classmethod
    def from_json(cls, raw: Json) -> SettledRow:
        if isinstance(raw, JsonForm) and isinstance(raw.value, cls):
            return raw.value
        return cls(int(raw["version"]), BY_NAME[raw["kind"]].from_json(raw["record"]))


class AccountJournal:
    """The durable form of one account, below `prefix` among a node's records."""

    def __init__(self, ports: Ports, prefix: str) -> None:
        self._ports, self._prefix = ports, prefix
        self._rows: list[SettledRow] = []  # found on the disk
        self._entries: dict[int, JournalEntry] = {}  # durable and not settled, by version
        self._undurable: dict[int, Changes] = {}  # accepted, and not known to be on the disk
        self._writing: set[int] = set()
        self._newest = 0  # of the versions that are known here
        self._is_settling = False

    def take_up(self, name: str, record: Json) -> bool:
        """Takes up one durable record if it is the journal's; before `restored`."""
        kind = name.partition(":")[0]
        if kind == _ENTRY:
            entry = JournalEntry.from_json(record)
            self._entries[entry.version] = entry
        elif kind == _ROW:
            self._rows.append(SettledRow.from_json(record))
        return kind in (_ENTRY, _ROW)

    def restored(self) -> tuple[int, Tables]:
        """The version that was reached and all rows as they were then; version 0 when nothing was ever durable."""
        versions: dict[tuple[RecordKind, str], int] = {}
        rows: dict[tuple[RecordKind, str], AccountRecord] = {}
        for row in self._rows:
            place = type(row.record), row.record.table_key
            versions[place], rows[place] = row.version, row.record
        self._rows = []
        self._entries = dict(sorted(self._entries.items()))
        for entry in self._entries.values():
            for kind, key, record in _each(entry.changes):
                if versions.get((kind, key), 0) > entry.version:
                    continue
                if record is None:
                    rows.pop((kind, key), None)
                else:
                    rows[kind, key] = record
        self._newest = max(self._entries, default=0)
        return max((self._newest, *versions.values())), Tables.of(rows.values())

    async def append(self, version: int, changes: Changes) -> None:
        """Returns once everything up to `version` is durable; versions grow from call to call."""
        assert version > self._newest, "versions grow"
        self._newest = version
        self._undurable[version] = changes
        entry = JournalEntry(version, _merged(self._undurable.values()))
        self._writing.add(version)
        try:
            await self._ports.persist(self._entry_key(version), entry.to_json())
        finally:
            self._writing.discard(version)
        self._entries[version] = entry
        self._undurable = {later: changes for later, changes in self._undurable.items() if later > version}

    async def settle(self) -> None:
        """Once there are many records, writes the rows of all but the newest and drops those records.

        It takes as many writes as there are rows, so it is for the background: no caller waits for it.
        """
        if self._is_settling or len(self._entries) <= SETTLE_AFTER:
            return
        self._is_settling = True
        try:
            newest = max(self._entries)
            # A write that is still on its way would come back after its successors were dropped.
            settled = sorted(version for version in self._entries if version < min((newest, *self._writing)))
            last: dict[tuple[RecordKind, str], tuple[int, AccountRecord | None]] = {}
            for version in settled:
                for kind, key, record in _each(self._entries[version].changes):
                    last[kind, key] = version, record
            for (kind, key), (version, record) in last.items():
                row = None if record is None else SettledRow(version, record).to_json()
                await self._ports.persist(f"{self._prefix}:{_ROW}:{kind.KIND}:{key}", row)
            for version in settled:
                await self._ports.persist(self._entry_key(version), None)
                del self._entries[version]
        finally:
            self._is_settling = False

    def _entry_key(self, version: int) -> str:
        return f"{self._prefix}:{_ENTRY}:{version:016d}"


def _each(changes: Changes) -> Iterable[tuple[RecordKind, str, AccountRecord | None]]:
    for kind, rows in changes.items():
        for key, record in rows.items():
            yield kind, key, record


def _merged(all_changes: Iterable[Changes]) -> Changes:
    """What the changes come to, one after the other."""
    merged: _Rows = {}
    for changes in all_changes:
        for kind, rows in changes.items():
            merged.setdefault(kind, {}).update(rows)
    return merged

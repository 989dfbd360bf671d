"""All records of an account, a table for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.table import RecordTable

R = TypeVar("R", bound=AccountRecord)
RecordKind = type[AccountRecord]
Changes = Mapping[RecordKind, Mapping[str, AccountRecord | None]]


class Tables:
    """An account's records. A value: `with_changes` makes another that shares what did not change."""

    def __init__(self, by_kind: Mapping[RecordKind, RecordTable[Any]]) -> None:
        self._by_kind = by_kind

    @classmethod
    def of(cls, records: Iterable[AccountRecord]) -> Tables:
        sorted_out: dict[RecordKind, list[AccountRecord]] = {}
        for record in records:
            sorted_out.setdefault(type(record), []).append(record)
        return cls({kind: RecordTable.of(found) for kind, found in sorted_out.items()})

    def table(self, kind: type[R]) -> RecordTable[R]:
        """The records of one kind by key."""
        return self._by_kind.get(kind, _EMPTY)

    def differs(self, other: Tables, kinds: Iterable[RecordKind]) -> bool:
        """True when the table of one of these kinds is not the very same; two that only have the same records differ."""
        mine, theirs = self._by_kind, other._by_kind
        return any(mine.get(kind) is not theirs.get(kind) for kind in kinds)

    def with_changes(self, changes: Changes) -> Tables:
        """The tables after each key of each kind got that record, or none at all."""
        changed = {kind: self.table(kind).with_changes(of_kind) for kind, of_kind in changes.items()}
        return Tables({**self._by_kind, **changed})

    def with_tables(self, tables: Mapping[RecordKind, RecordTable[Any]]) -> Tables:
        """The tables with these in place of those of their kinds."""
        return Tables({**self._by_kind, **tables})

    def only(self, kinds: Iterable[RecordKind]) -> Tables:
        """The tables of these kinds alone."""
        return Tables({kind: self._by_kind[kind] for kind in kinds if kind in self._by_kind})

    def __iter__(self) -> Iterator[RecordKind]:
        return iter(self._by_kind)


_EMPTY: RecordTable[Any] = RecordTable()

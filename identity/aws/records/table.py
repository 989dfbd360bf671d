"""Immutable tables that share what they have in common.

An account is read by requests, published to ten nodes and remembered as it was before, all while it is written. So a table
never changes: `with_changes` makes another one, which shares all but the touched parts. The rows stand in a power of two of
parts, by a checksum of their key; a change copies one part and the row of parts. With a million rows that is some hundred
rows in place of a million, and two tables are compared by the parts that they do not share (`changed_keys`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, ValuesView
from functools import cached_property
from itertools import chain
from typing import Any, Generic, Self, TypeVar, overload
from zlib import crc32

from brownout.identity.aws.records.record import AccountRecord

R = TypeVar("R", bound=AccountRecord)
D = TypeVar("D")

ROWS_PER_PART = 64  # a table that has more on average gets twice as many parts
MOST_PARTS = 4096


class RecordTable(Mapping[str, R], Generic[R]):
    """The records of one kind by key. Iteration has no order that means something; `sorted_keys` has."""

    def __init__(self, parts: tuple[Mapping[str, R], ...] = ({},), rows: int | None = None) -> None:
        assert len(parts) & (len(parts) - 1) == 0, "parts are a power of two"
        self._parts = parts
        self._rows = sum(map(len, parts)) if rows is None else rows

    @classmethod
    def of(cls, records: Iterable[R]) -> Self:
        """The table of these records; of two with one key the later is kept."""
        return cls._divided({record.table_key: record for record in records})

    @classmethod
    def _divided(cls, rows: Mapping[str, R]) -> Self:
        count = 1
        while count * ROWS_PER_PART < len(rows) and count < MOST_PARTS:
            count *= 2  # a power of two, so that a mask of the checksum picks the part
        parts: list[dict[str, R]] = [{} for _ in range(count)]
        for key, record in rows.items():
            parts[crc32(key.encode()) & (count - 1)][key] = record
        return cls(tuple(parts), len(rows))

    def __getitem__(self, key: str) -> R:
        return self._parts[self._part_of(key)][key]

    @overload
    def get(self, key: str, /) -> R | None: ...

    @overload
    def get(self, key: str, /, default: R | D) -> R | D: ...

    def get(self, key: str, /, default: R | D | None = None) -> R | D | None:
        parts = self._parts  # on the way of every request, and most tables have one part
        part = parts[0] if len(parts) == 1 else parts[crc32(key.encode()) & (len(parts) - 1)]
        return part.get(key, default)

    def __iter__(self) -> Iterator[str]:
        for part in self._parts:
            yield from part

    def __len__(self) -> int:
        return self._rows

    def values(self) -> ValuesView[R]:
        """The records, read from part to part: no key is looked up."""
        return self._parts[0].values() if len(self._parts) == 1 else _RecordValues(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordTable):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(other.get(key) == self[key] for key in self))

    __hash__ = None  # type: ignore[assignment]  # as all mappings: equal by content

    def _part_of(self, key: str) -> int:
        return crc32(key.encode()) & (len(self._parts) - 1)

    def with_changes(self, changes: Mapping[str, R | None]) -> RecordTable[R]:
        """The table after each key of `changes` got that record, or none at all."""
        fresh: dict[int, dict[str, R]] = {}
        for key, record in changes.items():
            number = self._part_of(key)
            part = fresh.setdefault(number, {**self._parts[number]} if number not in fresh else {})
            if record is None:
                part.pop(key, None)
            else:
                assert record.table_key == key, "a record stands under its own key"
                part[key] = record
        parts = list(self._parts)
        rows = self._rows
        for number, part in fresh.items():
            rows += len(part) - len(parts[number])
            parts[number] = part
        made = type(self)(tuple(parts), rows)
        crowded = rows > ROWS_PER_PART * len(parts) and len(parts) < MOST_PARTS
        return self._divided(made) if crowded else made

    def changed_keys(self, before: RecordTable[R]) -> Iterator[str]:
        """Keys whose record is not the one that `before` has; costs what the two tables do not share."""
        if len(self._parts) != len(before._parts):
            for key in {**self, **before}:
                if self.get(key) is not before.get(key):
                    yield key
            return
        for mine, theirs in zip(self._parts, before._parts, strict=True):
            if mine is not theirs:
                for key in {**mine, **theirs}:
                    if mine.get(key) is not theirs.get(key):
                        yield key

    @cached_property
    def sorted_keys(self) -> tuple[str, ...]:
        """All keys in order, sorted when first asked for."""
        return tuple(sorted(self))

    def to_json(self) -> list[dict[str, Any]]:
        return [record.to_json() for record in self.values()]


class _RecordValues(ValuesView[R]):
    """The records of a table."""

    def __init__(self, table: RecordTable[R]) -> None:
        super().__init__(table)
        self._table = table

    def __iter__(self) -> Iterator[R]:
        return chain.from_iterable(part.values() for part in self._table._parts)  # noqa: SLF001 (the class above)

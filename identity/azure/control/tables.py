"""The directory's records as one immutable value, and their form between nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from brownout.identity.azure.records import CONTROL_KINDS, ControlRecord
from brownout.identity.core.records import Json

R = TypeVar("R", bound=ControlRecord)


class ControlTables:
    """Records by kind and key. `changed` makes another value."""

    def __init__(self, by_kind: Mapping[str, Mapping[str, ControlRecord]]) -> None:
        self._by_kind = by_kind

    @classmethod
    def of(cls, records: Iterable[ControlRecord]) -> ControlTables:
        """The tables of these records; of two with one key the later is kept."""
        by_kind: dict[str, dict[str, ControlRecord]] = {kind: {} for kind in CONTROL_KINDS}
        for record in records:
            by_kind[record.KIND][record.key] = record
        return cls(by_kind)

    def table(self, kind: type[R]) -> Mapping[str, R]:
        """The records of one kind by key."""
        found: Mapping[str, Any] = self._by_kind.get(kind.KIND, {})
        return found

    def find(self, kind: type[R], key: str) -> R | None:
        """The record of that key, in whatever case; None where there is none."""
        return self.table(kind).get(key.lower())

    def changed(self, kind: str, key: str, record: ControlRecord | None) -> ControlTables:
        """The tables with that record under the key, or with none."""
        table = {known: found for known, found in self._by_kind.get(kind, {}).items() if known != key}
        return ControlTables({**self._by_kind, kind: table if record is None else {**table, key: record}})

    def __iter__(self) -> Iterator[ControlRecord]:
        return (record for table in self._by_kind.values() for record in table.values())

    def to_json(self) -> dict[str, Any]:
        return {kind: [record.to_json() for record in table.values()] for kind, table in self._by_kind.items()}

    @classmethod
    def from_json(cls, raw: Json) -> ControlTables:
        """Raises KeyError, TypeError or ValueError for what are no such tables; kinds that are not known are left out."""
        return cls.of(kind.from_json(each) for name, kind in CONTROL_KINDS.items() for each in raw.get(name, ()))


NO_RECORDS = ControlTables.of(())


@dataclass(frozen=True, slots=True)
class ControlChange:
    """What a front end asks of the directory: this record under that key, or none."""

    kind: str
    key: str
    record: ControlRecord | None

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "key": self.key, "record": None if self.record is None else self.record.to_json()}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        kind, wanted = CONTROL_KINDS[str(raw["kind"])], raw.get("record")
        record = None if wanted is None else kind.from_json(wanted)
        return cls(kind.KIND, str(raw["key"]).lower() if record is None else record.key, record)

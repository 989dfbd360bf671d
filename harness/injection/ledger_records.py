"""What the ledger holds: stacks, faults, and the table of the states that a fault walks through."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args

from brownout.harness.base.processes import ProcessId, boot_id
from brownout.harness.world import Carrier

State = Literal["intended", "applied", "bitten", "reverting", "reverted", "healed", "stuck", "defended"]
STATES: tuple[State, ...] = get_args(State)
CLOSED: frozenset[State] = frozenset({"healed", "defended"})
UNDO: frozenset[State] = frozenset({"reverting", "reverted", "healed", "stuck", "defended"})
LEGAL: Mapping[State, frozenset[State]] = {
    "intended": frozenset({"applied", "reverting"}),
    "applied": frozenset({"bitten", "reverting"}),
    "bitten": frozenset({"reverting"}),
    # Owner and guardian may undo one fault at the same time, so each may record its own progress in any order.
    "reverting": UNDO,
    "reverted": UNDO,
    "stuck": UNDO,
    "healed": frozenset(),
    "defended": frozenset(),
}


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One stack. `world` is the world's name (worlds/catalog.py); `run_owned` stacks go down some time after their owner died.

    `swept`: after the owner's death every carrier was searched for what it may have held too late.
    """

    id: str
    folder: Path
    world: str
    run_owned: bool
    owner: ProcessId
    epoch: int
    orphaned_wall_s: float | None
    swept: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class Intent:
    """A fault that is about to be applied; written to disk before any carrier is touched.

    `params` rebuild the fault. `baseline` has the carriers' readings and the fault's observation from before it.
    `deadline_s` is monotonic. `holder` is the process that owns the fault, None when that is the owner of the stack.
    """

    step: str
    kind: str
    params: Mapping[str, Any]
    carriers: tuple[Carrier, ...]
    baseline: Mapping[str, Any]
    deadline_s: float
    holder: ProcessId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecord(Intent):
    """One fault in the ledger: what was intended, and its state. `epoch` is the stack's at the time of the intent.

    `by_hand`: a command left it in place, so it has no owner and ends at its deadline.
    """

    id: str
    stack: str
    number: int
    boot: str
    state: State
    epoch: int
    by_hand: bool = False

    @property
    def open(self) -> bool:
        return self.state not in CLOSED

    @property
    def in_place(self) -> bool:
        """Whether a carrier may still be held for it."""
        return self.open and self.state != "reverted"

    def overdue(self, monotonic_s: float) -> bool:
        """Whether its deadline has passed."""
        return self.boot != boot_id() or monotonic_s > self.deadline_s


# Earlier versions wrote a world's class as `module:Class`, in modules that have moved since. Such rows are read, never
# rewritten: the guardian of such a stack still runs, and it understands nothing but what it wrote.
_WORLD_OF_CLASS = {"ProcessesWorld": "processes", "ComposeWorld": "compose"}


def _world_name(written: str) -> str:
    _, _, class_name = written.rpartition(":")
    return _WORLD_OF_CLASS.get(class_name, written)


T = TypeVar("T")
KNOWN_MOST = 256  # rows; more than the faults that are open on any stack


class DamagedRow(Exception):
    """A row that no version of ours can have written; the text says of what and which value."""


_NUMBER, _MAYBE_NUMBER = (int, float), (int, float, NoneType)
_STACK_TYPES: Mapping[str, tuple[type, ...]] = {
    "id": (str,), "folder": (str,), "world": (str,), "owner_pid": (int,), "owner_started": (str,), "epoch": (int,),
    "orphaned_wall_s": _MAYBE_NUMBER,
}  # fmt: skip
_FAULT_TYPES: Mapping[str, tuple[type, ...]] = {
    "id": (str,), "stack": (str,), "number": (int,), "step": (str,), "kind": (str,), "params": (str,), "carriers": (str,),
    "baseline": (str,), "deadline_s": _NUMBER, "boot": (str,), "state": (str,), "epoch": (int,),
    "holder_pid": (int, NoneType), "holder_started": (str, NoneType),
}  # fmt: skip
_TRANSITION_TYPES: Mapping[str, tuple[type, ...]] = {"state": (str,), "wall_s": _NUMBER, "evidence": (str,)}


def _read_once(read: Callable[[sqlite3.Row], T]) -> Callable[[sqlite3.Row], T]:
    """`read`, but a row that was read before, octet for octet, gives the same record: most are read many times over."""
    known: dict[tuple[object, ...], T] = {}

    @wraps(read)
    def remembered(row: sqlite3.Row) -> T:
        content = (*row.keys(), *row, *map(type, row))  # with types: 1, 1.0 and true are equal, and not each is right
        found = known.get(content)
        if found is None:
            if len(known) >= KNOWN_MOST:
                known.clear()
            found = known[content] = read(row)
        return found

    return remembered


def _require_types(row: sqlite3.Row, types: Mapping[str, tuple[type, ...]], what: str) -> None:
    """Raises DamagedRow for a value of another type: SQLite keeps any in any column."""
    for column, allowed in types.items():
        if not isinstance(row[column], allowed):
            raise DamagedRow(f"{column} of {what} is {row[column]!r:.60}")


@_read_once
def stack_of(row: sqlite3.Row) -> StackRecord:
    """Raises DamagedRow."""
    _require_types(row, _STACK_TYPES, f"stack {row['id']!r:.60}")
    if "\0" in row["folder"]:
        raise DamagedRow(f"folder of stack {row['id']} is {row['folder']!r:.60}")
    return StackRecord(
        id=row["id"],
        folder=Path(row["folder"]),
        world=_world_name(row["world"]),
        run_owned=bool(row["run_owned"]),
        owner=ProcessId(row["owner_pid"], row["owner_started"]),
        epoch=row["epoch"],
        orphaned_wall_s=row["orphaned_wall_s"],
        swept=bool(row["swept"]),
        closed=bool(row["closed"]),
    )


@lru_cache(maxsize=1024)  # a fault's carriers do not change, and every look at it reads its row
def _carriers_in(text: str) -> tuple[Carrier, ...]:
    return tuple(Carrier.parse(each) for each in json.loads(text))


@lru_cache(maxsize=1024)  # nor do its parameters and what was read before it, while its state goes on
def _mapping_in(text: str) -> Mapping[str, Any]:
    """Raises ValueError for JSON that is no object."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{text[:60]!r} is no object")
    return found


@_read_once
def fault_of(row: sqlite3.Row) -> FaultRecord:
    """Raises DamagedRow."""
    what = f"fault {row['id']!r:.60}"
    _require_types(row, _FAULT_TYPES, what)
    if row["state"] not in STATES:
        raise DamagedRow(f"state of {what} is {row['state']!r:.60}")
    try:
        return _fault_of(row)
    except (ValueError, TypeError, AttributeError, RecursionError) as wrong:  # AttributeError: a carrier that is no text
        raise DamagedRow(f"{what}: {wrong}") from wrong


def transition_of(row: sqlite3.Row) -> tuple[State, float, str]:
    """Raises DamagedRow."""
    _require_types(row, _TRANSITION_TYPES, "a transition")
    return row["state"], row["wall_s"], row["evidence"]


def _fault_of(row: sqlite3.Row) -> FaultRecord:
    return FaultRecord(
        id=row["id"],
        stack=row["stack"],
        number=row["number"],
        step=row["step"],
        kind=row["kind"],
        params=_mapping_in(row["params"]),
        carriers=_carriers_in(row["carriers"]),
        baseline=_mapping_in(row["baseline"]),
        deadline_s=row["deadline_s"],
        boot=row["boot"],
        state=row["state"],
        epoch=row["epoch"],
        holder=None if row["holder_pid"] is None else ProcessId(row["holder_pid"], row["holder_started"] or ""),
        by_hand=bool(row["by_hand"]),
    )

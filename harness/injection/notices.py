"""What a life cycle reports while it takes a fault through its life: one type for each thing that can happen.

`record` is the fault's row as it was intended. `what` is the word for it in a run's history and in logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from brownout.harness.injection.ledger_records import FaultRecord, State


@dataclass(frozen=True, slots=True)
class Intended:
    """The intent is on disk, nothing is touched yet. `before`: whether the fault's effect could be seen already.

    `unchanged` says why the fault asks for the state that there is already, "" where it asks for another.
    """

    what: ClassVar[str] = "intended"
    record: FaultRecord
    describe: str
    before: Literal["bitten", "absent", "unclear"]
    unchanged: str = ""


@dataclass(frozen=True, slots=True)
class ForeignHolds:
    """Other programs hold the fault's carriers: `carrier: id` of each hold. They are left alone."""

    what: ClassVar[str] = "foreign"
    record: FaultRecord
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InPlace:
    """Every carrier is held. The effect may take `settles_s` real seconds to show."""

    what: ClassVar[str] = "applied"
    record: FaultRecord
    settles_s: float


@dataclass(frozen=True, slots=True)
class BiteSeen:
    """The effect is proven by the fault's own look. `looks` has what each single look saw."""

    what: ClassVar[str] = "bitten"
    record: FaultRecord
    evidence: str
    looks: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BiteMissing:
    """In place, with no bite proven in time; `evidence` says why."""

    what: ClassVar[str] = "absent"
    record: FaultRecord
    evidence: str


@dataclass(frozen=True, slots=True)
class HoldSeen:
    """A later look found the fault still in force; `seen_s` (emulated) is when. `evidence` says what was seen."""

    what: ClassVar[str] = "seen"
    record: FaultRecord
    seen_s: float
    evidence: str


@dataclass(frozen=True, slots=True)
class HoldLost:
    """A fault that should be in force no longer is, without a revert of ours; `seen_s` (emulated) is when it last was."""

    what: ClassVar[str] = "lost"
    record: FaultRecord
    seen_s: float
    evidence: str


@dataclass(frozen=True, slots=True)
class ActFailed:
    """The fault's apply (it is undone next), its own revert, or the loading of its code failed."""

    what: ClassVar[str] = "failed"
    record: FaultRecord
    evidence: str


@dataclass(frozen=True, slots=True)
class UndoStep:
    """The undo got to `state`: reverting, reverted, healed, stuck or defended."""

    record: FaultRecord
    state: State
    evidence: str

    @property
    def what(self) -> str:
        return "released" if self.state == "reverted" else self.state


@dataclass(frozen=True, slots=True)
class LateHoldReleased:
    """A hold was found on `carrier` after its fault had been closed, left by a killed process, and was released."""

    what: ClassVar[str] = "swept"
    record: FaultRecord
    carrier: str


Notice = (
    Intended | ForeignHolds | InPlace | BiteSeen | BiteMissing | HoldSeen | HoldLost | ActFailed | UndoStep | LateHoldReleased
)
Tell = Callable[[Notice], None]

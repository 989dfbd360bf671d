"""How an apply and an undo ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from brownout.harness.injection.ledger_records import State


@dataclass(frozen=True, slots=True)
class Applied:
    """How an apply ended. `applied` means in place without a proven bite (yet), `evidence` says why.

    `began_s`, `applied_s` and `bitten_s` are emulated times: just before the apply, just after it, and of the look that proved
    the bite. `took_s` is network time from `began_s` to `bitten_s`, `look_s` the emulated time that the last look took.
    `foreign` lists other programs' holds as `carrier: id`.
    """

    fault_id: str
    step: str
    state: Literal["bitten", "applied", "defended"]
    evidence: str
    began_s: float
    applied_s: float | None = None
    bitten_s: float | None = None
    foreign: tuple[str, ...] = ()
    took_s: float | None = None
    look_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reverted:
    """How an undo ended: `healed`, `defended` (nothing was held), `reverted` (released, look undecided) or `stuck`.

    `took_s` is network time from just before the release to the look that proved the heal.
    """

    fault_id: str
    step: str
    state: State
    evidence: str
    took_s: float | None = None

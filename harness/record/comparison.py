"""What `brownout compare` says, schema brownout/comparison/v1: one side's runs beside another's, row by row.

Shares are bad over total, times emulated seconds. A difference is `after` less `before`, so below zero is better.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from brownout.harness.base.models import FrozenModel

SCHEMA: Literal["brownout/comparison/v1"] = "brownout/comparison/v1"
RowVerdict = Literal["better", "worse", "no difference seen", "not comparable"]


class ComparedSide(FrozenModel):
    """One side: how many of its episodes count, and by folder why the others do not."""

    folders: tuple[str, ...]
    world: str
    posture: str
    clock_rate: float
    episodes: int
    excluded: tuple[str, ...] = ()


class ComparedRow(FrozenModel):
    """One figure of both sides. `low` and `high` bound the difference; None where no bound can be given.

    `allowed` is the difference up to which AFTER counts as no worse; it `may_hide_regression` where more is possible. `reason`
    says why a row is not comparable, "" else.
    """

    name: str
    kind: Literal["share", "time"]
    before: float | None
    after: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    allowed: float | None = None
    verdict: RowVerdict
    reason: str = ""
    may_hide_regression: bool = False


class ComparisonResult(FrozenModel):
    """The whole comparison. `scope`: about these runs only, or about the system, where both sides have five episodes.

    All bounds hold together with probability `confidence`; each bound of a row is one-sided.
    """

    schema_: Literal["brownout/comparison/v1"] = Field(SCHEMA, alias="schema")
    experiment: str
    scope: Literal["runs", "system"]
    before: ComparedSide
    after: ComparedSide
    confidence: float
    margin: float
    rows: tuple[ComparedRow, ...]
    verdict: Literal["no regression", "regression", "inconclusive"]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    exit_code: int

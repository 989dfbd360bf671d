"""The document of a stack's faults in time, from which the load's pages draw them: `faults.json` in the load's folder.

The pages have no other source. The process that has the ledger open (a run, or `brownout load`) replaces the document every
half second. Where the load runs in containers, which see no ledger, the document is sent to the dashboard instead
(`PUT /faults/bands`, with the stack's control token), which writes the file. An old document is shown as such, because it no
longer says which faults are in place.

    {"schema": "brownout/bands/v1", "told_at_s": wall clock, "bands": [FaultSpan, ...]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from brownout.harness.base.files import replace_whole
from brownout.harness.base.models import FrozenModel

SCHEMA: Literal["brownout/bands/v1"] = "brownout/bands/v1"
FILE_NAME = "faults.json"
PERIOD_S = 0.5
MOST_SPANS = 200


class FaultSpan(FrozenModel):
    """One fault from its apply to its revert (`until_s` None while it is in place). Times are emulated."""

    id: str
    name: str
    kind: str
    target: str
    role: Literal["fault", "operation", "mitigation"] = "fault"
    state: str
    from_s: float
    until_s: float | None = None


class FaultSpans(FrozenModel):
    """The document. `told_at_s` is the wall clock when it was written."""

    schema_: Literal["brownout/bands/v1"] = Field(SCHEMA, alias="schema")
    told_at_s: float
    bands: tuple[FaultSpan, ...] = Field((), max_length=MOST_SPANS)

    def active(self) -> tuple[FaultSpan, ...]:
        return tuple(band for band in self.bands if band.until_s is None)


def write_fault_spans(folder: Path, bands: FaultSpans) -> None:
    """Replaces the folder's document as a whole; raises OSError."""
    # not durable: it is written anew every half second, and one of another boot is stale anyway
    replace_whole(folder / FILE_NAME, bands.model_dump_json(by_alias=True), durable=False)


def read_fault_spans(folder: Path) -> FaultSpans | None:
    """The folder's document; None when it is missing or cannot be read."""
    try:
        return FaultSpans.model_validate_json((folder / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None

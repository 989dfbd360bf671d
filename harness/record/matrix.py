"""The matrix: which of AWS's calls work during which event, from clients of each region, as it was measured.

A row is one event, a cell one call of a client in one region. A row whose faults were not seen in force from before its calls
until after them has no cells: nothing was measured then.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from brownout.harness.base.models import FrozenModel

FILE_NAME = "matrix.json"  # in the folder of a run
SCHEMA: Literal["brownout/matrix/v1"] = "brownout/matrix/v1"
MatrixOutcome = Literal["works", "refused", "unreachable"]


class MatrixCell(FrozenModel):
    """One call as a client's SDK makes it, attempts included.

    `refused`: the service answered its last attempt with `status` and the code `error`. `unreachable`: no answer of the service
    came, `status` is 0 and `error` says what the client met (`timeout`, `reset`, `refused`, `nxdomain`, ...). `latency_ms` is
    network time over all attempts and the pauses between them. `served_by` are the nodes behind the last
    answer, outermost first.
    `took_effect`, of a call that makes something and did not work: whether it was there after the event all the same.
    """

    call: str
    region: str
    outcome: MatrixOutcome
    status: int = 0
    error: str = ""
    latency_ms: float
    attempts: int
    served_by: tuple[str, ...] = ()
    took_effect: bool | None = None


class MatrixRow(FrozenModel):
    """One event. `faults` are what was injected, in words; `evidence` what was seen of each."""

    event: str
    title: str
    faults: tuple[str, ...] = ()
    in_force: bool = True
    evidence: tuple[str, ...] = ()
    cells: tuple[MatrixCell, ...] = ()


class Matrix(FrozenModel):
    """All rows of one measurement, on a stack with the control plane in `home`, seen also from `away`.

    `calls` are the columns' names with their titles, in order. `attempts` is how often an SDK sends a call at most.
    """

    schema_: Literal["brownout/matrix/v1"] = Field(SCHEMA, alias="schema")
    world: str
    seed: int
    home: str
    away: str
    attempts: int
    calls: dict[str, str]
    rows: tuple[MatrixRow, ...]
    interrupted: bool = False

    @property
    def regions(self) -> tuple[str, ...]:
        """Where clients called from, in the order of the cells."""
        return tuple(dict.fromkeys(cell.region for row in self.rows for cell in row.cells))

    @property
    def whole(self) -> bool:
        """Whether every event was in force while it was measured."""
        return not self.interrupted and all(row.in_force for row in self.rows)

    def cell(self, event: str, call: str, region: str) -> MatrixCell | None:
        """One cell, None where it was not measured."""
        found = (cell for row in self.rows if row.event == event for cell in row.cells)
        return next((cell for cell in found if (cell.call, cell.region) == (call, region)), None)

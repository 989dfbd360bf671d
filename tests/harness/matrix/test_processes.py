"""The matrix on real processes and sockets is the simulation's, cell by cell."""

from __future__ import annotations

import pytest

from brownout.harness.matrix.options import MatrixOptions
from brownout.harness.matrix.run import measure
from brownout.harness.record.matrix import Matrix, MatrixCell
from support.brownout_command import Brownout

pytestmark = pytest.mark.slow
ATTEMPTS = 1  # what an SDK's further attempts meet is the same, and takes minutes
WITHIN_S = 600.0  # each of the ten events waits for a quarter of a minute


def told(cell: MatrixCell) -> tuple[object, ...]:
    """What is the same in every world."""
    return (cell.call, cell.region, cell.outcome, cell.status, cell.error, cell.attempts, cell.took_effect)


def test_processes_confirm_the_simulation(brownout: Brownout) -> None:
    """Every call from every region during every event ends alike, and nothing is left behind."""
    started = brownout.start("matrix", "--world", "processes", "--attempts", str(ATTEMPTS), "--json")
    assert started.process.wait(WITHIN_S) == 0, started.progress()
    found = Matrix.model_validate_json(started.out.read_text(encoding="utf-8"))
    for row, expected in zip(found.rows, measure(MatrixOptions(attempts=ATTEMPTS)).rows, strict=True):
        assert (row.event, row.in_force) == (expected.event, True), row.evidence
        assert list(map(told, row.cells)) == list(map(told, expected.cells)), row.event
    assert (brownout.open_faults(), brownout.stacks()) == ([], ())

"""The matrix in a run's report: which of AWS's calls worked during which event, where the run's folder has one.

`brownout matrix --run` keeps it there as `matrix.json`.
"""

from __future__ import annotations

from pathlib import Path

from brownout.harness.errors import UsageError
from brownout.harness.record.matrix import FILE_NAME, Matrix, MatrixRow
from brownout.reports.html.sections import section
from brownout.reports.markup import Column, Html, el, table
from brownout.reports.matrix import mark, told


def matrix_of(folder: Path) -> Matrix | None:
    """The folder's matrix, None where there is none; raises UsageError for a file that is none."""
    try:
        return Matrix.model_validate_json((folder / FILE_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:  # whatever pydantic finds wrong with it
        raise UsageError(f"{folder / FILE_NAME} is no matrix", hint="`brownout matrix --run` writes it anew") from None


def matrix_section(matrix: Matrix | None) -> Html | None:
    """A table for each region's clients, and below each event in detail."""
    if matrix is None:
        return None
    note = el("p", f"Measured in {matrix.world} with seed {matrix.seed}, the control plane in {matrix.home}.", class_="note")
    tables = (_overview(matrix, region) for region in matrix.regions)
    return section("matrix", "AWS's calls by events", note, *tables, *(_event(*row) for row in enumerate(matrix.rows)))


def _overview(matrix: Matrix, region: str) -> Html:
    columns = (Column(f"Clients in {region}"), *(Column(str(number)) for number, _ in enumerate(matrix.rows)))
    rows = [
        (title, *(mark(matrix.cell(row.event, call, region)) for row in matrix.rows)) for call, title in matrix.calls.items()
    ]
    return table(f"Clients in {region}", columns, rows)


def _event(number: int, row: MatrixRow) -> Html:
    title = f"{number}: {row.title}"
    if not row.in_force:
        reason = f"Not in force, so not measured: {'; '.join(row.evidence)}"
        return el("details", el("summary", title), el("p", reason, class_="note"))
    failed = [(cell.call, cell.region, told(cell)) for cell in row.cells if cell.outcome != "works"]
    columns = (Column("Call"), Column("Clients in"), Column("Answer", "prose wide"))
    content = table(title, columns, failed) if failed else el("p", "Every call worked.", class_="note")
    return el("details", el("summary", title), content)

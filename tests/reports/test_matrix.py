"""The matrix as text and in a run's report."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.record.matrix import FILE_NAME, Matrix, MatrixCell, MatrixRow
from brownout.reports.html import write
from brownout.reports.matrix import BEGIN, END, MatrixPage, mark, table

WORKS = MatrixCell(
    call="list", region="dublin", outcome="works", status=200, latency_ms=2.5, attempts=1, served_by=("a.token.z1",)
)
REFUSED = MatrixCell(
    call="make",
    region="dublin",
    outcome="refused",
    status=503,
    error="ServiceUnavailable",
    latency_ms=61_234.5,
    attempts=5,
    served_by=("dublin.management",),
    took_effect=True,
)
SILENT = MatrixCell(call="make", region="dublin", outcome="unreachable", error="nxdomain", latency_ms=4_321.0, attempts=5)
MATRIX = Matrix(
    schema="brownout/matrix/v1",
    world="simulation",
    seed=7,
    home="virginia",
    away="dublin",
    attempts=5,
    calls={"list": "ListThings", "make": "<MakeThing>"},
    rows=(
        MatrixRow(
            event="cut", title="a cut", faults=("links hang",), evidence=("links: 2 of 2 (a; b)",), cells=(WORKS, REFUSED)
        ),
        MatrixRow(event="name", title="no name", cells=(WORKS, SILENT)),
        MatrixRow(event="late", title="too late", faults=("a pause",), in_force=False, evidence=("nothing to see",)),
    ),
)


@pytest.mark.parametrize(("cell", "word"), [(WORKS, "ok"), (REFUSED, "503"), (SILENT, "name"), (None, "?")])
def test_a_cell_is_a_word(cell: MatrixCell | None, word: str) -> None:
    """What works, what was refused, what found nobody, and what was not measured look different."""
    assert mark(cell) == word


def test_a_matrix_reads_back_as_it_was_written() -> None:
    """Under the keys of its JSON."""
    assert Matrix.model_validate_json(MATRIX.model_dump_json(by_alias=True)) == MATRIX
    assert not MATRIX.whole


def test_the_terminal_shows_both_tables_and_what_failed() -> None:
    """A line for each call; below, every cell that does not work, and why a row has none."""
    out = io.StringIO()
    table(MATRIX, out)
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "make 503 name ?" in lines
    assert "dublin make 503 ServiceUnavailable, 5 attempts in 61 s, by dublin.management, and it had taken effect" in lines
    assert "dublin make no answer: nxdomain, 5 attempts in 4.3 s" in lines
    assert "not measured, it was not in force: nothing to see" in lines


def test_the_page_has_the_matrix_between_its_markers() -> None:
    """Every cell in full, without what is chance: which zone's turn it was."""
    text = MatrixPage(f"# Title\n{BEGIN}\n{END}\nrest\n").with_matrix(MATRIX)
    assert text.startswith(f"# Title\n{BEGIN}\n")
    assert text.endswith(f"{END}\nrest\n")
    assert "| ListThings | dublin | 200 | 1 | <0.1 | a.token |" in text
    assert "| 503 ServiceUnavailable; it had taken effect | 5 | 61 | dublin.management |" in text
    assert "- links hang. Seen: links: 2 of 2\n" in text
    assert "Not in force, so not measured." in text
    assert MatrixPage(text).with_matrix(MATRIX) == text


def test_a_page_without_a_place_is_refused() -> None:
    """Both markers are needed."""
    with pytest.raises(UsageError, match="no place"):
        MatrixPage(f"# Title\n{BEGIN}\n")


@pytest.fixture
def run_folder(whole: Path, tmp_path: Path) -> Path:
    """A run folder of its own, to put a matrix into."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_a_run_s_report_shows_the_matrix_in_its_folder(run_folder: Path) -> None:
    """Its texts are no markup; a run without one has no such section."""
    assert 'id="matrix"' not in write(run_folder).read_text(encoding="utf-8")
    (run_folder / FILE_NAME).write_text(MATRIX.model_dump_json(by_alias=True), encoding="utf-8")
    text = write(run_folder).read_text(encoding="utf-8")
    assert 'id="matrix"' in text
    assert "&lt;MakeThing&gt;" in text
    assert "<MakeThing>" not in text
    assert "Not in force, so not measured: nothing to see" in text


def test_a_file_that_is_no_matrix_is_told(run_folder: Path) -> None:
    """The report names the file and is not written half."""
    (run_folder / FILE_NAME).write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"matrix\.json is no matrix"):
        write(run_folder)

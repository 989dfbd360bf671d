"""`brownout matrix` as a user runs it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from brownout.harness.errors import LeftUnsafe
from brownout.harness.matrix import run
from brownout.harness.matrix.options import MatrixOptions
from brownout.harness.record.matrix import Matrix, MatrixRow
from support.brownout_command import Brownout, eventually, invoke, small

MADE = Matrix(
    schema="brownout/matrix/v1",
    world="simulation",
    seed=1,
    home="sydney",
    away="melbourne",
    attempts=5,
    calls={},
    rows=(MatrixRow(event="cut", title="a cut", faults=("lost",), in_force=False, evidence=("links answer",)),),
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Matrix:
    """A matrix with an event that was not in force, as if it had been measured."""
    monkeypatch.setattr(run, "measure", lambda options: MADE)
    return MADE


def test_the_matrix_is_printed_as_one_json_object(work: Path) -> None:
    """With what was asked for and nothing else: one event, clients in one region, of other regions than usual."""
    told = invoke("matrix", "--regions", "virginia,dublin", "--event", "nothing", "--region", "dublin", "--json")
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert (found["schema"], found["home"], found["away"]) == ("brownout/matrix/v1", "virginia", "dublin")
    assert {(row["event"], cell["region"], cell["outcome"]) for row in found["rows"] for cell in row["cells"]} == {
        ("nothing", "dublin", "works")
    }


def test_the_table_has_a_line_for_each_call(work: Path) -> None:
    """And what did not work in full below it."""
    told = invoke("matrix", "--event", "no-global-sts", "--region", "melbourne", "--attempts", "1")
    assert told.exit_code == 0
    assert "caller-identity-key        ok" in told.stdout
    assert "caller-identity-global     name" in told.stdout
    assert "melbourne  caller-identity-global    no answer: nxdomain, <0.1 s" in told.stdout


def test_the_page_is_written_between_its_markers(work: Path) -> None:
    """What stands around them stays."""
    page = Path("page.md")
    page.write_text("before\n<!-- matrix: begin -->\nold\n<!-- matrix: end -->\nafter\n", encoding="utf-8")
    assert invoke("matrix", "--event", "nothing", "--page", "page.md").exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- matrix: begin -->\n")
    assert text.endswith("<!-- matrix: end -->\nafter\n")
    assert "| AssumeRole | ok |" in text
    assert "old" not in text


def test_an_event_that_was_not_in_force_makes_it_inconclusive(work: Path, made: Matrix) -> None:
    """Exit code 3, the reason, and no page that would tell of it."""
    page = Path("page.md")
    page.write_text("<!-- matrix: begin --><!-- matrix: end -->", encoding="utf-8")
    told = invoke("matrix", "--page", "page.md")
    assert told.exit_code == 3
    assert "not measured, it was not in force: links answer" in told.stdout
    assert page.read_text(encoding="utf-8") == "<!-- matrix: begin --><!-- matrix: end -->"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--event", "cutt"), "did you mean 'cut'"),
        (("--region", "dublin"), "no region 'dublin'"),
        (("--regions", "sydney"), "two regions"),
        (("--page", "nowhere.md"), "cannot be read"),
        (("--page", "."), "is a directory"),
        (("--run", "."), "no result of a run"),
    ],
)
def test_wrong_usage_starts_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2, before a stack is brought up."""
    monkeypatch.setattr(run, "_simulated", lambda *_: pytest.fail("something was started"))
    told = invoke("matrix", *arguments)
    assert told.exit_code == 2
    assert words in told.output


def test_a_page_without_markers_is_refused(work: Path) -> None:
    """Before anything is measured."""
    Path("page.md").write_text("no place\n", encoding="utf-8")
    assert invoke("matrix", "--page", "page.md").exit_code == 2


def test_a_fault_that_stays_is_told_by_the_exit_code(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """5, as of every command."""

    def unsafe(options: MatrixOptions) -> Matrix:
        raise LeftUnsafe("f1 could not be reverted")

    monkeypatch.setattr(run, "measure", unsafe)
    assert invoke("matrix").exit_code == 5


def test_a_run_s_folder_keeps_the_matrix_and_its_report_shows_it(work: Path, made: Matrix) -> None:
    """Also when `report` evaluates the run once more."""
    assert invoke("run", str(small(work)), "--world", "simulation", "--no-controls").exit_code in (0, 1, 3)
    (folder,) = Path("runs").iterdir()
    assert invoke("matrix", "--run", str(folder)).exit_code == 3
    assert Matrix.model_validate_json((folder / "matrix.json").read_text(encoding="utf-8")) == made
    for _ in range(2):
        assert 'id="matrix"' in (folder / "report.html").read_text(encoding="utf-8")
        invoke("report", str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_matrix_leaves_nothing_behind(brownout: Brownout, number: signal.Signals) -> None:
    """While an event's faults are in place: they are reverted, the stack is taken down, and the exit code says so."""
    started = brownout.start("matrix", "--world", "processes", "--event", "sts-down", "--attempts", "5")
    eventually(
        lambda: (brownout.home / "ledger.sqlite").exists() and bool(brownout.open_faults()), 60, what="a fault is in place"
    )
    started.interrupt(number)
    assert started.process.wait(90) == 130
    assert (brownout.open_faults(), brownout.stacks(), brownout.processes()) == ([], (), {})

"""`brownout run` in a CI job: copies of its reports, the summary of a step, annotations."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import Result

from support.brownout_command import invoke, small

HARMLESS_GATES = {"steady_state": False}
THIN = {"cohorts": [{"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 3, "machines": ["web"]}]}


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A step of GitHub Actions; the file of its summary."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def run(path: Path, *arguments: str) -> Result:
    return invoke("run", str(path), "--world", "simulation", *arguments)


def test_copies_are_written_where_they_are_wanted(work: Path) -> None:
    """JUnit XML, Markdown and the page, in folders that did not exist, are those of the run."""
    told = run(small(work), "--junit", "out/junit.xml", "--markdown", "out/deep/run.md", "--html", "page.html")
    assert told.exit_code == 1
    (folder,) = (work / "runs").iterdir()
    assert (work / "page.html").read_bytes() == (folder / "report.html").read_bytes()
    assert "## ✗ Breach" in (work / "out/deep/run.md").read_text(encoding="utf-8")
    suite = ET.fromstring((work / "out/junit.xml").read_text(encoding="utf-8")).find("testsuite")
    assert suite is not None
    assert int(suite.attrib["failures"]) >= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--junit", "."), "is a folder"),
        (("--junit", "small.yaml/x.xml"), "cannot be written"),
        (("--junit", "same", "--markdown", "same"), "the same file"),
        (("--junit", "a.xml", "--episodes", "5"), "a page of its own"),
    ],
)
def test_copies_that_cannot_be_written_are_refused_first(work: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2 and no run."""
    told = run(small(work), *arguments)
    assert told.exit_code == 2
    assert words in told.stderr
    assert not (work / "runs").exists()


def test_a_breach_is_annotated_and_in_the_summary(work: Path, job: Path) -> None:
    """An error for each reason, and the run as Markdown; without GitHub's variable neither."""
    told = run(small(work))
    errors = [line for line in told.stdout.splitlines() if line.startswith("::error title=")]
    assert len(errors) >= 1
    assert "brownout%3A small%2C posture plain%3A breach" in errors[0]
    assert "## ✗ Breach" in job.read_text(encoding="utf-8")


def test_an_expected_verdict_is_in_the_summary_and_not_annotated(work: Path, job: Path) -> None:
    """A run that came out as it should needs nobody's attention."""
    told = run(small(work), "--expect", "breach")
    assert told.exit_code == 0
    assert "::" not in told.stdout
    assert "Breach" in job.read_text(encoding="utf-8")


def test_what_proves_nothing_is_a_warning_and_json_stays_json(work: Path, job: Path) -> None:
    """With `--json` the annotation goes to stderr, which GitHub reads too."""
    told = run(small(work, name="thin", schedule=[], load=THIN, gates=HARMLESS_GATES), "--json")
    assert told.exit_code == 3
    assert told.stdout.startswith("{")
    assert "::" not in told.stdout.splitlines()[0][:3]
    assert any(line.startswith("::warning title=") for line in told.stderr.splitlines())


def test_outside_of_github_nothing_is_added(work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stray variable of a summary alone is no step of GitHub Actions."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    told = run(small(work))
    assert not any(line.startswith("::") for line in (told.stdout + told.stderr).splitlines())
    assert not (tmp_path / "summary.md").exists()

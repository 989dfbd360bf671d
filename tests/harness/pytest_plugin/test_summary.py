"""What GitHub Actions shows of a session of pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.plugin_project import Project

TESTS = """
def test_breaks(brownout):
    brownout.run("breached.yaml").expect("pass")

def test_same_run(brownout):
    brownout.run("breached.yaml").expect("breach")

def test_proves_nothing(brownout):
    brownout.run("few.yaml").expect("pass")

def test_theirs_alone():
    assert 1 == 2
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_session_tells_github_of_its_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    """Each run is in the summary once, however many tests and workers use it; only tests that used runs are annotated."""
    job = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job))
    project.write(TESTS)
    ended = project.run(*workers)
    lines = [line for line in ended.outlines if line.startswith("::")]
    assert [line.partition("::test_")[0].partition(" title")[0] for line in lines] == ["::error", "::warning"]
    assert "test_breaks failed" in lines[0]
    assert "expected pass, got breach" in lines[0]
    assert "test_proves_nothing is inconclusive" in lines[1]
    text = job.read_text(encoding="utf-8")
    assert text.count("## ") - text.count("### ") == 2

"""What GitHub Actions reads: summaries within their limit, and annotations that no text can break out of."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.ci.github import ANNOTATIONS_MAX, SUMMARY_BYTES_MAX, Annotation, add_to_summary, is_github, limited


def test_any_text_stays_in_its_place() -> None:
    """Line ends, per cent signs, colons and commas can neither end an annotation nor begin another command."""
    line = Annotation("error", "a: b, 5 %\n::warning::x", "97 % of 3\r\n::error::y").line
    assert line == "::error title=a%3A b%2C 5 %25%0A%3A%3Awarning%3A%3Ax::97 %25 of 3%0D%0A::error::y"
    assert len(line.splitlines()) == 1


def test_of_each_kind_as_many_as_are_shown() -> None:
    """Eleven errors become ten, the last of which counts the others; warnings have a limit of their own."""
    errors = [Annotation("error", "t", str(n)) for n in range(ANNOTATIONS_MAX + 1)]
    warnings = [Annotation("warning", "t", str(n)) for n in range(ANNOTATIONS_MAX)]
    found = list(limited([*warnings, *errors]))
    assert [one.message for one in found if one.level == "warning"] == [str(n) for n in range(ANNOTATIONS_MAX)]
    kept = [one.message for one in found if one.level == "error"]
    assert kept == [*(str(n) for n in range(ANNOTATIONS_MAX - 1)), "2 more are in the log and in the reports"]


def test_a_summary_is_appended_to(tmp_path: Path) -> None:
    """What other steps' commands wrote stays, and runs follow one another."""
    summary = tmp_path / "summary"
    summary.write_text("before\n")
    for text in ("one", "two\n"):
        assert add_to_summary(text, {"GITHUB_STEP_SUMMARY": str(summary)}) == ""
    assert summary.read_text() == "before\none\n\ntwo\n\n"


def test_a_summary_never_grows_beyond_its_limit(tmp_path: Path) -> None:
    """GitHub shows nothing of a summary that is too long: what has no room is left out, and a line says so once."""
    summary = tmp_path / "summary"
    environ = {"GITHUB_STEP_SUMMARY": str(summary)}
    for _ in range(5):
        assert add_to_summary("x" * 400_000, environ) == ""
    text = summary.read_text()
    assert len(text.encode()) <= SUMMARY_BYTES_MAX
    assert text.count("x" * 400_000) == 2
    assert text.count("More runs are not shown here") == 1


def test_a_summary_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder in the file's place gives one line and no exception; no variable gives nothing at all."""
    assert add_to_summary("x", {}) == ""
    assert "Is a directory" in add_to_summary("x", {"GITHUB_STEP_SUMMARY": str(tmp_path)})


@pytest.mark.parametrize(("value", "seen"), [("true", True), ("false", False), (None, False)])
def test_github_is_known_by_its_variable(value: str | None, seen: bool) -> None:
    """`GITHUB_ACTIONS=true` and nothing else."""
    assert is_github({} if value is None else {"GITHUB_ACTIONS": value}) is seen

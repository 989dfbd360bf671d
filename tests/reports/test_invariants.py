"""Invariants in every report: held with a count, violated with its evidence, not exercised and never held."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from brownout.harness.record.result import InvariantResult, Result
from brownout.reports import junit, markdown
from brownout.reports.html import sections
from brownout.reports.terminal import summary

HELD = InvariantResult(name="kept", sentence="What is kept.", status="held", exercised=1234, violations=0, note="for 3.3 h")
BROKEN = InvariantResult(
    name="broken", sentence="What is <broken>.", status="violated", exercised=7, violations=2, evidence="request r-1: it was"
)
IDLE = InvariantResult(name="idle", sentence="What never came up.", status="not-exercised", exercised=0, violations=0)


@pytest.fixture
def result(build_folder: Callable[..., Path]) -> Result:
    found = Result.model_validate_json((build_folder() / "result.json").read_bytes())
    return found.model_copy(update={"invariants": (HELD, BROKEN, IDLE)})


def test_the_terminal_has_a_row_for_each_that_came_up(result: Result) -> None:
    """The counts and the evidence; those without an occasion stand together, with neither."""
    stream = io.StringIO()
    summary(result, None, stream)
    rows = {line.split()[0]: line for line in stream.getvalue().partition("Invariants")[2].splitlines() if line.strip()}
    assert "✓ held" in rows["kept"]
    assert "1 234 times" in rows["kept"].replace("\u2009", " ")
    assert "✗ violated" in rows["broken"]
    assert "request r-1: it was (1 of 2)" in rows["broken"]
    assert "? not-exercised" in rows["idle"]
    assert "held" not in rows["idle"]


def test_markdown_and_html_have_the_sentence_too(result: Result) -> None:
    """Escaped as any text of a record, with its status."""
    text = markdown.render(result)
    assert "| broken | ✗ violated | 7 times | What is &lt;broken&gt;. | request r-1: it was (1 of 2) |" in text
    assert "| idle | ? not exercised | not exercised | What never came up. | – |" in text
    page = str(sections.invariants(result))
    assert "What is &lt;broken&gt;." in page
    assert "for 3.3 h" in page
    assert sections.invariants(result.model_copy(update={"invariants": ()})) is None


def test_junit_fails_what_is_violated_and_skips_what_never_came_up(result: Result) -> None:
    """Each is a test case of its own."""
    cases = {case.get("name"): case for case in ET.fromstring(junit.render(result)).iter("testcase")}
    broken, idle = cases["broken: What is <broken>."].find("failure"), cases["idle: What never came up."].find("skipped")
    assert broken is not None
    assert broken.get("message") == "request r-1: it was (1 of 2)"
    assert idle is not None
    assert list(cases["kept: What is kept."]) == []

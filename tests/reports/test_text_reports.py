"""Markdown, JUnit, the static picture, and the figures as people read them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from brownout.harness.record.history import RequestRecord
from brownout.harness.record.result import FaultWindow, Result
from brownout.reports import junit, markdown, palette, story, units
from brownout.reports.buckets import bucket_width_s, quantile, timeline
from brownout.reports.html import sections
from brownout.reports.html.page import history_of
from brownout.reports.svg import availability_svg
from brownout.reports.terminal import summary

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def folder(build_folder: Callable[..., Path]) -> Path:
    return build_folder()


@pytest.fixture
def result(folder: Path) -> Result:
    return Result.model_validate_json((folder / "result.json").read_bytes())


def test_junit_tells_apart_failed_and_undecided(result: Result) -> None:
    """Breached and differing cases fail; undecided, calibrated and untestable ones are skipped with a reason; counts agree."""
    suite = ET.fromstring(junit.render(result)).find("testsuite")
    assert suite is not None
    failed = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    skipped = {case.get("name"): case.find("skipped") for case in suite.iter("testcase") if case.find("skipped") is not None}
    assert failed == {"tokens-overall", "C3 About 3 % of token requests failed"}
    assert set(skipped) == {
        "warm-machines",
        "C5 About half of the management calls failed",
        "C27 Documentation for all users of automatic keys",
    }
    assert all(element is not None and element.get("message") for element in skipped.values())
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped"), suite.get("errors")) == ("10", "2", "3", "0")


def test_junit_of_an_unfinished_run_is_no_pass(result: Result) -> None:
    """A run that did not finish has an error of its own."""
    suite = ET.fromstring(junit.render(result.model_copy(update={"finished": False}))).find("testsuite")
    assert suite is not None
    assert suite.get("errors") == "1"


def test_junit_survives_what_xml_cannot_hold(result: Result) -> None:
    """Control characters and lone surrogates in a reason leave a document that parses."""
    slo = result.slos[0].model_copy(update={"reason": "\x00\x1b]]>\ud800<&"})
    assert ET.fromstring(junit.render(result.model_copy(update={"slos": (slo,)}))).tag == "testsuites"


def test_markdown_has_the_tables_and_the_command(result: Result) -> None:
    """Verdict, objectives, steps and claims are there, each table with as many cells in every row."""
    said = markdown.render(result)
    assert said.startswith("## ✗ Breach (as expected)")
    assert result.command in said
    assert "| 3 switch-keys | machines-warm | – spared | 0 of 660 | 660 of 660 | 90 of 90 |" in said
    for title in ("### Objectives", "### Steps", "### Exposure: which judged requests met each step", "### Fidelity"):
        block = said.split(title)[1].strip().split("\n\n")[0].splitlines()
        assert len({line.count("|") for line in block}) == 1
        assert len(block) > 3


def test_markdown_escapes_names(result: Result) -> None:
    """A name with table borders, markup or a line break stays in its cell."""
    slo = result.slos[0].model_copy(update={"name": "a|b<script>\n# c", "reason": "`x`"})
    said = markdown.render(result.model_copy(update={"slos": (slo,)}))
    row = next(line for line in said.splitlines() if "a\\|b" in line)
    assert "<script>" not in said
    assert row.replace("\\|", "").count("|") == 7


def test_the_picture_is_well_formed_and_complete(result: Result, folder: Path) -> None:
    """The SVG parses on its own, has a line per cohort inside the frame, and the steps' numbers."""
    root = ET.fromstring(availability_svg(result, history_of(folder)))
    lines = [path for path in root.iter(f"{SVG}path") if path.get("class") == "bw-line"]
    numbers = [text.find(f"{SVG}title") for text in root.iter(f"{SVG}text") if text.get("class") == "bw-number"]
    assert root.get("viewBox") == "0 0 960 400"
    assert len(lines) == 4
    assert len(numbers) == len(result.steps)
    assert "id" not in {name for element in root.iter() for name in element.attrib}


def test_the_picture_of_nothing_says_so(result: Result, tmp_path: Path) -> None:
    """Without requests there is a picture with a sentence, not an error."""
    assert "No requests were recorded" in availability_svg(result, history_of(tmp_path))


def test_slices_lose_no_request(result: Result, folder: Path) -> None:
    """Every request is in exactly one slice, and the outage of new machines is total in the middle of it."""
    requests = history_of(folder).requests
    lines = timeline(result, requests)
    assert lines is not None
    assert sum(bucket.total for series in lines.cohorts for bucket in series.buckets) == len(requests)
    new = next(series for series in lines.cohorts if series.name == "machines-new")
    assert new.buckets[len(new.buckets) // 2].good == 0
    assert new.buckets[0].good == 1


def test_one_request_is_a_timeline(result: Result) -> None:
    """A run killed after its first request still has a slice to draw."""
    only = RequestRecord("a", "c", "token", "r", "r", "m", 5.0, 5.0, 5.0, 1.0, 200, "happened")
    lines = timeline(result.model_copy(update={"phases": ()}), (only,))
    assert lines is not None
    assert [bucket.total for bucket in lines.cohorts[0].buckets] == [1]


@pytest.mark.parametrize("span_s", [0.0, 0.5, 90.0, 24_000.0, 9e6, 9e8])
@pytest.mark.parametrize("requests", [1.0, 400.0, 1e6])
def test_slices_are_never_too_many(span_s: float, requests: float) -> None:
    """Whatever the run's length and load, the number of slices stays drawable and their width positive."""
    width_s = bucket_width_s(span_s, requests)
    assert width_s > 0
    assert span_s / width_s <= 200


def test_quantiles_are_of_the_sample() -> None:
    """A quantile is a value of the sample that at least that share does not exceed."""
    assert [quantile([1, 2, 3, 4], share) for share in (0.0, 0.5, 0.51, 0.99, 1.0)] == [1, 2, 3, 4, 4]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.34, "340 ms"),
        (4.0, "4 s"),
        (4.25, "4.2 s"),
        (9.97, "10 s"),
        (59.7, "1 min"),
        (130, "2 min 10 s"),
        (3599.6, "1 h"),
        (19980, "5 h 33 min"),
        (86390, "1 d"),
        (273600, "3 d 4 h"),
        (-5, "−5 s"),
    ],
)
def test_durations_are_in_sensible_units(seconds: float | None, said: str) -> None:
    """Two units at most, and no `60 s` or `60 min` from rounding."""
    assert units.duration(seconds) == said


@pytest.mark.parametrize(
    ("share", "said"), [(None, "–"), (0, "0 %"), (1, "100 %"), (0.5, "50.0 %"), (0.99996, "99.996 %"), (1e-5, "0.001 %")]
)
def test_percentages_never_round_to_perfection(share: float | None, said: str) -> None:
    """Only all is 100 % and only none is 0 %."""
    assert units.percent(share) == said


def test_every_status_has_its_mark() -> None:
    """Each status that a result can hold has a mark with a symbol of its own, so colour is never alone."""
    words = {
        "pass", "breach", "inconclusive", "harness-error", "unsafe", "met", "breached", "undecided", "holds", "differs",
        "calibrated", "not-testable", "healed", "stuck", "defended", "failed", "not-reached",
    }  # fmt: skip
    assert words <= set(palette.MARKS)
    assert len(set(palette.SYMBOLS.values())) == len(palette.SYMBOLS) == len(set(palette.MARKS.values()))


def test_eight_cohorts_look_different() -> None:
    """The first sixteen cohorts differ in colour or dash, and every colour exists in light and dark."""
    styles = [palette.cohort_style(index) for index in range(16)]
    assert len(set(styles)) == 16
    assert {style.colour for style in styles} <= set(palette.LIGHT)
    assert set(palette.LIGHT) == set(palette.DARK)


def test_slices_have_the_verdicts_own_measure(result: Result) -> None:
    """What happened later than an objective allows is no good request of a chart."""
    limited = result.slos[0].model_copy(update={"cohorts": ("c",), "within_ms": 1000.0})
    found = [RequestRecord(f"r{n}", "c", "token", "r", "r", "m", 5.0, 5.0, 6.5, 1500.0, 200, "happened") for n in range(3)]
    for slos, good, slow in (((limited,), 0, 3), ((), 1, 0)):
        lines = timeline(result.model_copy(update={"phases": (), "slos": slos}), found)
        assert lines is not None
        (bucket,) = (bucket for bucket in lines.cohorts[0].buckets if bucket.total)
        assert (bucket.good, bucket.slow, bucket.happened) == (good, slow, 3)


def diluted(result: Result) -> Result:
    """A run whose last objective is met, though all that met a short fault failed, and whose end is not known."""
    window = FaultWindow(step="cut", start_s=5.0, end_s=305.0, total=141, bad=141)
    slos = tuple(slo.model_copy(update={"in_faults": (window,)}) for slo in result.slos)
    notes = {"detect": "no alert went off", "recover": "not recovered by the end of the record"}
    times = result.times.model_copy(update={"detect": None, "recover": None, "recovered_s": None, "notes": notes})
    return result.model_copy(update={"slos": slos, "times": times})


def test_every_report_has_the_figures_within_each_fault(result: Result) -> None:
    """Markdown and page have all of them, the terminal and JUnit those of objectives that are not breached."""
    run = diluted(result)
    said = markdown.render(run)
    assert said.count("| cut | 00:00:05 | 00:05:05 | 0 % | 141 of 141 |") == len(run.slos)
    page = sections.objectives(run)
    assert page.count(">141 of 141<") == len(run.slos)
    stream = io.StringIO()
    summary(run, None, stream)
    assert stream.getvalue().count("141 of 141") == sum(slo.status != "breached" for slo in run.slos)
    suite = ET.fromstring(junit.render(run))
    assert "within cut (00:00:05 to 00:05:05) 0 % of 141 good" in {out.text for out in suite.iter("system-out")}


def test_every_report_says_why_a_time_is_not_known(result: Result) -> None:
    """A dash has its reason beside it."""
    run = diluted(result)
    stream = io.StringIO()
    summary(run, None, stream)
    told = (markdown.render(run), sections.key_numbers(run), " ".join(stream.getvalue().split()))
    assert all("no alert went off" in text and "not recovered by the end of the record" in text for text in told)
    assert [moment.kind for moment in story.moments(run)] == ["mitigate"]

"""What a result says of itself: whether it was expected, what an objective missed, and whom it judges."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from brownout.harness.record.result import EXIT_CODES, FaultWindow, Result, SloResult, SubjectResult, Times, expectation
from brownout.harness.record.verdicts import PRECEDENCE, VERDICTS, Verdict, heaviest


def result(verdict: Verdict, expected: str, posture_expects: str) -> Result:
    return Result(
        experiment="e", title="t", world="simulation", posture="p", seed=1, versions={}, clock_rate=1.0, started_at="",
        finished=True, verdict=verdict, reasons=(), exit_code=EXIT_CODES[verdict], expected=expected,
        posture_expects=posture_expects, digest="", slos=(), gates=(), phases=(), steps=(), claims=(), times=Times(),
        alerts={}, calibrated={}, parameters={}, command="", wall_s=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "expected", "posture_expects", "unexpected", "told"),
    [
        ("pass", "", "", False, ""),
        ("breach", "", "", False, ""),
        ("pass", "", "pass", False, ""),
        ("breach", "", "breach", False, "as expected of posture p"),
        ("breach", "", "pass", True, "posture p was expected to give pass"),
        ("pass", "", "breach", True, "posture p was expected to give breach"),
        ("breach", "breach", "pass", False, "as expected"),
        ("pass", "pass", "breach", False, "as expected"),
        ("inconclusive", "pass", "inconclusive", True, "pass was expected"),
    ],
)
def test_the_command_says_what_is_expected_and_else_the_posture(
    verdict: Verdict, expected: str, posture_expects: str, unexpected: bool, told: str
) -> None:
    """A pass that only the posture expects needs no words."""
    found = result(verdict, expected, posture_expects)
    assert (found.unexpected, found.expectation) == (unexpected, told)
    assert expectation(verdict, expected, posture="p", expects=posture_expects) == told


def slo(cohorts: tuple[str, ...] = (), windows: tuple[FaultWindow, ...] = ()) -> SloResult:
    return SloResult(
        name="s", target=0.9, total=1, bad=0, ratio=0.0, interval=None, status="met", budget_spent=0.0, reason="",
        cohorts=cohorts, in_faults=windows,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cohorts", "judges"), [((), False), (("a",), True), (("a", "b"), True), (("a", "c"), False), (("c",), False)]
)
def test_an_objective_about_no_other_clients_judges_the_subject(cohorts: tuple[str, ...], judges: bool) -> None:
    """One without cohorts is about all requests, and so about others too."""
    assert SubjectResult(command="app", cohorts=("a", "b")).judges(slo(cohorts)) is judges


def test_a_window_was_missed_with_more_bad_requests_than_the_target_allows() -> None:
    """Just as many are allowed; one without requests misses nothing."""
    more, just, none = (
        FaultWindow(step=step, start_s=0, end_s=1, total=total, bad=bad)
        for step, total, bad in (("more", 10, 2), ("just", 10, 1), ("none", 0, 0))
    )
    assert (more.ratio, just.ratio, none.ratio) == (0.2, 0.1, None)
    assert slo(windows=(more, just, none)).missed_in == (more,)


def test_what_outweighs_is_the_verdict() -> None:
    """An unsafe end outweighs everything, a breach doubts, and a pass nothing; each has its own exit code."""
    assert PRECEDENCE == ("unsafe", "harness-error", "breach", "inconclusive", "pass")
    assert [heaviest(PRECEDENCE[place:][::-1]) for place in range(5)] == list(PRECEDENCE)
    assert [EXIT_CODES[verdict] for verdict in VERDICTS] == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("wall_s", [math.inf, math.nan, -1.0])
def test_the_real_time_of_a_run_is_a_time(wall_s: float) -> None:
    """A document with a number that JSON does not have could not be read again."""
    told = result("pass", "", "").model_dump()
    assert Result.model_validate(told).wall_s == 0.0
    with pytest.raises(ValidationError):
        Result.model_validate({**told, "wall_s": wall_s})

"""What the episodes of a series say of the system: which count, and what outweighs what."""

from __future__ import annotations

import pytest

from brownout.harness.record.result import GateResult, Interval, InvariantResult, Result
from brownout.harness.record.series import SeriesResult
from brownout.harness.series.intervals import EpisodeTally
from brownout.harness.series.verdict import _status, counts, judge_series, why_not
from support.series_results import PASSED, made, run_result, series_plan

LAGGED = GateResult(name="generator-lag", passed=False, reason="p99 was 900 ms")
NO_BITE = GateResult(name="bite", passed=False, reason="it did not bite")
FEW = GateResult(name="samples", passed=False, reason="299 are needed")
CUT = GateResult(name="finished", passed=False, reason="the run was interrupted at baseline")
REVIVED = InvariantResult(name="tombstones-win", sentence="x", status="violated", exercised=1, violations=1, evidence="a at b")


def judged(*results: Result, cut_short: str = "") -> SeriesResult:
    plan, episodes = made(results)
    return judge_series(plan, episodes, cut_short=cut_short)


def test_five_good_episodes_are_a_pass() -> None:
    """The system meets its target; the result names the target, the interval and every episode."""
    found = judged(*[run_result(bad) for bad in (0, 1, 2, 1, 0)])
    assert (found.verdict, found.exit_code) == ("pass", 0)
    (objective,) = found.objectives
    assert objective.status == "met"
    assert objective.interval is not None
    assert objective.interval.high <= 0.01
    assert (objective.total, objective.bad, objective.episodes) == (5_000, 4, 5)
    assert [episode.folder for episode in found.episodes] == [f"episode-{n:02d}" for n in range(1, 6)]


def test_five_bad_episodes_are_a_breach() -> None:
    """The system's share is below the target with confidence."""
    found = judged(*[run_result(bad, verdict="breach") for bad in (80, 100, 90, 120, 95)])
    assert (found.verdict, found.exit_code) == ("breach", 1)


@pytest.mark.parametrize("count", [1, 4])
def test_fewer_than_five_say_nothing_of_the_system(count: int) -> None:
    """However clear they are; the reason says how many are needed."""
    for bad, verdict in ((0, "pass"), (500, "breach")):
        found = judged(*[run_result(bad, verdict=verdict)] * count)
        assert (found.verdict, found.exit_code) == ("inconclusive", 3)
        assert "a claim about the system needs 5" in found.reasons[0]
        assert found.objectives[0].interval is None


def test_one_outage_in_five_is_undecided() -> None:
    """Four flawless episodes and one outage support neither claim."""
    assert judged(*[run_result(0)] * 4, run_result(400, verdict="breach")).verdict == "inconclusive"


def test_the_best_and_the_worst_episode_are_told() -> None:
    """By the shares of bad requests of those that count."""
    (found,) = judged(*[run_result(bad) for bad in (3, 0, 2, 9, 1)]).objectives
    total = found.total / 5
    assert (found.lowest, found.highest) == (0.0, 9 / total)


def test_an_episode_with_a_failed_gate_does_not_count() -> None:
    """It is shown with the reason, its figures are in no sum, and six others still make a claim."""
    found = judged(*[run_result(1)] * 6, run_result(900, verdict="inconclusive", gates=(LAGGED,)))
    assert found.verdict == "pass"
    assert found.reasons[1] == "1 of 7 episodes do not count"
    assert (found.episodes[6].counts, found.episodes[6].why) == (False, "generator-lag: p99 was 900 ms")
    assert found.objectives[0].bad == 6


def test_where_many_do_not_count_there_is_no_claim() -> None:
    """Eight that count of eleven may be the lucky ones."""
    doubtful = run_result(0, verdict="inconclusive", gates=(LAGGED,))
    found = judged(*[run_result(0)] * 8, *[doubtful] * 3)
    assert found.verdict == "inconclusive"
    assert "those that do not may be the bad ones" in found.reasons[0]


def test_a_breach_is_not_left_out_for_a_gate_that_keeps_a_run_from_passing() -> None:
    """A run's judge trusted it, and to leave out the bad ones alone would flatter the system."""
    breach = run_result(500, verdict="breach", gates=(NO_BITE,))
    assert counts(breach)
    assert judged(*[run_result(0)] * 5, breach).verdict == "inconclusive"


def test_an_episode_that_was_only_too_short_counts() -> None:
    """What one run has too few requests for, several may have enough for."""
    assert counts(run_result(0, verdict="inconclusive", gates=(PASSED, FEW)))
    assert judged(*[run_result(0, total=200, verdict="inconclusive", gates=(FEW,))] * 8).verdict == "pass"


def test_of_a_run_that_was_cut_off_only_that_is_said() -> None:
    """Its other gates fail for want of a record."""
    assert why_not(run_result(verdict="inconclusive", gates=(LAGGED, CUT, NO_BITE))) == f"finished: {CUT.reason}"


@pytest.mark.parametrize(("verdict", "code"), [("unsafe", 5), ("harness-error", 4)])
def test_the_worst_end_of_an_episode_is_the_series(verdict: str, code: int) -> None:
    """One episode that left a fault behind, or in which the harness failed, outweighs breaches."""
    found = judged(*[run_result(500, verdict="breach")] * 5, run_result(verdict=verdict))  # type: ignore[arg-type]
    assert (found.verdict, found.exit_code) == (verdict, code)
    assert found.reasons[0].startswith("episode-06:")


def test_a_violated_invariant_is_a_breach_whatever_the_objectives_say() -> None:
    """It may never happen, so one episode is enough."""
    found = judged(*[run_result(0)] * 5, run_result(0, verdict="breach", invariants=(REVIVED,)))
    assert found.verdict == "breach"
    assert found.reasons == ("episode-06: tombstones-win was violated: a at b",)


def test_a_series_that_was_cut_short_makes_no_claim() -> None:
    """Whoever ends a series could choose the moment."""
    plan, episodes = made([run_result(0)] * 8)
    found = judge_series(series_plan(20), episodes, cut_short="it was interrupted")
    assert found.verdict == "inconclusive"
    assert "cut short after 8 of 20 episodes: it was interrupted" in found.reasons[0]
    assert judge_series(plan, episodes).verdict == "pass"
    bad, too_bad = made([run_result(500 + number, verdict="breach") for number in range(8)])
    assert judge_series(bad, too_bad).verdict == "breach"
    assert judge_series(series_plan(20), too_bad, cut_short="it was interrupted").verdict == "inconclusive"


def test_an_objective_without_requests_is_undecided() -> None:
    """There is nothing to say of it, and no error either."""
    found = judged(*[run_result(0, total=0, verdict="inconclusive", gates=(FEW,))] * 5)
    assert found.verdict == "inconclusive"
    assert found.objectives[0].ratio is None


def test_an_expected_verdict_decides_the_exit_code() -> None:
    """As for a run: 0 when it came out, 1 when pass or breach came out instead; a pass on a posture that must go red is 1."""
    _, episodes = made([run_result(0)] * 5)
    for expected, code in (("pass", 0), ("breach", 1)):
        assert judge_series(series_plan(5, expected=expected), episodes).exit_code == code
    assert judge_series(series_plan(5, posture_expects="breach"), episodes).exit_code == 1


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [(0.0, 0.01, "met"), (0.0, 0.0101, "undecided"), (0.01, 0.02, "undecided"), (0.0101, 0.02, "breached")],
)
def test_the_system_is_judged_by_its_bounds(low: float, high: float, status: str) -> None:
    """Met with an upper bound of just what is allowed, and breached only above it."""
    assert _status([EpisodeTally(100, 1)] * 5, Interval(low=low, high=high, confidence=0.95), 0.99)[0] == status


def test_an_episode_that_counts_is_told_by_its_first_reason() -> None:
    """There is nothing to say of why it would not count."""
    result = run_result(verdict="breach").model_copy(update={"reasons": ("tokens: too few", "codes: too few")})
    assert why_not(result) == ""
    assert judged(result).episodes[0].why == "tokens: too few"

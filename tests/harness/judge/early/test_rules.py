"""When a run is ended early: error rates over simulated baselines, and each rule by itself."""

from __future__ import annotations

import pytest

from benchmarks.early_stops import bad_each_second, row, watched
from brownout.harness.judge.early.rules import LEAST_REQUESTS, BaselineRule, OutageRule
from brownout.harness.judge.early.sequential import RISK, evidence, is_worse


@pytest.mark.parametrize("ratio", [0.001, 0.0025, 0.005])
def test_a_system_within_its_objective_is_taken_for_worse_in_one_run_of_a_hundred_at_most(ratio: float) -> None:
    """Looked at once a second for a minute, in 1,000 baselines of independent requests."""
    seen = row("each", ratio, runs=1000)
    assert seen.by_test <= RISK
    assert seen.wrongly == 0


def test_to_look_at_a_bound_again_and_again_breaks_its_promise() -> None:
    """The control: a 95 % bound that is looked at each second calls a fifth of the systems worse that are not."""
    assert row("each", 0.005, runs=300).by_bound > 0.15


@pytest.mark.parametrize(("ratio", "within_s"), [(0.01, 35), (0.02, 18), (0.05, 9), (0.5, 2), (1.0, 1)])
def test_a_system_that_is_worse_is_stopped_before_its_baseline_is_over(ratio: float, within_s: int) -> None:
    """Twice the budget in half of the baseline, a total outage at the first look."""
    seen = row("each", ratio, runs=100)
    assert seen.stopped == 1
    assert seen.stopped_s is not None
    assert seen.stopped_s <= within_s


@pytest.mark.parametrize("ratio", [0.0025, 0.005, 0.01])
def test_a_burst_that_the_baseline_outweighs_stops_no_run(ratio: float) -> None:
    """The sequential test alone would stop some of these runs, whose requests are not independent."""
    seen = row("bursts", ratio, runs=300)
    assert seen.by_test_wrongly > 0.03
    assert seen.wrongly == 0


def test_simulated_baselines_have_the_ratio_that_was_asked_for() -> None:
    """Otherwise the shares above would be of something else."""
    import random

    for how in ("each", "bursts"):
        drawn = [sum(bad_each_second(how, 0.01, random.Random(seed))) for seed in range(400)]
        assert sum(drawn) / len(drawn) / 12_000 == pytest.approx(0.01, rel=0.1), how
    assert watched([0] * 60).passes
    assert not watched([200] * 60).passes


def test_the_evidence_speaks_for_both_sides() -> None:
    """Good requests take back what bad ones said; several tests share the error."""
    assert evidence(0, 100, 0.01) < 0 < evidence(10, 100, 0.01)
    assert evidence(3, 3, 0.8) > 0, "a budget above a half has a worse ratio too"
    assert is_worse(8, 50, 0.01)
    assert not is_worse(8, 50, 0.01, tests=10)


def test_a_baseline_of_few_requests_is_no_evidence() -> None:
    """As many as the gate steady-state needs."""
    rule = BaselineRule("x", 0.99, 60.0)
    for _ in range(LEAST_REQUESTS - 1):
        rule.add(good=False)
    assert rule.broken(1.0) == ""
    rule.add(good=False)
    assert rule.broken(1.0) == (
        "x: 0 % of 20 requests of the baseline were good, target 99 %; by the sequential test the system is worse "
        "(error at most 1 %)"
    )


def test_a_baseline_that_can_still_be_met_goes_on() -> None:
    """Of 6,000 requests to come sixty may be bad: the sixty-first ends it."""
    rule = BaselineRule("x", 0.99, 60.0)
    for number in range(100):
        rule.add(good=number >= 60)
    assert rule.broken(1.0) == ""
    rule.bad += 1
    assert rule.broken(1.0) != ""


def outage(good: list[bool], *, per_s: float = 10.0, bad_share: float = 0.5) -> OutageRule:
    rule = OutageRule("x", bad_share, 10.0)
    for number, each in enumerate(good):
        rule.add(number / per_s, good=each)
    return rule


def test_an_outage_of_ten_seconds_is_one() -> None:
    """More than half of a hundred requests were bad."""
    assert outage([False] * 51 + [True] * 49).broken(0.0, 10.0) == (
        "x: 49 % of the last 100 requests were good, with no fault in place"
    )
    assert outage([False] * 50 + [True] * 50).broken(0.0, 10.0) == ""


def test_what_was_before_the_window_does_not_count() -> None:
    """Ten good seconds follow ten bad ones."""
    assert outage([False] * 100 + [True] * 100).broken(0.0, 20.0) == ""


def test_a_window_that_is_not_over_yet_is_no_outage() -> None:
    """Nine seconds since the fault ended, all of them bad."""
    assert outage([False] * 90).broken(0.0, 9.0) == ""


def test_the_window_of_a_thin_load_is_longer() -> None:
    """Twenty requests at least: ten seconds of one request a second are none."""
    assert outage([False] * 12, per_s=1.0).broken(0.0, 12.0) == ""
    assert outage([False] * 20, per_s=1.0).broken(0.0, 20.0) != ""


def test_a_fault_in_between_starts_it_anew() -> None:
    """What was before the fault says nothing of what is after it: half of those are allowed to be bad, to the last."""
    rule = outage([False] * 100)
    rule.restart()
    assert rule.broken(0.0, 20.0) == ""
    for number in range(20):
        rule.add(20.0 + number, good=number < 10)
    assert rule.broken(20.0, 40.0) == ""
    rule.add(40.0, good=False)
    assert rule.broken(20.0, 41.0) != ""

"""Bounds from a few episodes: against scipy, against known cases, and against their promise over series with a known truth."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_ind

from benchmarks.system_claims import ClaimSettings, claim_errors
from brownout.harness.base.stats import exact_high
from brownout.harness.series.intervals import (
    EpisodeTally,
    clustered_bounds,
    share_difference,
    shared_confidence,
    t_quantile,
    welch,
)

TALLIES = st.integers(1, 5_000).flatmap(
    lambda total: st.builds(EpisodeTally, st.just(total), st.integers(0, total), st.integers(0, 50))
)
SERIES = st.lists(TALLIES, min_size=2, max_size=12)
SHARES = st.lists(st.integers(0, 1_000).map(lambda n: n / 1_000), min_size=2, max_size=12).filter(lambda xs: len(set(xs)) > 1)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.9995]), st.integers(1, 200))
def test_quantiles_are_students(confidence: float, freedom: int) -> None:
    """They agree with scipy's for every number of degrees of freedom."""
    assert t_quantile(confidence, freedom) == pytest.approx(student.ppf(confidence, freedom), rel=1e-8, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(SERIES)
def test_bounds_enclose_the_mean_and_widen_with_doubt(episodes: list[EpisodeTally]) -> None:
    """The mean share is between them, they are shares, and requests in doubt move them outwards only."""
    sure = [EpisodeTally(one.total, one.bad) for one in episodes]
    inner, outer = clustered_bounds(sure, 0.95), clustered_bounds(episodes, 0.95)
    mean = sum(one.ratio for one in episodes) / len(episodes)
    assert 0 <= outer.low <= inner.low + 1e-9
    assert inner.low <= mean + 1e-9
    assert mean - 1e-9 <= inner.high <= outer.high + 1e-9 <= 1 + 2e-9


def test_without_a_failure_the_exact_bound_is_left() -> None:
    """Episodes that are all alike have no spread; all their requests together still say no more than so many requests can."""
    bounds = clustered_bounds([EpisodeTally(1_000, 0)] * 5, 0.95)
    assert bounds.low == 0
    assert bounds.high >= exact_high(0, 5_000, 0.95)


def test_episodes_are_the_sample_and_not_their_requests() -> None:
    """Ten times the requests in as few episodes leave the bounds about as wide; ten times the episodes make them narrow."""
    shares = (2, 9, 4, 7, 3)
    few = clustered_bounds([EpisodeTally(1_000, bad) for bad in shares], 0.95)
    larger = clustered_bounds([EpisodeTally(10_000, 10 * bad) for bad in shares], 0.95)
    many = clustered_bounds([EpisodeTally(1_000, bad) for bad in shares * 10], 0.95)
    assert larger.high - larger.low > 0.8 * (few.high - few.low)
    assert many.high - many.low < 0.4 * (few.high - few.low)


def test_one_bad_episode_of_five_leaves_much_possible() -> None:
    """An outage in one episode of five excludes neither that it is rare nor that it is common."""
    bounds = clustered_bounds([*[EpisodeTally(1_000, 0)] * 4, EpisodeTally(1_000, 300)], 0.95)
    assert bounds.low < 0.001
    assert bounds.high > 0.5


@settings(deadline=None, max_examples=60)
@given(SHARES, SHARES)
def test_welch_is_welchs(before: list[float], after: list[float]) -> None:
    """The bounds are scipy's or, for the sake of whole degrees of freedom, a little wider."""
    found = welch(before, after, 0.95)
    told = ttest_ind(after, before, equal_var=False).confidence_interval(0.90)
    assert found.low <= told.low + 1e-9
    assert found.high >= told.high - 1e-9


@settings(deadline=None, max_examples=60)
@given(SERIES, SERIES)
def test_the_difference_turns_with_its_sides(before: list[EpisodeTally], after: list[EpisodeTally]) -> None:
    """Bounds of B less A are those of A less B with the other sign."""
    one, other = share_difference(before, after, 0.95), share_difference(after, before, 0.95)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)


def test_bounds_that_hold_together_are_wider_each() -> None:
    """The risk is divided by the number of rows."""
    assert shared_confidence(1, 0.95) == pytest.approx(0.95)
    assert shared_confidence(5, 0.95) == pytest.approx(0.99)


@pytest.mark.parametrize("cv", [0.3, 1.0])
def test_claims_are_rarely_wrong(cv: float) -> None:
    """Over series whose truth is the budget, and over comparisons of equals, at most one claim in twenty is wrong.

    The share allowed is what 300 series of one in twenty show at most, with fixed seeds; a difference of eight times is found.
    """
    errors = claim_errors(8, cv, ClaimSettings(series=300))
    most = 0.05 + 2.6 * (0.05 * 0.95 / 300) ** 0.5
    assert errors.false_pass <= most
    assert errors.false_breach <= most
    assert errors.false_regression <= most
    assert errors.pass_at_a_quarter > 0.5


def test_doubts_that_even_episodes_out_make_no_bound_better() -> None:
    """With all in doubt failed, or all good, the episodes are alike and their interval is narrow: the wider one counts."""
    sure = (EpisodeTally(100, 50), EpisodeTally(100, 0), EpisodeTally(100, 50), EpisodeTally(100, 0))
    doubted = tuple(EpisodeTally(one.total, one.bad, 50 - one.bad) for one in sure)
    assert clustered_bounds(doubted, 0.95).high >= clustered_bounds(sure, 0.95).high
    good = tuple(EpisodeTally(one.total, one.bad, one.bad) for one in sure)
    assert clustered_bounds(good, 0.95).low <= clustered_bounds(sure, 0.95).low


@pytest.mark.parametrize(
    ("tally", "worst", "best"),
    [
        (EpisodeTally(100, 10, 0), (10, 100), (10, 100)),
        (EpisodeTally(100, 10, 4), (14, 100), (6, 104)),
        (EpisodeTally(100, 10, 95), (100, 100), (0, 195)),
    ],
)
def test_the_ends_that_doubts_leave_possible(tally: EpisodeTally, worst: tuple[int, int], best: tuple[int, int]) -> None:
    """All in doubt failed, or all were good and as many more; neither end is beyond all or none."""
    assert (tally.worst, tally.best) == (worst, best)

"""Bounds and percentiles against published numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.base.stats import budget, minimum_total, percent, percentile, wilson_high, wilson_low

# Newcombe, Statistics in Medicine 17 (1998), table I, method 3: two-sided 95 % is one-sided 97.5 % on each side.
NEWCOMBE = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(("bad", "total", "low", "high"), NEWCOMBE)
def test_wilson_agrees_with_the_published_table(bad, total, low, high):
    """The bounds are Newcombe's to all four printed digits."""
    assert wilson_low(bad, total, 0.975) == pytest.approx(low, abs=5e-5)
    assert wilson_high(bad, total, 0.975) == pytest.approx(high, abs=5e-5)


@given(COUNTS)
def test_bounds_hold_the_ratio_between_them(counts):
    """The observed ratio lies within the bounds, and the bounds within [0, 1]."""
    bad, total = counts
    assert 0 <= wilson_low(bad, total, 0.95) <= bad / total <= wilson_high(bad, total, 0.95) <= 1


@given(COUNTS)
def test_bounds_of_good_mirror_bounds_of_bad(counts):
    """Counting good instead of bad gives the mirrored bound."""
    bad, total = counts
    assert wilson_low(bad, total, 0.95) == pytest.approx(1 - wilson_high(total - bad, total, 0.95), abs=1e-12)


@pytest.mark.parametrize(("bad", "low", "high"), [(0, 0.0, None), (10, None, 1.0)])
def test_bounds_at_the_ends_are_exact(bad, low, high):
    """With none bad the lower bound is exactly 0, with all bad the upper exactly 1."""
    assert low is None or wilson_low(bad, 10, 0.95) == low
    assert high is None or wilson_high(bad, 10, 0.95) == high


@pytest.mark.parametrize(("target", "total"), [(0.99, 268), (0.995, 539), (0.999, 2703)])
def test_minimum_total_agrees_with_the_reference(target, total):
    """Least n for a pass with nothing bad, one less is not enough (docs/reference/statistics.md#least-number-of-requests)."""
    assert minimum_total(target, 0.95) == total
    assert wilson_high(0, total, 0.95) <= budget(target) < wilson_high(0, total - 1, 0.95)


@pytest.mark.parametrize(("target", "allowed"), [(0.9, 0.1), (0.99, 0.01), (0.999, 0.001), (0.9999, 0.0001)])
def test_budget_is_the_decimal_difference(target, allowed):
    """One bad of ten is within a target of 90 %, whatever binary fractions say."""
    assert budget(target) == allowed


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7], 0.99, 7), ([3, 1, 2], 0.5, 2), (range(1, 101), 0.99, 99), (range(1, 101), 0.5, 50)],
)
def test_percentile_is_the_nearest_rank(values, share, expected):
    """A percentile is one of the values: the least that covers the share."""
    assert percentile(values, share) == expected


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.971, "97.1 %"), (0.9996, "99.96 %"), (0.00004, "0.004 %"), (0.999, "99.9 %")],
)
def test_percent_never_rounds_to_perfect(ratio, text):
    """Nothing but 1 is shown as 100 %, nothing but 0 as 0 %."""
    assert percent(ratio) == text

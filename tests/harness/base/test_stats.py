"""Bounds against scipy and against their promise, and percentiles against published numbers."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import betaincinv

from benchmarks.wrong_verdicts import errors
from brownout.harness.base.stats import (
    _stirling_error,
    budget,
    exact_high,
    exact_low,
    is_above,
    minimum_total,
    percent,
    percentile,
)

# Newcombe, Statistics in Medicine 17 (1998), table I, method 5: two-sided 95 % is one-sided 97.5 % on each side.
NEWCOMBE = [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)]
COUNTS = st.integers(1, 10_000_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
FEW_BAD = st.tuples(st.integers(0, 200), st.integers(200, 10_000_000))
CONFIDENCES = st.sampled_from([0.9, 0.95, 0.99, 0.999])
CLOSE = 1e-8


@pytest.mark.parametrize(("bad", "total", "low", "high"), NEWCOMBE)
def test_bounds_agree_with_the_published_table(bad, total, low, high):
    """The bounds are Newcombe's to all four printed digits."""
    assert exact_low(bad, total, 0.975) == pytest.approx(low, abs=5.1e-5)
    assert exact_high(bad, total, 0.975) == pytest.approx(high, abs=5.1e-5)


@given(COUNTS | FEW_BAD, CONFIDENCES)
@example((5_000_000, 10_000_000), 0.95)
@example((1, 10_000_000), 0.95)
@example((9_999_999, 10_000_000), 0.95)
@example((1, 1), 0.9)
def test_bounds_agree_with_scipy(counts, confidence):
    """From 0 bad to all, up to ten million requests, the bounds are scipy's quantiles of the beta distribution."""
    bad, total = counts
    low = 0.0 if bad == 0 else float(betaincinv(bad, total - bad + 1, 1 - confidence))
    high = 1.0 if bad == total else float(betaincinv(bad + 1, total - bad, confidence))
    assert exact_low(bad, total, confidence) == pytest.approx(low, rel=CLOSE)
    assert exact_high(bad, total, confidence) == pytest.approx(high, rel=CLOSE)


@pytest.mark.parametrize("number", [1, 2, 15, 16, 17, 30, 100, 1000])
def test_stirlings_error_is_exact_to_twelve_digits(number):
    """Where the series begins too, against the logarithm of the factorial itself in forty digits."""
    with localcontext() as context:
        context.prec = 40
        n, pi = Decimal(number), Decimal("3.141592653589793238462643383279502884197")
        exact = Decimal(math.factorial(number)).ln() - (n * n.ln() - n + (2 * pi * n).ln() / 2)
    assert _stirling_error(float(number)) == pytest.approx(float(exact), rel=1e-12, abs=1e-15)


@given(COUNTS | FEW_BAD)
def test_bounds_hold_the_ratio_between_them(counts):
    """The observed ratio lies within the bounds, and the bounds within [0, 1]."""
    bad, total = counts
    assert 0 <= exact_low(bad, total, 0.95) <= bad / total <= exact_high(bad, total, 0.95) <= 1


@given(COUNTS)
def test_bounds_of_good_mirror_bounds_of_bad(counts):
    """Counting good instead of bad gives the mirrored bound."""
    bad, total = counts
    assert exact_low(bad, total, 0.95) == pytest.approx(1 - exact_high(total - bad, total, 0.95), abs=1e-12)


@pytest.mark.parametrize(("bad", "low", "high"), [(0, 0.0, None), (10, None, 1.0)])
def test_bounds_at_the_ends_are_exact(bad, low, high):
    """With none bad the lower bound is exactly 0, with all bad the upper exactly 1."""
    assert low is None or exact_low(bad, 10, 0.95) == low
    assert high is None or exact_high(bad, 10, 0.95) == high


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("target", [0.5, 0.9, 0.99, 0.995, 0.999])
@pytest.mark.parametrize("total", [1, 10, 192, 223, 1000, 3000])
def test_no_verdict_is_wrong_more_often_than_stated(total, target, confidence):
    """With the truth on the budget, neither breached nor met comes out in more than 1 - confidence of all possible runs."""
    wrong = errors(total, target, exact_low, exact_high, confidence)
    assert wrong.breached <= 1 - confidence + 1e-9
    assert wrong.met <= 1 - confidence + 1e-9


def test_one_failure_of_192_is_no_breach_of_three_nines():
    """At the budget it would be seen in every sixth run."""
    assert exact_low(1, 192, 0.95) < budget(0.999) < exact_high(1, 192, 0.95)


@given(COUNTS | FEW_BAD, st.floats(1e-6, 0.999), CONFIDENCES)
def test_above_a_ratio_means_that_the_lower_bound_is(counts, ratio, confidence):
    """One tail answers what the search for the bound would."""
    low = exact_low(*counts, confidence)
    if abs(low - ratio) > 1e-7 * ratio:
        assert is_above(*counts, ratio, confidence) is (low > ratio)


@pytest.mark.parametrize(("bad", "ratio", "above"), [(1, 0.0, True), (0, 0.0, False), (10, 1.0, False)])
def test_above_the_ends(bad, ratio, above):
    """One bad request is above nothing, and nothing is above all."""
    assert is_above(bad, 10, ratio, 0.95) is above


@pytest.mark.parametrize(("target", "total"), [(0.99, 299), (0.995, 598), (0.999, 2995)])
def test_minimum_total_agrees_with_the_reference(target, total):
    """Least n for a pass with nothing bad, one less is not enough (docs/reference/statistics.md#least-number-of-requests)."""
    assert minimum_total(target, 0.95) == total
    assert exact_high(0, total, 0.95) <= budget(target) < exact_high(0, total - 1, 0.95)


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


@pytest.mark.parametrize(("ratio", "text"), [(1e-8, "0.000001 %"), (4e-9, "0 %"), (1 - 4e-9, "100 %")])
def test_percent_has_six_digits_at_most(ratio, text):
    """What is nearer to 0 or to 1 is shown as that: no run has so many requests."""
    assert percent(ratio) == text

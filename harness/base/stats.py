"""Exact bounds on a ratio from counts, and percentiles.

Theory. n requests of which b were bad say something about the bad ratio only up to chance. The exact (Clopper-Pearson)
bounds are the ratios at which the count seen would just be too unlikely: the upper one is the p at which b or fewer bad of n
have the probability 1 - confidence, the lower one the p at which b or more have it. So a bound misses the true ratio with at
most that probability, for every n and every true ratio; approximate ones (Wilson's score, the textbook's) err up to four times
as often where few requests are bad. A budget is met when the upper bound is within it and breached when the lower bound is
above it; in between, the run cannot tell. With b = 0 the upper bound is 1 - (1 - confidence)^(1/n), hence the least n for
which a flawless run can meet a target. Measured behaviour: docs/reference/statistics.md#binomial-bounds.

The probability of a tail is a regularised incomplete beta function I_x(a, b), here a continued fraction (DLMF 8.17.22, by
Lentz's method) times the density, which is computed as C. Loader does ("Fast and accurate computation of binomial
probabilities", 2000), so that it keeps twelve digits up to n = 10^7.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

_TINY = 1e-300  # in place of a zero denominator of the continued fraction


@lru_cache(maxsize=4096)
def exact_low(bad: int, total: int, confidence: float) -> float:
    """The bad ratio that the true one is above, with at least this one-sided confidence. `total` is at least 1."""
    _check(bad, total)
    if bad == 0:
        return 0.0
    return _quantile(risk(confidence), bad, total - bad + 1)


@lru_cache(maxsize=4096)
def exact_high(bad: int, total: int, confidence: float) -> float:
    """The bad ratio that the true one is below, with at least this one-sided confidence. `total` is at least 1."""
    _check(bad, total)
    if bad == total:
        return 1.0
    if bad == 0:
        return -math.expm1(math.log(risk(confidence)) / total)
    return _quantile(1.0 - risk(confidence), bad + 1, total - bad)


def is_above(bad: int, total: int, ratio: float, confidence: float) -> bool:
    """Whether `exact_low` is above the ratio, at the cost of one tail instead of a search for the bound."""
    _check(bad, total)
    return bad > 0 and (ratio <= 0 or (ratio < 1 and _tail(ratio, bad, total - bad + 1) < risk(confidence)))


def risk(confidence: float) -> float:
    """The probability with which a bound may miss: 1 - confidence without binary rounding errors."""
    return round(1 - confidence, 12)


def _check(bad: int, total: int) -> None:
    assert 0 <= bad <= total, (bad, total)
    assert total > 0, "no bound without a request"


def _quantile(share: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = share: Newton's method inside a bracket that shrinks with every step."""
    low, high = 0.0, 1.0
    x = a / (a + b)
    for _ in range(200):
        missing = _tail(x, a, b) - share
        low, high = (x, high) if missing < 0 else (low, x)
        slope = _density(x, a, b)
        better = x - missing / slope if slope > 0 else low
        if not low < better < high:
            better = (low + high) / 2
        if abs(better - x) <= 1e-14 * x:
            break
        x = better
    return better


def _tail(x: float, a: float, b: float) -> float:
    """I_x(a, b) for 0 < x < 1: with whole a and b, the probability of a or more of a + b - 1 at the ratio x."""
    if x > (a + 1) / (a + b + 2):  # on this side the fraction of the mirrored function converges fast
        return 1.0 - _tail_by_fraction(1.0 - x, b, a)
    return _tail_by_fraction(x, a, b)


def _tail_by_fraction(x: float, a: float, b: float) -> float:
    front = _density(x, a, b) * x * (1.0 - x) / a
    if front == 0.0:
        return 0.0
    c, d = 1.0, 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 100_000):
        # The even and the odd coefficient of the m-th pair.
        for coefficient in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _not_zero(1.0 + coefficient * d)
            c = _not_zero(1.0 + coefficient / c)
            value *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return front * value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _density(x: float, a: float, b: float) -> float:
    """The slope of I_x(a, b) in x: a binomial probability by Loader's saddle point, scaled."""
    n = a + b
    exponent = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    exponent -= _deviance(a, n * x) + _deviance(b, n * (1.0 - x))
    return math.sqrt(a * b / (2 * math.pi * n)) * math.exp(exponent) / (x * (1.0 - x))


def _deviance(seen: float, expected: float) -> float:
    """Seen ln(seen/expected) + expected - seen, without cancellation where the two are near each other."""
    off = (expected - seen) / seen
    return seen * (off - math.log1p(off))


def _stirling_error(n: float) -> float:
    """Ln n! less Stirling's formula for it."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * square)) / square) / square) / square) / n


def budget(target: float) -> float:
    """The bad ratio that a target allows: 1 - target without binary rounding errors, so 1 of 10 is within 90 %."""
    return round(1 - target, 12)


def minimum_total(target: float, confidence: float) -> int:
    """The least number of requests, none of them bad, for which `exact_high` is within the target's budget."""
    return math.ceil(math.log(risk(confidence)) / math.log1p(-budget(target)))


def percentile(values: Iterable[float], share: float) -> float | None:
    """The least value that at least `share` (0 to 1) of the values do not exceed; None when there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def percent(ratio: float) -> str:
    """`97.1 %`: with as many digits as it takes that 99.96 % is not shown as 100 %, nor 0.004 % as 0."""
    for digits in range(1, 7):
        text = f"{ratio * 100:.{digits}f}"
        if float(text) not in (0.0, 100.0):
            break
    return f"{text.rstrip('0').rstrip('.')} %"

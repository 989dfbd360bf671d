"""Bounds on a ratio from counts, and percentiles.

Theory. n requests of which b were bad say something about the bad ratio only up to chance. Wilson's score interval, one
side at a time, works for small n and for b = 0, where the textbook interval has no width. A budget is met
when the upper bound is within it and breached when the lower bound is above it; in between, the run cannot tell. With
b = 0 the upper bound is z²/(n + z²), hence the least n for which a flawless run can meet a target. Measured behaviour:
docs/reference/statistics.md#binomial-bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from statistics import NormalDist


@cache
def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(confidence)


def wilson_low(bad: int, total: int, confidence: float) -> float:
    """The bad ratio that the true one is above, with this one-sided confidence. `total` is at least 1."""
    centre, spread = _centre_and_spread(bad, total, confidence)
    return 0.0 if bad == 0 else max(0.0, centre - spread)


def wilson_high(bad: int, total: int, confidence: float) -> float:
    """The bad ratio that the true one is below, with this one-sided confidence. `total` is at least 1."""
    centre, spread = _centre_and_spread(bad, total, confidence)
    return 1.0 if bad == total else min(1.0, centre + spread)


def _centre_and_spread(bad: int, total: int, confidence: float) -> tuple[float, float]:
    assert 0 <= bad <= total, (bad, total)
    assert total > 0, "no bound without a request"
    z, ratio = _z(confidence), bad / total
    shrink = 1 + z * z / total
    spread = z * math.sqrt(ratio * (1 - ratio) / total + z * z / (4 * total * total))
    return (ratio + z * z / (2 * total)) / shrink, spread / shrink


def budget(target: float) -> float:
    """The bad ratio that a target allows: 1 - target without binary rounding errors, so 1 of 10 is within 90 %."""
    return round(1 - target, 12)


def minimum_total(target: float, confidence: float) -> int:
    """The least number of requests, none of them bad, for which `wilson_high` is within the target's budget."""
    z, allowed = _z(confidence), budget(target)
    return math.ceil(z * z * (1 - allowed) / allowed)


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
        if float(text) not in (0.0, 100.0) or ratio in (0.0, 1.0):
            break
    return f"{text.rstrip('0').rstrip('.')} %"

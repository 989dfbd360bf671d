"""The sequential test of a baseline: do the requests so far show that the system is worse than its objective?

Theory. A Wald test (SPRT) of one hypothesis against another: the ratio of bad requests is the budget `b` at most, or `2b`. Each
bad request adds ln(p1/b) to the logarithm of the likelihood ratio, each good one ln((1 - p1)/(1 - b)). While the true ratio is
at most b, the likelihood ratio is a supermartingale that begins at 1, so the probability that it *ever* reaches 1/risk is
at most `risk` (Ville's inequality), however often it is looked at, and with any number of requests. The usual bounds hold for
one look at the end only: tested again and again, they are crossed sooner or later.

Requests are taken to be independent, which bursts are not. So this alone ends no run (`rules.BaselineRule`).
Measured behaviour: docs/reference/statistics.md#the-sequential-test.
"""

from __future__ import annotations

import math

RISK = 0.01  # of taking a system for worse than its objective that is not


def evidence(bad: int, total: int, budget: float) -> float:
    """The logarithm of the likelihood ratio: above 0 it speaks for a system that is worse than the budget."""
    worse = min(2 * budget, (1 + budget) / 2)  # twice the budget, or halfway to 1 where that is less
    return bad * math.log(worse / budget) + (total - bad) * math.log((1 - worse) / (1 - budget))


def is_worse(bad: int, total: int, budget: float, *, tests: int = 1) -> bool:
    """Whether the ratio of bad requests is above the budget, with an error of at most RISK for all `tests` together."""
    return evidence(bad, total, budget) >= math.log(tests / RISK)

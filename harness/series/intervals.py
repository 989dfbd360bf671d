"""Bounds on what a system does from a few episodes, and on the difference of two systems.

Theory. Requests of one episode fail together, so their number says little: the episodes are the sample, each with one share.
Taken to be drawn alike, their mean has Student's t bounds. Two things make those too narrow, and each is met by another bound;
of all bounds the outermost counts.

- Few episodes of a skewed share: most have little, one has much, and until that one is drawn the mean looks small and sure.
  Cox's bound for the mean of a log-normal share takes the spread of the logarithms for the skew: with y = ln of the shares,
  their mean m and their variance v over k episodes it is exp(m + v/2 + t sqrt(v/k + v^2/(2(k - 1)))).
- No spread at all, as when no request failed in any episode: then the exact binomial bound of all requests together is left.

The lower bound of the bad share is one minus the same bound of the good share. Requests whose outcome is in doubt count as bad
for the upper bound and as good for the lower one. What did not happen in any episode no bound can know: five episodes without
an outage leave an outage in 45 % of all episodes possible (1 - 0.05^(1/5)).

The difference of two systems is bounded by Welch's t over the episodes' shares, where the skews of both sides cancel, and by
Newcombe's combination of both sides' exact bounds, which is all there is for single runs. Measured behaviour:
docs/reference/statistics.md#several-episodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, variance

from brownout.harness.base.stats import exact_high, exact_low, risk

EPISODES_LEAST = 5  # below that no claim about the system
SPREAD_MAX = 700.0  # of an exponent that a float still holds


@dataclass(frozen=True, slots=True)
class EpisodeTally:
    """The requests of one objective in one episode: the `total` that is logged, the bad ones, and those in doubt beside."""

    total: int
    bad: int
    doubtful: int = 0

    def __post_init__(self) -> None:
        assert 0 <= self.bad <= self.total, self
        assert self.total > 0, "an episode without a request has no share"
        assert self.doubtful >= 0, self

    @property
    def ratio(self) -> float:
        return self.bad / self.total

    @property
    def worst(self) -> tuple[int, int]:
        """Bad and total if all requests in doubt had failed."""
        return min(self.total, self.bad + self.doubtful), self.total

    @property
    def best(self) -> tuple[int, int]:
        """Bad and total if all requests in doubt had been good."""
        return max(0, self.bad - self.doubtful), self.total + self.doubtful


@dataclass(frozen=True, slots=True)
class Bounds:
    """A one-sided bound on each side."""

    low: float
    high: float


@lru_cache(maxsize=1024)
def t_quantile(confidence: float, freedom: int) -> float:
    """The t that Student's distribution with so many degrees of freedom is below with this probability (0.5 to 1)."""
    assert 0.5 <= confidence < 1, confidence
    low, high = 0.0, math.pi / 2
    for _ in range(100):  # t = sqrt(freedom) tan(angle), so the angle has a bracket that the t has not
        middle = (low + high) / 2
        low, high = (middle, high) if (1 + _within(middle, freedom)) / 2 < confidence else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _within(angle: float, freedom: int) -> float:
    """The probability of |t| below sqrt(freedom) tan(angle): Abramowitz and Stegun 26.7.3 and 26.7.4."""
    sine, cosine = math.sin(angle), math.cos(angle)
    first = 2 if freedom % 2 else 1
    term = cosine if freedom % 2 else 1.0
    total = 0.0 if freedom == 1 else term
    for n in range(first, freedom - 1, 2):
        term *= n / (n + 1) * cosine * cosine
        total += term
    return 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total


def clustered_bounds(episodes: Sequence[EpisodeTally], confidence: float) -> Bounds:
    """Bounds on the bad share of the system's mean episode, from two episodes on."""
    logged = [(one.bad, one.total) for one in episodes]
    worst, best = [one.worst for one in episodes], [one.best for one in episodes]
    # Doubts can also even the episodes out, which must not make a bound better than without them.
    high = max(_mean_at_most(counts, confidence) for counts in {tuple(logged), tuple(worst)})
    good = max(_mean_at_most([(n - bad, n) for bad, n in counts], confidence) for counts in {tuple(logged), tuple(best)})
    return Bounds(low=1 - good, high=high)


def _mean_at_most(counts: Sequence[tuple[int, int]], confidence: float) -> float:
    """The upper bound on the mean share, from (part, total) of each episode."""
    return min(1.0, max(bound(counts, confidence) for bound in _UPPER_BOUNDS))


def _student(counts: Sequence[tuple[int, int]], confidence: float) -> float:
    shares, k = [part / total for part, total in counts], len(counts)
    return fmean(shares) + t_quantile(confidence, k - 1) * math.sqrt(variance(shares) / k)


def _cox(counts: Sequence[tuple[int, int]], confidence: float) -> float:
    logs, k = [math.log((part + 0.5) / (total + 1)) for part, total in counts], len(counts)
    v = variance(logs)
    exponent = fmean(logs) + v / 2 + t_quantile(confidence, k - 1) * math.sqrt(v / k + v * v / (2 * (k - 1)))
    return math.exp(min(exponent, SPREAD_MAX))


def _exact(counts: Sequence[tuple[int, int]], confidence: float) -> float:
    return exact_high(sum(part for part, _ in counts), sum(total for _, total in counts), confidence)


_UPPER_BOUNDS: tuple[Callable[[Sequence[tuple[int, int]], float], float], ...] = (_student, _cox, _exact)


def share_difference(before: Sequence[EpisodeTally], after: Sequence[EpisodeTally], confidence: float) -> Bounds:
    """Bounds on the bad share after, less the one before: of these runs, or of the system where each side has episodes enough.

    With fewer than five on a side the requests of a side count as one sample.
    """
    pooled = _newcombe(before, after, confidence)
    if min(len(before), len(after)) < EPISODES_LEAST:
        return pooled
    worst = welch([one.best[0] / one.best[1] for one in before], [one.worst[0] / one.worst[1] for one in after], confidence)
    best = welch([one.worst[0] / one.worst[1] for one in before], [one.best[0] / one.best[1] for one in after], confidence)
    return Bounds(low=max(-1.0, min(pooled.low, best.low)), high=min(1.0, max(pooled.high, worst.high)))


def mean_ratio(episodes: Sequence[EpisodeTally]) -> float:
    """The plain mean of the episodes' bad shares."""
    return fmean(episode.ratio for episode in episodes)


def _newcombe(before: Sequence[EpisodeTally], after: Sequence[EpisodeTally], confidence: float) -> Bounds:
    """From each side's own bounds: how far each is from its ratio counts, squared and added."""
    (one, one_low, one_high), (two, two_low, two_high) = (_pooled(side, confidence) for side in (before, after))
    low = two - one - math.hypot(two - two_low, one_high - one)
    high = two - one + math.hypot(two_high - two, one - one_low)
    return Bounds(low=max(-1.0, low), high=min(1.0, high))


def _pooled(side: Sequence[EpisodeTally], confidence: float) -> tuple[float, float, float]:
    """The ratio of all requests of a side together, and its exact bounds."""
    ratio = sum(one.bad for one in side) / sum(one.total for one in side)
    low = exact_low(sum(one.best[0] for one in side), sum(one.best[1] for one in side), confidence)
    high = exact_high(sum(one.worst[0] for one in side), sum(one.worst[1] for one in side), confidence)
    return ratio, low, high


def welch(before: Sequence[float], after: Sequence[float], confidence: float) -> Bounds:
    """Welch's bounds on the difference of two means, after less before; each side has two values or more."""
    parts = [variance(side) / len(side) for side in (before, after)]
    difference, spread = fmean(after) - fmean(before), math.sqrt(sum(parts))
    squares = sum(part * part / (len(side) - 1) for part, side in zip(parts, (before, after), strict=True))
    freedom = max(1, math.floor(sum(parts) ** 2 / squares)) if squares else len(before) + len(after) - 2
    reach = t_quantile(confidence, freedom) * spread
    return Bounds(difference - reach, difference + reach)


def shared_confidence(rows: int, confidence: float) -> float:
    """The confidence of each of several bounds with which all of them hold at `confidence` (Bonferroni)."""
    return 1 - risk(confidence) / rows

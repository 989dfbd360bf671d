"""The requests of an objective, an alert or a stretch of time, and how many of them were bad."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from brownout.harness.experiment.model import Experiment, Good, Selector
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.selection import GoodRule, is_good, matcher

_INTENDED_S = attrgetter("intended_s")
IsGood = Callable[[RequestRecord], bool]


@dataclass(frozen=True, slots=True)
class Count:
    """How many requests, and how many of them were bad."""

    total: int
    bad: int

    @property
    def ratio(self) -> float | None:
        return self.bad / self.total if self.total else None


def select(requests: Iterable[RequestRecord], selector: Selector) -> tuple[RequestRecord, ...]:
    """The selector's requests, in the order given."""
    return tuple(filter(matcher(selector), requests))


def between(requests: Sequence[RequestRecord], start_s: float, end_s: float) -> Sequence[RequestRecord]:
    """Those intended in [start_s, end_s), of requests that are ordered by intended time."""
    first = bisect_left(requests, start_s, key=_INTENDED_S)
    return requests[first : bisect_left(requests, end_s, lo=first, key=_INTENDED_S)]


def good_by(good: Good) -> IsGood:
    """The test of one objective."""
    return partial(is_good, within_ms=good.within_ms)


def good_rule(experiment: Experiment) -> GoodRule:
    """The test for figures beside the objectives: good by each of them."""
    metrics = (slo.indicator.ratioMetric for slo in experiment.slos)
    return GoodRule.by((metric.total, metric.good.within_ms) for metric in metrics)


def count(requests: Iterable[RequestRecord], is_good: IsGood) -> Count:
    """How many there are and how many were bad."""
    verdicts = [is_good(request) for request in requests]
    return Count(len(verdicts), verdicts.count(False))

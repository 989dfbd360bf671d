"""Which requests an objective or an alert is about, and which of them were good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from brownout.harness.experiment.model import Good, Selector
from brownout.harness.record.history import RequestRecord

HAPPENED = Good()


@dataclass(frozen=True, slots=True)
class Count:
    """How many requests, and how many of them were bad."""

    total: int
    bad: int

    @property
    def ratio(self) -> float | None:
        return self.bad / self.total if self.total else None


def matcher(selector: Selector) -> Callable[[RequestRecord], bool]:
    """A test for requests of that selector, whose empty lists mean all."""
    cohorts, operations = frozenset(selector.cohorts), frozenset(selector.operations)
    regions, homes = frozenset(selector.regions), frozenset(selector.homes)

    def matches(request: RequestRecord) -> bool:
        return (
            (not cohorts or request.cohort in cohorts)
            and (not operations or request.operation in operations)
            and (not regions or request.region in regions)
            and (not homes or request.home in homes)
        )

    return matches


def select(requests: Iterable[RequestRecord], selector: Selector) -> tuple[RequestRecord, ...]:
    """The selector's requests, in the order given."""
    return tuple(filter(matcher(selector), requests))


def is_good(request: RequestRecord, good: Good = HAPPENED) -> bool:
    """Whether it happened, and within the limit when there is one. An unknown outcome is never good."""
    in_time = good.within_s is None or request.latency_ms <= good.within_s * 1000
    return request.outcome == good.outcome and in_time


def between(requests: Iterable[RequestRecord], start_s: float, end_s: float) -> tuple[RequestRecord, ...]:
    """Those intended in [start_s, end_s)."""
    return tuple(request for request in requests if start_s <= request.intended_s < end_s)


def count(requests: Iterable[RequestRecord], good: Good = HAPPENED) -> Count:
    """How many there are and how many were bad."""
    verdicts = [is_good(request, good) for request in requests]
    return Count(len(verdicts), verdicts.count(False))

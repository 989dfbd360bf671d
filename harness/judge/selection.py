"""The requests of an objective, an alert or a stretch of time, and how many of them were bad."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from brownout.harness.experiment.model import Good, Selector
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.selection import is_good, matcher

HAPPENED = Good()


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


def between(requests: Iterable[RequestRecord], start_s: float, end_s: float) -> tuple[RequestRecord, ...]:
    """Those intended in [start_s, end_s)."""
    return tuple(request for request in requests if start_s <= request.intended_s < end_s)


def count(requests: Iterable[RequestRecord], good: Good = HAPPENED) -> Count:
    """How many there are and how many were bad."""
    within_ms = good.within_ms
    verdicts = [is_good(request, within_ms) for request in requests]
    return Count(len(verdicts), verdicts.count(False))

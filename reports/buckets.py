"""Requests counted into equal slices of emulated time, per cohort: all that a chart needs, and never the raw log.

The slices are as fine as the load allows (about two dozen requests of a cohort each), so that a share per slice means
something; a slice without requests has no share, which is not the same as a bad one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from brownout.harness.record.history import RequestRecord
from brownout.harness.record.result import Result
from brownout.harness.record.selection import GoodRule

MOST_BUCKETS = 200
FEWEST_BUCKETS = 40
REQUESTS_A_BUCKET = 24
_WIDTHS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One cohort's requests intended in [start_s, start_s + width). Latencies are network milliseconds.

    `slow` of those that happened took longer than an objective about them allows.
    """

    start_s: float
    happened: int = 0
    refused: int = 0
    unknown: int = 0
    slow: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def total(self) -> int:
        return self.happened + self.refused + self.unknown

    @property
    def good(self) -> float | None:
        """The share that was good by every objective; None without requests."""
        return (self.happened - self.slow) / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class CohortSeries:
    name: str
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class RequestSlices:
    """A run's slices: every series has one bucket per start in `starts_s`, cohorts in the order they first appear."""

    start_s: float
    end_s: float
    width_s: float
    starts_s: tuple[float, ...]
    cohorts: tuple[CohortSeries, ...]


def timeline(result: Result, requests: Sequence[RequestRecord]) -> RequestSlices | None:
    """The run's slices from its first to its last moment; None when no request was recorded."""
    if not requests:
        return None
    start_s = min((requests[0].intended_s, *(p.start_s for p in result.phases)))
    end_s = max((requests[-1].intended_s, *(p.end_s for p in result.phases if result.finished)))
    by_cohort: dict[str, list[RequestRecord]] = defaultdict(list)
    for record in requests:
        by_cohort[record.cohort].append(record)
    width_s = bucket_width_s(end_s - start_s, len(requests) / len(by_cohort))
    first_s = math.floor(start_s / width_s) * width_s
    is_good = GoodRule(result.slos)
    starts = tuple(first_s + i * width_s for i in range(max(1, math.ceil((end_s - first_s) / width_s))))
    series = tuple(CohortSeries(name, _fill(records, starts, width_s, is_good)) for name, records in sorted(by_cohort.items()))
    return RequestSlices(first_s, starts[-1] + width_s, width_s, starts, series)


def bucket_width_s(span_s: float, requests_per_cohort: float) -> float:
    """The narrowest round width that keeps within the number of slices that the load can fill."""
    wanted = min(MOST_BUCKETS, max(FEWEST_BUCKETS, requests_per_cohort / REQUESTS_A_BUCKET))
    return next((width for width in _WIDTHS_S if span_s / width <= wanted), math.ceil(span_s / wanted / 86400) * 86400.0)


def _fill(records: Sequence[RequestRecord], starts: Sequence[float], width_s: float, is_good: GoodRule) -> tuple[Bucket, ...]:
    slots: dict[int, list[RequestRecord]] = defaultdict(list)
    for record in records:
        slots[min(len(starts) - 1, max(0, int((record.intended_s - starts[0]) / width_s)))].append(record)
    return tuple(_bucket(start_s, slots.get(index, ()), is_good) for index, start_s in enumerate(starts))


def _bucket(start_s: float, records: Sequence[RequestRecord], is_good: GoodRule) -> Bucket:
    if not records:
        return Bucket(start_s)
    outcomes = [record.outcome for record in records]
    latencies = sorted(record.latency_ms for record in records)
    return Bucket(
        start_s,
        outcomes.count("happened"),
        outcomes.count("refused"),
        outcomes.count("unknown"),
        outcomes.count("happened") - sum(map(is_good, records)),
        quantile(latencies, 0.5),
        quantile(latencies, 0.99),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the (sorted, not empty) values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

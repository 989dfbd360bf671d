"""Counts per second of a load: exact, small and additive, so that one process can add up the counts of all workers.

A second is one of real time, numbered from the plan's start; an arrival counts in the second in which it was intended, however
late it ends. Latencies are kept in logarithmic buckets five per cent wide, from which percentiles are read, and by the
bounds of `load/latency_bounds.py`, which hold exactly.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.latency_bounds import bounds_ms
from brownout.harness.load.models.model import Arrival
from brownout.harness.load.watched_objectives import WatchedObjective
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.selection import GoodRule, Lateness, is_good, matcher

_GROWTH = math.log(1.05)
_LEAST_MS = 0.1


def bucket_of(latency_ms: float) -> int:
    """The bucket of a latency."""
    return math.ceil(math.log(max(latency_ms, _LEAST_MS)) / _GROWTH)


def percentile_ms(buckets: Mapping[int, int], share: float) -> float | None:
    """The latency that `share` of the counted requests do not exceed, to within three per cent; None without requests."""
    left = math.ceil(share * sum(buckets.values()))
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        if left <= 0:
            return math.exp((bucket - 0.5) * _GROWTH)
    return None


@dataclass(slots=True)
class CohortCounts:
    """Counts of one cohort: arrivals that fell due, how they ended, how many were good, and their latencies by bucket.

    `within` counts latencies by the number of the first bound that they do not exceed; `latency_ms` is their sum.
    """

    planned: int = 0
    happened: int = 0
    refused: int = 0
    unknown: int = 0
    good: int = 0
    latency: Counter[int] = field(default_factory=Counter)
    within: Counter[int] = field(default_factory=Counter)
    latency_ms: float = 0.0

    @property
    def ended(self) -> int:
        return self.happened + self.refused + self.unknown

    def add(self, other: CohortCounts) -> None:
        self.planned += other.planned
        self.happened += other.happened
        self.refused += other.refused
        self.unknown += other.unknown
        self.good += other.good
        self.latency.update(other.latency)
        self.within.update(other.within)
        self.latency_ms += other.latency_ms


@dataclass(slots=True)
class ObjectiveCounts:
    """Counts of the requests that an objective is about; `judged` are those sent within its windows.

    Of the latter, `doubtful` ones were late or unsent, and could have ended either way (`harness/judge/doubtful.py`).
    """

    total: int = 0
    bad: int = 0
    judged: int = 0
    judged_bad: int = 0
    doubtful: int = 0
    doubtful_bad: int = 0

    def add(self, other: ObjectiveCounts, sign: int = 1) -> None:
        """Adds the other's counts, or takes them away again with `sign` -1."""
        self.total += sign * other.total
        self.bad += sign * other.bad
        self.judged += sign * other.judged
        self.judged_bad += sign * other.judged_bad
        self.doubtful += sign * other.doubtful
        self.doubtful_bad += sign * other.doubtful_bad


@dataclass(slots=True)
class Counts:
    """What was counted in one second, or in several: by cohort's name and by objective's number."""

    cohorts: dict[str, CohortCounts] = field(default_factory=dict)
    objectives: dict[int, ObjectiveCounts] = field(default_factory=dict)

    def cohort(self, name: str) -> CohortCounts:
        return self.cohorts.setdefault(name, CohortCounts())

    def objective(self, number: int) -> ObjectiveCounts:
        return self.objectives.setdefault(number, ObjectiveCounts())

    @property
    def planned(self) -> int:
        return sum(cohort.planned for cohort in self.cohorts.values())

    @property
    def ended(self) -> int:
        return sum(cohort.ended for cohort in self.cohorts.values())

    def add(self, other: Counts) -> None:
        for name, cohort in other.cohorts.items():
            self.cohort(name).add(cohort)
        for number, objective in other.objectives.items():
            self.objective(number).add(objective)

    def to_wire(self) -> list[Any]:
        """As lists of names and numbers."""
        cohorts = [
            [
                *(name, one.planned, one.happened, one.refused, one.unknown, one.good),
                *(list(one.latency.items()), list(one.within.items()), one.latency_ms),
            ]
            for name, one in self.cohorts.items()
        ]
        return [cohorts, [[n, *astuple(one)] for n, one in self.objectives.items()]]

    @classmethod
    def from_wire(cls, raw: list[Any]) -> Counts:
        """What `to_wire` made; raises ValueError or TypeError."""
        cohorts = {
            str(name): CohortCounts(*(*counts, _counter(latency), _counter(within), float(latency_ms)))
            for name, *counts, latency, within, latency_ms in raw[0]
        }
        return cls(cohorts, {int(number): ObjectiveCounts(*map(int, counts)) for number, *counts in raw[1]})


def _counter(pairs: Iterable[tuple[int, int]]) -> Counter[int]:
    return Counter({int(at): int(number) for at, number in pairs})


class Seconds:
    """Numbers the seconds of a plan."""

    def __init__(self, plan: LoadPlan) -> None:
        self.start_s = plan.start_s
        self.rate = float(plan.clock.get("rate", 1.0))

    def of(self, at_s: float) -> int:
        """The second in which emulated time `at_s` lies."""
        return math.floor((at_s - self.start_s) / self.rate)

    def begin_s(self, second: int) -> float:
        """The emulated time at which a second begins."""
        return self.start_s + second * self.rate


class Tally:
    """One worker's counts since they were last taken."""

    def __init__(self, plan: LoadPlan) -> None:
        self._seconds = Seconds(plan)
        self._objectives = tuple(enumerate(plan.watch.objectives))
        self._is_good = GoodRule(plan.watch.objectives)
        self._bounds_ms = bounds_ms(plan.watch)
        self._lateness = Lateness.of(plan.watch.late_s, self._seconds.rate)
        self._concerned: dict[tuple[str, str, str, str], tuple[tuple[int, WatchedObjective], ...]] = {}
        self._new: dict[int, Counts] = {}

    def planned(self, arrival: Arrival) -> None:
        """Counts an arrival that fell due."""
        self._second(arrival.at_s).cohort(arrival.cohort).planned += 1

    def ended(self, arrival: Arrival, record: RequestRecord) -> None:
        """Counts the end of an arrival that `planned` has counted, in the second in which it was due."""
        counts = self._second(arrival.at_s)
        cohort = counts.cohort(record.cohort)
        if record.outcome == "happened":
            cohort.happened += 1
        elif record.outcome == "refused":
            cohort.refused += 1
        else:
            cohort.unknown += 1
        cohort.good += self._is_good(record)
        cohort.latency[bucket_of(record.latency_ms)] += 1
        cohort.within[bisect_left(self._bounds_ms, record.latency_ms)] += 1
        cohort.latency_ms += record.latency_ms
        for number, objective in self._concerning(record):
            bad, judged = not is_good(record, objective.within_ms), objective.covers(record.intended_s)
            unsure = judged and self._lateness.is_doubtful(record, good=not bad)
            counts.objective(number).add(ObjectiveCounts(1, bad, judged, bad and judged, unsure, unsure and bad))

    def take(self) -> Iterable[tuple[int, Counts]]:
        """What was counted since the last call, by second."""
        taken, self._new = self._new, {}
        return sorted(taken.items())

    def _second(self, at_s: float) -> Counts:
        second = self._seconds.of(at_s)
        found = self._new.get(second)
        if found is None:
            found = self._new[second] = Counts()
        return found

    def _concerning(self, record: RequestRecord) -> Iterable[tuple[int, WatchedObjective]]:
        key = (record.cohort, record.operation, record.region, record.home)
        if key not in self._concerned:
            self._concerned[key] = tuple(pair for pair in self._objectives if matcher(pair[1])(record))
        return self._concerned[key]


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's report: its number (one more than the last), the heartbeat, and the new counts by second.

    The worker has begun all its arrivals that are due before emulated time `reached_s`.
    """

    number: int
    reached_s: float
    beat: Mapping[str, Any]
    counts: tuple[tuple[int, Counts], ...]

    def to_wire(self) -> dict[str, Any]:
        rows = [[second, counts.to_wire()] for second, counts in self.counts]
        return {"number": self.number, "reached_s": self.reached_s, "beat": dict(self.beat), "counts": rows}

    @classmethod
    def from_wire(cls, raw: Mapping[str, Any]) -> Report:
        """What `to_wire` made; raises KeyError, ValueError or TypeError."""
        rows: Iterator[tuple[int, Counts]] = ((int(second), Counts.from_wire(counts)) for second, counts in raw["counts"])
        return cls(int(raw["number"]), float(raw["reached_s"]), raw["beat"], tuple(rows))

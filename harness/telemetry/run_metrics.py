"""A run's metrics, counted from its record: the very lines from which its verdict comes, so the two cannot disagree.

The request log is read when a client asks for the metrics, in that call's thread. A run is not slowed by metrics that are not
asked for; one that waits for a fault to bite tells its newest figures all the same.

Builds and keys are those that served the newest requests: every answer's trail names them, and no node is asked.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from brownout.harness.base.stats import budget
from brownout.harness.experiment.watch import watch_of
from brownout.harness.judge.run_folder import RunHeader, read_header
from brownout.harness.load.heartbeats import Beats
from brownout.harness.load.latency_bounds import bounds_ms
from brownout.harness.load.log_tail import LogTail
from brownout.harness.load.watched_objectives import Watch, WatchedObjective
from brownout.harness.record.history import Event, RequestRecord
from brownout.harness.record.result import Result
from brownout.harness.record.selection import GoodRule, is_good, matcher
from brownout.harness.telemetry.run_faults import RunFaults
from brownout.harness.telemetry.samples import (
    GeneratorSeries,
    KeySeries,
    MetricsSnapshot,
    NodeSeries,
    ObjectiveSeries,
    RequestSeries,
)
from brownout.identity.core import trail

RECENT_S = 10.0  # real seconds


@dataclass(slots=True)
class _Cohort:
    by_outcome: Counter[str] = field(default_factory=Counter)
    good: int = 0
    within: Counter[int] = field(default_factory=Counter)
    latency_ms: float = 0.0


class RunMetrics:
    """Observes a run (record/observer.py) and tells its figures; `snapshot` may be called in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults = RunFaults()
        self._phase = ""
        self._header: RunHeader | None = None
        self._counts: RequestCounts | None = None
        self._folder = Path()
        self._tail: LogTail | None = None
        self._beats: Beats | None = None

    def traceparent(self) -> str:
        return ""

    def begin(self, folder: Path) -> None:
        self._folder, header = folder, read_header(folder)
        with self._lock:
            self._header = header
            cohorts = ((cohort.name, cohort.region) for cohort in header.experiment.load.cohorts)
            self._counts = RequestCounts(watch_of(header.experiment), cohorts, header.clock_rate)
            self._tail, self._beats = LogTail(folder), Beats(folder)

    def event(self, event: Event) -> None:
        if (event.kind, event.what) == ("run", "moved"):  # before the first request
            self.begin(self._folder)
        with self._lock:
            self._faults.event(event)
            if event.kind == "phase":
                self._phase = event.what

    def end(self, result: Result | None) -> None:
        """The metrics stay as they are."""

    def snapshot(self) -> MetricsSnapshot:
        """The figures of now; without any before the run has begun."""
        with self._lock:
            if self._header is None or self._counts is None or self._tail is None or self._beats is None:
                return MetricsSnapshot()
            for record in self._tail.read():
                self._counts.add(record)
            return MetricsSnapshot(
                about=_about(self._header),
                started_s=datetime.fromisoformat(self._header.started_at).timestamp(),
                requests=self._counts.requests(),
                objectives=self._counts.objectives(),
                faults=self._faults.series(),
                phases={name: name == self._phase for name, _, _ in self._counts.watch.phases},
                nodes=self._counts.nodes(),
                keys=self._counts.keys_used(),
                generator=_generator(self._beats),
            )


class RequestCounts:
    """Counts request records as they come. `cohorts` are pairs of name and region; `rate`: emulated seconds per real second."""

    def __init__(self, watch: Watch, cohorts: Iterable[tuple[str, str]], rate: float) -> None:
        self.watch, self._recent_s = watch, RECENT_S * rate
        self._is_good = GoodRule(watch.objectives)
        self._bounds_ms = bounds_ms(watch)
        self._cohorts = {cohort: _Cohort() for cohort in cohorts}
        self._totals, self._bad = Counter[int](), Counter[int]()
        self._concerned: dict[tuple[str, str, str, str], tuple[tuple[int, WatchedObjective], ...]] = {}
        self._recent: deque[tuple[float, int, bool]] = deque()
        self._newest_s = float("-inf")
        self._builds: dict[str, tuple[float, str]] = {}
        self._keys: dict[str, tuple[float, KeySeries]] = {}

    def add(self, record: RequestRecord) -> None:
        """Counts a request that has ended."""
        counts = self._cohorts.setdefault((record.cohort, record.region), _Cohort())
        counts.by_outcome[record.outcome] += 1
        counts.good += self._is_good(record)
        counts.within[bisect_left(self._bounds_ms, record.latency_ms)] += 1
        counts.latency_ms += record.latency_ms
        for number, objective in self._concerning(record):
            bad = not is_good(record, objective.within_ms)
            self._totals[number] += 1
            self._bad[number] += bad
            self._recent.append((record.done_s, number, bad))
        self._forget(record.done_s)
        for hop in _hops(record.trail):
            self._meet(record.done_s, hop)

    def requests(self) -> tuple[RequestSeries, ...]:
        return tuple(
            RequestSeries(
                cohort=cohort,
                region=region,
                by_outcome=dict(one.by_outcome),
                good=one.good,
                bounds_ms=self._bounds_ms,
                within=tuple(one.within[number] for number in range(len(self._bounds_ms) + 1)),
                latency_ms=one.latency_ms,
            )
            for (cohort, region), one in sorted(self._cohorts.items())
        )

    def objectives(self) -> tuple[ObjectiveSeries, ...]:
        recent, bad = Counter[int](), Counter[int]()
        for _, number, was_bad in self._recent:
            recent[number] += 1
            bad[number] += was_bad
        return tuple(
            ObjectiveSeries(
                name=one.name,
                target=one.target,
                total=self._totals[number],
                bad=self._bad[number],
                burn_rate=bad[number] / recent[number] / budget(one.target) if recent[number] else None,
            )
            for number, one in enumerate(self.watch.objectives)
        )

    def nodes(self) -> tuple[NodeSeries, ...]:
        return tuple(NodeSeries(node, build) for node, (_, build) in sorted(self._builds.items()))

    def keys_used(self) -> tuple[KeySeries, ...]:
        """The key that each node used last, where it used one."""
        return tuple(key for _, (_, key) in sorted(self._keys.items()))

    def _meet(self, done_s: float, hop: trail.Hop) -> None:
        """Notes the build and key of a hop, unless a newer answer told them. Only what is a key has a kind."""
        if hop.build and done_s >= self._builds.get(hop.node, (done_s, ""))[0]:
            self._builds[hop.node] = (done_s, hop.build)
        if hop.key_kind and (hop.node not in self._keys or done_s >= self._keys[hop.node][0]):
            self._keys[hop.node] = (done_s, KeySeries(hop.node, "uses", hop.key_id, hop.key_kind))

    def _forget(self, now_s: float) -> None:
        """Drops what ended more than RECENT_S before the newest end."""
        self._newest_s = max(self._newest_s, now_s)
        while self._recent and self._recent[0][0] < self._newest_s - self._recent_s:
            self._recent.popleft()

    def _concerning(self, record: RequestRecord) -> tuple[tuple[int, WatchedObjective], ...]:
        key = (record.cohort, record.operation, record.region, record.home)  # all that a filter looks at
        if key not in self._concerned:
            objectives = enumerate(self.watch.objectives)
            self._concerned[key] = tuple((number, one) for number, one in objectives if matcher(one)(record))
        return self._concerned[key]


def _hops(text: str) -> tuple[trail.Hop, ...]:
    try:
        return trail.parse(text)
    except ValueError:  # the run's evaluation says so; a metric need not
        return ()


def _about(header: RunHeader) -> dict[str, str]:
    return {
        "experiment": header.experiment.name,
        "world": header.world,
        "posture": header.posture,
        "seed": str(header.seed),
    }


def _generator(beats: Beats) -> GeneratorSeries | None:
    latest = beats.latest()
    if not latest:
        return None
    return GeneratorSeries(
        due=sum(beat.planned for beat in latest),
        sent=sum(beat.issued for beat in latest),
        late=sum(beat.late for beat in latest),
        failed=sum(beat.faults for beat in latest),
        lag_p99_ms=max(beat.lag_p99_ms for beat in latest),
    )

"""The statistics of a running load, in the one process to which all workers report.

Laws. Counts are exact, and each arrival is counted once. A gap in the numbers of a worker's reports is reported as a problem,
and so is an arrival that was handed out and was counted by no worker, or by two. A second is *settled* when all its arrivals
have ended and every worker has reported past it, or when the deadline for both is over. Figures and charts show settled
seconds only: before that, requests that are slow to fail are missing, and the second would look too good.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from brownout.harness.base.stats import budget, exact_high, exact_low
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.counts import Counts, ObjectiveCounts, Report, Seconds, percentile_ms
from brownout.harness.load.heartbeat import Heartbeat
from brownout.identity.server.clock import Clock

KEEP_S = 1800
NOW_S = 10
SILENT_S = 3.0
SHOWN_S = (120, 600, KEEP_S)  # how much of the past a chart can show
WIDTHS_S = (1, 2, 10)  # how many seconds one point of it can have
MOST_POINTS = 300
_GRACE_S = 1.5

ObjectiveState = Literal["met", "breached", "undecided"]


@dataclass(slots=True)
class Worker:
    """One worker as it last reported: it has begun all its arrivals due before `reached_s`."""

    name: str
    beat: Heartbeat
    heard_s: float
    number: int
    reached_s: float

    @property
    def gone(self) -> bool:
        return self.beat.state == "stopped"


@dataclass(frozen=True, slots=True)
class Point:
    """One cohort in one stretch of time."""

    total: int
    good: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class ObjectiveStats:
    """One objective as it stands. `recent_*` count the last seconds; the rest is over where it is judged."""

    name: str
    description: str
    target: float
    recent_total: int
    recent_bad: int
    burn: float | None
    total: int
    bad: int
    low: float | None
    high: float | None
    state: ObjectiveState


class Board:
    """Adds up what the workers of one load report. `monotonic` is the clock of this process."""

    def __init__(self, plan: LoadPlan, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.plan, self._monotonic = plan, monotonic
        self.seconds = Seconds(plan)
        self._clock = Clock.from_record(plan.clock)
        self.workers: dict[str, Worker] = {}
        self.totals = Counts()
        self.settled: int | None = None  # the first second that is not settled
        self._first = 0  # the first second of all
        self.lost_reports = 0
        self._rows: dict[int, Counts] = {}
        self._handed_out: Counter[int] = Counter()
        self._checks = False
        self._checked_until = math.inf  # the second from which on nothing is compared any more
        self._missing: dict[int, int] = {}  # handed out less counted, of settled seconds
        self._old_left_out = self._old_overlaps = 0
        self._span: deque[tuple[int, dict[int, ObjectiveCounts]]] = deque()
        self._in_span: dict[int, ObjectiveCounts] = {}
        self._points: dict[tuple[int, int], Mapping[str, Point]] = {}

    # reports

    def absorb(self, worker: str, report: Report) -> None:
        """Adds a worker's report. A report that was added before is ignored."""
        beat = Heartbeat.parse(report.beat)
        known = self.workers.get(worker)
        last = known.number if known is not None else -1
        if report.number <= last:  # counts are additive, so a message that arrives twice must count once
            return
        self.lost_reports += report.number - last - 1
        self.workers[worker] = Worker(worker, beat, self._monotonic(), report.number, report.reached_s)
        for second, counts in report.counts:
            self._rows.setdefault(second, Counts()).add(counts)
            self.totals.add(counts)
            if self.settled is not None and second < self.settled:
                self._amend(second, counts)
            if self.settled is None or (not self._span and second < self.settled):
                self.settled = self._first = second

    def handed_out(self, times_s: Iterable[float]) -> None:
        """Counts arrivals that were granted to workers, by their intended times.

        From the first call on, workers' counts are compared with these, so every granted arrival must be passed here.
        """
        self._checks = True
        self._handed_out.update(map(self.seconds.of, times_s))

    def ends_now(self) -> None:
        """The load is being stopped: arrivals that were handed out and are not due yet will not be missed."""
        self._checked_until = self.seconds.of(self.now_s()) - 1

    def members(self) -> tuple[str, ...]:
        """The workers that have reported within SILENT_S and have not left, in the order of their first reports."""
        return tuple(each.name for each in self.workers.values() if not each.gone and self.silent_s(each) < SILENT_S)

    def silent_s(self, worker: Worker) -> float:
        """Real seconds since the worker's last report."""
        return self._monotonic() - worker.heard_s

    def now_s(self) -> float:
        """Emulated time now."""
        return self._clock.emulated_at(self._monotonic())

    def _amend(self, second: int, counts: Counts) -> None:
        """Adds counts of a second that is settled already, from a worker that was silent for a while."""
        if second in self._missing:
            self._missing[second] -= counts.planned
        if self._span and second >= self._span[0][0]:
            for number, objective in counts.objectives.items():
                self._in_span.setdefault(number, ObjectiveCounts()).add(objective)
        for width in WIDTHS_S:
            if (width, second // width) in self._points:
                self._points[width, second // width] = self._point(width, second // width)

    # time passes

    def tick(self, *, over: bool = False) -> None:
        """Settles the seconds that are complete or overdue. Call it about twice a second.

        Call it once more when the load is `over`: then every second up to now is settled.
        """
        if self.settled is None:
            return
        now = self.seconds.of(self.now_s())
        # A second is complete only if the slowest worker has reported past it: its count of arrivals is final then.
        reported = min((self._reported(self.workers[name]) for name in self.members()), default=now)
        overdue = math.inf if over else now - self.plan.deadline_ms / 1000 - _GRACE_S
        while self.settled < now:
            row = self._rows.setdefault(self.settled, Counts())
            whole = row.planned == row.ended
            if not (whole and reported >= self.settled + 1) and overdue <= self.settled:
                break
            self._settle(self.settled, row)
            self.settled += 1

    def _reported(self, worker: Worker) -> float:
        return (worker.reached_s - self.seconds.start_s) / self.seconds.rate

    def _settle(self, second: int, row: Counts) -> None:
        if self._checks and second < self._checked_until:
            # More handed out than counted: a share was lost. Fewer: two workers sent the same. Late reports still amend it
            # (`_amend`) until the second is KEEP_S old; only then is it final.
            self._missing[second] = self._handed_out.pop(second, 0) - row.planned
            old = self._missing.pop(second - KEEP_S, 0)
            self._old_left_out += max(0, old)
            self._old_overlaps += max(0, -old)
        self._span.append((second, row.objectives))
        for number, counts in row.objectives.items():
            self._in_span.setdefault(number, ObjectiveCounts()).add(counts)
        # The sliding window is a running sum: what leaves it is taken away again.
        while self._span and self._span[0][0] <= second - self.plan.watch.span_s:
            for number, counts in self._span.popleft()[1].items():
                self._in_span[number].add(counts, sign=-1)
        self._rows.pop(second - KEEP_S, None)
        for width in WIDTHS_S:
            if (second + 1) % width == 0:
                number = second // width
                self._points[width, number] = self._point(width, number)
                self._points.pop((width, number - KEEP_S // width), None)

    def _point(self, width: int, number: int) -> Mapping[str, Point]:
        merged = Counts()
        for second in range(number * width, (number + 1) * width):
            merged.add(self._rows.get(second, Counts()))
        return {
            name: Point(one.ended, one.good, percentile_ms(one.latency, 0.5), percentile_ms(one.latency, 0.99))
            for name, one in merged.cohorts.items()
        }

    # what is shown

    def width_s(self, shown_s: int) -> int:
        """How many real seconds a point has where `shown_s` are shown: the fewest that make it no more than MOST_POINTS."""
        filled_s = min(shown_s, (self.settled or 0) - self._first)
        return next((width for width in WIDTHS_S if filled_s <= MOST_POINTS * width), WIDTHS_S[-1])

    def points(self, shown_s: int) -> tuple[tuple[int, Mapping[str, Point]], ...]:
        """What each cohort met over the last `shown_s` real seconds: the second at which a stretch begins, and it."""
        if self.settled is None:
            return ()
        width = self.width_s(shown_s)
        last = self.settled // width
        numbers = range(last - shown_s // width, last)
        return tuple((n * width, self._points[width, n]) for n in numbers if (width, n) in self._points)

    def objectives(self) -> tuple[ObjectiveStats, ...]:
        """Each objective of the plan's watch as it stands."""
        return tuple(self._objective(number) for number in range(len(self.plan.watch.objectives)))

    def _objective(self, number: int) -> ObjectiveStats:
        watched, watch = self.plan.watch.objectives[number], self.plan.watch
        recent = ObjectiveCounts()
        for _, objectives in list(self._span)[-NOW_S:]:
            recent.add(objectives.get(number, ObjectiveCounts()))
        over = self.totals.objectives if watched.windows else self._in_span
        counts = over.get(number, ObjectiveCounts())
        total, bad = (counts.judged, counts.judged_bad) if watched.windows else (counts.total, counts.bad)
        # As in verdicts, the bounds hold for every possible end of the doubtful requests.
        low = exact_low(bad - counts.doubtful_bad, total, watch.confidence) if total else None
        high = exact_high(bad - counts.doubtful_bad + counts.doubtful, total, watch.confidence) if total else None
        return ObjectiveStats(
            name=watched.name,
            description=watched.description,
            target=watched.target,
            recent_total=recent.total,
            recent_bad=recent.bad,
            burn=recent.bad / recent.total / budget(watched.target) if recent.total else None,
            total=total,
            bad=bad,
            low=low,
            high=high,
            state=_state(low, high, budget(watched.target)),
        )

    def problems(self) -> tuple[str, ...]:
        """What makes the counts less than the whole plan, each a sentence."""
        left_out = self._old_left_out + sum(missing for missing in self._missing.values() if missing > 0)
        overlaps = self._old_overlaps - sum(missing for missing in self._missing.values() if missing < 0)
        found = []
        if left_out:
            found.append(f"{left_out:,} arrivals were the share of a worker that was lost, and were not sent")
        if overlaps:
            found.append(f"{overlaps:,} arrivals were counted by two workers")
        if self.lost_reports:
            found.append(f"{self.lost_reports:,} reports of workers never came: the dashboard's figures lack what was in them")
        return tuple(found)


def _state(low: float | None, high: float | None, allowed: float) -> ObjectiveState:
    if low is None or high is None:
        return "undecided"
    if high <= allowed:
        return "met"
    return "breached" if low > allowed else "undecided"

"""The load as its pages show it: one document, made from the board and the faults' document."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from brownout.harness.base.files import replace_whole
from brownout.harness.load.counts import CohortCounts, percentile_ms
from brownout.harness.load.dashboard_stats import Board, ObjectiveStats, Point
from brownout.harness.load.fault_spans import FaultSpan, FaultSpans

FILE_NAME = "board.json"
STALE_S = 15.0  # a run that waits for a fault to bite says nothing meanwhile


@dataclass(frozen=True, slots=True)
class Line:
    """One cohort: parallel lists over the view's `times_s`; None where nothing was asked."""

    name: str
    total: Sequence[int]
    good: Sequence[int]
    p50_ms: Sequence[float | None]
    p99_ms: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Total:
    """One cohort from the start of the load on."""

    name: str
    planned: int
    happened: int
    refused: int
    unknown: int
    p50_ms: float | None
    p99_ms: float | None

    @property
    def good_share(self) -> float | None:
        ended = self.happened + self.refused + self.unknown
        return self.happened / ended if ended else None


@dataclass(frozen=True, slots=True)
class Health:
    """The generator's own: gauges over all workers, and a line of text for each worker."""

    planned: int
    issued: int
    late: int
    faults: int
    lag_p99_ms: float
    workers: Sequence[str]


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the strip and the page draw. Times are emulated; `step_s` is the width of one point."""

    title: str
    rate: float
    now_s: float
    step_s: float
    times_s: Sequence[float]
    cohorts: Sequence[Line]
    totals: Sequence[Total]
    objectives: Sequence[ObjectiveStats]
    bands: Sequence[FaultSpan]
    faults_known: bool
    phases: Sequence[tuple[str, float, float]]
    span_s: float
    health: Health
    problems: Sequence[str]

    def to_json(self) -> bytes:
        return orjson.dumps(self, default=lambda part: part.model_dump())


_VIEW = TypeAdapter(View)


def write_view(folder: Path, shown: View) -> None:
    """Replaces the folder's `board.json` as a whole; raises OSError."""
    # not durable: it is written anew every half second, and the record of the load is elsewhere
    replace_whole(folder / FILE_NAME, shown.to_json(), durable=False)


def read_view(folder: Path) -> View | None:
    """The view that `write_view` wrote last; None when it is missing or cannot be read."""
    try:
        return _VIEW.validate_json((folder / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def view(board: Board, bands: FaultSpans | None, *, shown_s: int, problems: Sequence[str] = ()) -> View:
    """The last `shown_s` real seconds with all that belongs to them."""
    points = board.points(shown_s)
    begin = board.seconds.begin_s
    now_s = board.now_s()
    step_s = board.width_s(shown_s) * board.seconds.rate
    oldest_s = now_s - (shown_s + board.width_s(shown_s)) * board.seconds.rate
    seen = [band for band in (bands.bands if bands else ()) if band.until_s is None or band.until_s > oldest_s]
    return View(
        title=board.plan.watch.title,
        rate=board.seconds.rate,
        now_s=now_s,
        step_s=step_s,
        times_s=[begin(second) for second, _ in points],
        cohorts=[_line(cohort.name, [each for _, each in points]) for cohort in board.plan.cohorts],
        totals=[_total(cohort.name, board) for cohort in board.plan.cohorts],
        objectives=board.objectives(),
        bands=seen,
        faults_known=bands is not None and time.time() - bands.told_at_s < STALE_S,
        phases=board.plan.watch.phases,
        span_s=board.plan.watch.span_s,
        health=health(board),
        problems=[*problems, *board.problems()],
    )


def health(board: Board) -> Health:
    """The generator's own health, over all workers that ever reported."""
    beats = [worker.beat for worker in board.workers.values()]
    return Health(
        planned=sum(beat.planned for beat in beats),
        issued=sum(beat.issued for beat in beats),
        late=sum(beat.late for beat in beats),
        faults=sum(beat.faults for beat in beats),
        lag_p99_ms=max((beat.lag_p99_ms for beat in beats), default=0.0),
        workers=[
            f"worker {worker.beat.worker}: {worker.beat.state}, heard {board.silent_s(worker):.0f} s ago"
            for worker in board.workers.values()
        ],
    )


def _line(name: str, points: Sequence[Mapping[str, Point]]) -> Line:
    mine = [point.get(name) for point in points]
    return Line(
        name=name,
        total=[0 if point is None else point.total for point in mine],
        good=[0 if point is None else point.good for point in mine],
        p50_ms=[None if point is None else _rounded(point.p50_ms) for point in mine],
        p99_ms=[None if point is None else _rounded(point.p99_ms) for point in mine],
    )


def _total(name: str, board: Board) -> Total:
    counts = board.totals.cohorts.get(name, CohortCounts())
    return Total(
        name=name,
        planned=counts.planned,
        happened=counts.happened,
        refused=counts.refused,
        unknown=counts.unknown,
        p50_ms=_rounded(percentile_ms(counts.latency, 0.5)),
        p99_ms=_rounded(percentile_ms(counts.latency, 0.99)),
    )


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 2)

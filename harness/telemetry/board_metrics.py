"""A load's metrics, from the sums that its one collecting process has of all workers' reports (load/dashboard_stats.py)."""

from __future__ import annotations

from brownout.harness.load.counts import CohortCounts, ObjectiveCounts
from brownout.harness.load.dashboard_stats import Board
from brownout.harness.load.dashboard_view import health
from brownout.harness.load.fault_spans import FaultSpan, FaultSpans
from brownout.harness.load.latency_bounds import bounds_ms
from brownout.harness.telemetry.samples import (
    FaultSeries,
    GeneratorSeries,
    MetricsSnapshot,
    ObjectiveSeries,
    RequestSeries,
    merged,
    target_of,
)


def board_snapshot(board: Board, spans: FaultSpans | None, *, started_s: float) -> MetricsSnapshot:
    """What the board has counted up to the last reports; `spans` are the faults in time, None where they are not known."""
    own = health(board)
    now_s = board.now_s()
    return MetricsSnapshot(
        about={"experiment": board.plan.watch.title, "seed": str(board.plan.seed)},
        started_s=started_s,
        requests=_requests(board),
        objectives=_objectives(board),
        faults=merged(map(_fault, spans.bands if spans is not None else ())),
        phases={name: from_s <= now_s < until_s for name, from_s, until_s in board.plan.watch.phases},
        generator=GeneratorSeries(own.planned, own.issued, own.late, own.faults, own.lag_p99_ms),
    )


def _requests(board: Board) -> tuple[RequestSeries, ...]:
    bounds = bounds_ms(board.plan.watch)

    def series(cohort: str, region: str, counts: CohortCounts) -> RequestSeries:
        return RequestSeries(
            cohort=cohort,
            region=region,
            by_outcome={"happened": counts.happened, "refused": counts.refused, "unknown": counts.unknown},
            good=counts.good,
            bounds_ms=bounds,
            within=tuple(counts.within[number] for number in range(len(bounds) + 1)),
            latency_ms=counts.latency_ms,
        )

    counted = board.totals.cohorts
    return tuple(series(one.name, one.region, counted.get(one.name, CohortCounts())) for one in board.plan.cohorts)


def _objectives(board: Board) -> tuple[ObjectiveSeries, ...]:
    counted = board.totals.objectives

    def series(number: int, name: str, target: float, burn: float | None) -> ObjectiveSeries:
        counts = counted.get(number, ObjectiveCounts())
        return ObjectiveSeries(name, target, counts.total, counts.bad, burn)

    return tuple(series(number, one.name, one.target, one.burn) for number, one in enumerate(board.objectives()))


def _fault(span: FaultSpan) -> FaultSeries:
    return FaultSeries(
        fault=span.kind,
        step=span.name,
        target=target_of(span.target.split(", ")),
        role=span.role,
        active=span.until_s is None,
        bitten=span.state == "bitten",
    )

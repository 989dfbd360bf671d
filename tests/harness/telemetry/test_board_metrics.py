"""A load's metrics are the sums of all workers' reports, each arrival once."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import msgpack
import pytest

from brownout.harness.load.arrivals import Cohort, LoadPlan, arrivals
from brownout.harness.load.counts import Report, Tally
from brownout.harness.load.dashboard_stats import Board
from brownout.harness.load.fault_spans import FaultSpan, FaultSpans
from brownout.harness.load.heartbeat import Heartbeat
from brownout.harness.load.models.model import ArrivalResult
from brownout.harness.load.playing import to_record
from brownout.harness.load.watched_objectives import Watch, WatchedObjective
from brownout.harness.record.history import RequestRecord
from brownout.harness.telemetry.board_metrics import board_snapshot

PLAN = LoadPlan(
    seed=3,
    start_s=1000.0,
    end_s=1030.0,
    cohorts=(
        Cohort(name="warm", model="token", region="sydney", rate_per_s=20, machines=("vm1",)),
        Cohort(name="idle", model="token", region="melbourne", rate_per_s=0.0001, machines=("vm2",)),
    ),
    clock={"epoch_s": 1000.0, "monotonic_s": 0.0, "rate": 1.0},
    watch=Watch(
        title="a load",
        objectives=(WatchedObjective(name="quick", target=0.9, cohorts=("warm",), within_ms=80.0),),
        phases=(("baseline", 1000.0, 1010.0), ("fault", 1010.0, 1030.0)),
    ),
)


def played() -> tuple[Board, list[RequestRecord]]:
    """A board with the reports of two workers, one of which came twice, and the records that they logged."""
    board, records = Board(PLAN, monotonic=lambda: 20.0), []
    mine = [arrival for arrival in arrivals(PLAN) if arrival.cohort == "warm"]
    for worker in range(2):
        tally = Tally(PLAN)
        for arrival in mine[worker::2]:
            tally.planned(arrival)
            refused = arrival.number % 5 == 0
            answer = ArrivalResult(503, "refused") if refused else ArrivalResult(200, "happened")
            latency_ms = float(arrival.number % 100)
            record = to_record(arrival, answer, sent_s=arrival.at_s, done_s=arrival.at_s, latency_ms=latency_ms)
            tally.ended(arrival, record)
            records.append(record)
        count = len(mine[worker::2])
        beat = Heartbeat(worker, 1030.0, 0.0, "running", count, count - 1, count, 1, 0, 4.0 + worker, 0.1)
        report = Report(0, 1030.0, asdict(beat), tuple(tally.take())).to_wire()
        for _ in range(2):
            board.absorb(f"w{worker}", Report.from_wire(msgpack.unpackb(msgpack.packb(report), strict_map_key=False)))
    return board, records


def test_two_workers_sums_are_those_of_their_logs() -> None:
    """Outcomes, good ones, every bucket and the sum; a report that came twice counts once."""
    board, records = played()
    warm, idle = board_snapshot(board, None, started_s=1.0).requests
    assert (warm.cohort, warm.region) == ("warm", "sydney")
    assert {name: count for name, count in warm.by_outcome.items() if count} == Counter(one.outcome for one in records)
    assert warm.good == sum(one.outcome == "happened" and one.latency_ms <= 80 for one in records)
    for number, bound_ms in enumerate(warm.bounds_ms):
        assert sum(warm.within[: number + 1]) == sum(one.latency_ms <= bound_ms for one in records), bound_ms
    assert warm.latency_ms == pytest.approx(sum(one.latency_ms for one in records))
    assert (idle.region, sum(idle.within)) == ("melbourne", 0), "a cohort is there before its first request"


def test_objectives_and_the_generator_are_told() -> None:
    """The worst worker's lag, and the sums of what was due and sent."""
    board, records = played()
    snapshot = board_snapshot(board, None, started_s=1.0)
    (objective,), generator = snapshot.objectives, snapshot.generator
    assert objective.total == len(records)
    assert objective.bad == len(records) - snapshot.requests[0].good
    assert generator is not None
    assert (generator.due, generator.sent, generator.late) == (len(records), len(records) - 2, 2)
    assert generator.lag_p99_ms == 5.0
    assert snapshot.phases == {"baseline": False, "fault": True}


def test_faults_are_those_of_the_document() -> None:
    """Where there is none, no fault is claimed to be in place or over."""
    board, _ = played()
    span = FaultSpan(id="1", name="cut", kind="link-refuse", target="a->b", state="bitten", from_s=1005.0)
    over = span.model_copy(update={"id": "2", "name": "old", "state": "healed", "until_s": 1006.0})
    faults = board_snapshot(
        board, FaultSpans(told_at_s=1.0, bands=(span, over), schema="brownout/bands/v1"), started_s=1.0
    ).faults
    assert [(one.step, one.active, one.bitten) for one in faults] == [("cut", True, True), ("old", False, False)]
    assert board_snapshot(board, None, started_s=1.0).faults == ()

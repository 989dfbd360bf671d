"""Counting: workers' reports add up to what happened, and missing counts are reported."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import msgpack
import pytest

from brownout.harness.base.stats import exact_high, exact_low
from brownout.harness.load.arrivals import Cohort, LoadPlan, arrivals
from brownout.harness.load.counts import Report, Tally, bucket_of, percentile_ms
from brownout.harness.load.dashboard_stats import Board
from brownout.harness.load.dashboard_view import read_view, view, write_view
from brownout.harness.load.fault_spans import FaultSpan, FaultSpans
from brownout.harness.load.heartbeat import Heartbeat
from brownout.harness.load.models.model import Arrival, ArrivalResult
from brownout.harness.load.playing import to_record
from brownout.harness.load.watched_objectives import Watch, WatchedObjective
from brownout.harness.record.history import RequestOutcome

RATE = 2.0
TARGET = 0.9
OBJECTIVES = (
    WatchedObjective(name="of-late", target=TARGET, cohorts=("callers",), within_ms=100.0),
    WatchedObjective(name="in-the-fault", target=TARGET, windows=((1020.0, 1040.0),)),
    WatchedObjective(name="elsewhere", target=TARGET, regions=("melbourne",)),
)


def make_plan() -> LoadPlan:
    """Twenty arrivals in each real second, in emulated time from 1000 on."""
    return LoadPlan(
        seed=1,
        start_s=1000.0,
        end_s=1000.0 + 100 * RATE,
        cohorts=(Cohort(name="callers", model="token", region="sydney", rate_per_s=20 / RATE, machines=("vm1",)),),
        deadline_ms=1000,
        clock={"epoch_s": 1000.0, "monotonic_s": 0.0, "rate": RATE},
        watch=Watch(objectives=OBJECTIVES, span_s=10.0),
    )


def make_board(plan: LoadPlan, *, real_s: float = 60.0) -> Board:
    """A board, so many real seconds after the plan's beginning."""
    return Board(plan, monotonic=lambda: real_s)


class Worker:
    """Reports its counts to a board, encoded as on the wire."""

    def __init__(self, plan: LoadPlan, name: str) -> None:
        self.tally, self.name, self.number, self.planned = Tally(plan), name, 0, 0

    def did(
        self, arrival: Arrival, outcome: RequestOutcome = "happened", latency_ms: float = 5.0, *, late_s: float = 0.0
    ) -> None:
        self.begins(arrival)
        self.ends(arrival, outcome, latency_ms, late_s=late_s)

    def begins(self, arrival: Arrival) -> None:
        self.planned += 1
        self.tally.planned(arrival)

    def ends(
        self, arrival: Arrival, outcome: RequestOutcome = "happened", latency_ms: float = 5.0, *, late_s: float = 0.0
    ) -> None:
        answer, sent_s = ArrivalResult(200, outcome), arrival.at_s + late_s
        record = to_record(arrival, answer, sent_s=sent_s, done_s=sent_s, latency_ms=latency_ms)
        self.tally.ended(arrival, record)

    def report(self, board: Board, reached_s: float) -> None:
        beat = Heartbeat(0, reached_s, 0.0, "running", self.planned, self.planned, self.planned, 0, 0, 1.5, 0.1)
        wire = msgpack.packb(Report(self.number, reached_s, asdict(beat), tuple(self.tally.take())).to_wire())
        board.absorb(self.name, Report.from_wire(msgpack.unpackb(wire, strict_map_key=False)))
        self.number += 1


def until(plan: LoadPlan, at_s: float) -> Iterable[Arrival]:
    return [arrival for arrival in arrivals(plan) if arrival.at_s < at_s]


def outcome_of(arrival: Arrival) -> RequestOutcome:
    """Everything in [1020, 1030) is refused."""
    return "refused" if 1020.0 <= arrival.at_s < 1030.0 else "happened"


@pytest.fixture
def board() -> Board:
    """Fifty seconds of which everything in [1020, 1030) was refused, reported by two workers with half of the arrivals each."""
    plan = make_plan()
    made, workers = make_board(plan, real_s=50.1), [Worker(plan, name) for name in "ab"]
    made.handed_out(arrival.at_s for arrival in until(plan, 1100.0))
    for half in range(100):
        for arrival in until(plan, 1000.0 + half + 1):
            if arrival.at_s >= 1000.0 + half:
                workers[arrival.number % 2].did(arrival, outcome_of(arrival))
        for worker in workers:
            worker.report(made, 1000.0 + half + 1)
    made.tick()
    return made


def test_points_are_exact_in_every_second(board: Board) -> None:
    """Each second of the chart has the requests that were intended in it, and the good ones among them."""
    plan = board.plan
    points = board.points(120)
    assert len(points) == 50
    for second, found in points:
        begin_s = 1000.0 + second * RATE
        meant = [arrival for arrival in until(plan, 1100.0) if begin_s <= arrival.at_s < begin_s + RATE]
        assert found["callers"].total == len(meant)
        assert found["callers"].good == sum(outcome_of(arrival) == "happened" for arrival in meant)
    assert board.problems() == ()


def test_wider_points_are_sums_of_narrow_ones(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more time is shown, nothing is lost between the points."""
    narrow = [found["callers"] for _, found in board.points(120)]
    monkeypatch.setattr("brownout.harness.load.dashboard_stats.MOST_POINTS", 5)
    assert board.width_s(120) == 10
    wide = [found["callers"] for _, found in board.points(120)]
    assert len(wide) == 5
    assert sum(point.total for point in wide) == sum(point.total for point in narrow)
    assert sum(point.good for point in wide) == sum(point.good for point in narrow)
    assert wide[0].total == sum(point.total for point in narrow[:10])


def test_objectives_stand_as_their_bounds_say(board: Board) -> None:
    """One that looks back is met once the fault is out of sight, one with windows keeps what it saw, one without requests
    is undecided."""
    late, windowed, elsewhere = board.objectives()
    meant = [arrival for arrival in until(board.plan, 1100.0) if 1020.0 <= arrival.at_s < 1040.0]
    bad = sum(outcome_of(arrival) == "refused" for arrival in meant)
    assert (late.state, late.bad, late.recent_bad) == ("met", 0, 0)
    assert (windowed.state, windowed.total, windowed.bad) == ("breached", len(meant), bad)
    assert windowed.low == exact_low(bad, len(meant), 0.95)
    assert windowed.high == exact_high(bad, len(meant), 0.95)
    assert windowed.recent_bad == 0
    assert (elsewhere.state, elsewhere.total, elsewhere.burn) == ("undecided", 0, None)


@pytest.mark.parametrize(("late_s", "state"), [(0.0, "breached"), (0.09, "breached"), (0.11, "undecided")])
def test_what_the_generator_sent_late_breaches_nothing(late_s: float, state: str) -> None:
    """Requests that left more than 50 ms of real time late count either way, as in a verdict; the clock's rate is 2."""
    plan = make_plan()
    made, worker = make_board(plan, real_s=50.1), Worker(plan, "a")
    for arrival in until(plan, 1040.0):
        worker.did(arrival, outcome_of(arrival), late_s=late_s)
    worker.report(made, 1040.0)
    made.tick()
    _, windowed, _ = made.objectives()
    assert windowed.bad > 0
    assert windowed.state == state


def test_burn_and_recent_share_follow_the_fault() -> None:
    """While everything fails the budget burns at its inverse, and what is too slow counts as bad."""
    plan = make_plan()
    made, worker = make_board(plan, real_s=30.1), Worker(plan, "a")
    for arrival in until(plan, 1060.0):
        worker.did(arrival, latency_ms=5.0 if arrival.at_s < 1020.0 else 150.0)
    worker.report(made, 1060.0)
    made.tick()
    late = made.objectives()[0]
    assert late.recent_bad == late.recent_total > 150
    assert late.burn == pytest.approx(1 / (1 - TARGET))
    assert late.state == "breached"


def test_a_second_is_shown_when_all_its_requests_have_ended() -> None:
    """What has not ended yet holds its second back, until it is too late for an end."""
    plan = make_plan()
    made, worker = make_board(plan, real_s=10.0), Worker(plan, "a")
    meant = list(until(plan, 1020.0))
    pending = next(arrival for arrival in meant if arrival.at_s >= 1000.0 + 8 * RATE)
    for arrival in meant:
        worker.begins(arrival)
        if arrival is not pending:
            worker.ends(arrival)
    worker.report(made, 1020.0)
    made.tick()
    assert made.settled == 8
    worker.ends(pending, "unknown", 1000.0)
    worker.report(made, 1020.0)
    made.tick()
    assert made.settled == 10
    assert made.points(120)[8][1]["callers"].good == made.points(120)[8][1]["callers"].total - 1


def test_what_nobody_counted_is_told_and_taken_back_when_it_comes_late() -> None:
    """Arrivals of a silent worker are reported as left out, and no longer once its late report counts them."""
    plan = make_plan()
    made, workers = make_board(plan), [Worker(plan, name) for name in "ab"]
    meant = list(until(plan, 1080.0))
    made.handed_out(arrival.at_s for arrival in meant)
    for arrival in meant:
        workers[arrival.number % 2].did(arrival)
    workers[0].report(made, 1080.0)
    made.tick()
    half = sum(arrival.number % 2 for arrival in meant)
    assert made.problems() == (f"{half:,} arrivals were the share of a worker that was lost, and were not sent",)
    before = made.points(120)
    workers[1].report(made, 1080.0)
    assert made.problems() == ()
    after = made.points(120)
    assert [second for second, _ in before] == [second for second, _ in after]
    assert sum(found["callers"].total for _, found in after if found) == len(meant)
    assert sum(found["callers"].total for _, found in before if found) == len(meant) - half


def test_what_two_counted_and_what_never_came_is_told() -> None:
    """An arrival that was sent twice and a report that is missing from its row are problems."""
    plan = make_plan()
    made, workers = make_board(plan), [Worker(plan, name) for name in "ab"]
    meant = list(until(plan, 1040.0))
    made.handed_out(arrival.at_s for arrival in meant)
    for arrival in meant:
        workers[0].did(arrival)
    workers[1].did(meant[0])
    workers[0].report(made, 1060.0)
    workers[1].number += 2
    workers[1].report(made, 1060.0)
    made.tick()
    assert made.problems() == (
        "1 arrivals were counted by two workers",
        "2 reports of workers never came: the dashboard's figures lack what was in them",
    )


def test_a_report_that_comes_twice_counts_once() -> None:
    """Numbers are taken as they come, and no number twice."""
    plan = make_plan()
    made, worker = make_board(plan), Worker(plan, "a")
    worker.did(next(arrivals(plan)))
    worker.report(made, 1002.0)
    worker.number -= 1
    worker.did(next(arrivals(plan)))
    worker.report(made, 1002.0)
    assert made.totals.cohorts["callers"].ended == 1


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_percentiles_are_within_three_per_cent(share: float) -> None:
    """Buckets cost no more than that, from a tenth of a millisecond to minutes."""
    values = [0.1 * 1.01**step for step in range(1200)]
    buckets: dict[int, int] = {}
    for value in values:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    found = percentile_ms(buckets, share)
    assert found == pytest.approx(values[int(share * len(values)) - 1], rel=0.03)
    assert percentile_ms({}, share) is None


def test_the_view_survives_its_file(board: Board, tmp_path: Path) -> None:
    """What the pages show is what another process reads, faults and all; old bands are left out and old news is no news."""
    folder = tmp_path
    now_s = board.now_s()
    bands = FaultSpans(
        schema="brownout/bands/v1",
        told_at_s=time.time(),
        bands=(
            FaultSpan(id="s-1", name="cut", kind="link-refuse", target="l", state="bitten", from_s=now_s - 10),
            FaultSpan(id="s-0", name="old", kind="link-refuse", target="l", state="healed", from_s=1.0, until_s=2.0),
        ),
    )
    shown = view(board, bands, shown_s=120)
    write_view(folder, shown)
    read = read_view(folder)
    assert read is not None
    assert [band.name for band in read.bands] == ["cut"]
    assert read.totals == list(shown.totals)
    assert read.cohorts[0].total == shown.cohorts[0].total
    assert read.faults_known
    assert not view(board, bands.model_copy(update={"told_at_s": time.time() - 60}), shown_s=600).faults_known
    assert not view(board, None, shown_s=600).faults_known
    assert read_view(folder / "nowhere") is None


def test_a_worker_counts_for_as_long_as_it_is_heard_of() -> None:
    """A worker is no member after three silent seconds or after it stopped, and is one again once it reports."""
    clock = [60.0]
    plan = make_plan()
    made, workers = Board(plan, monotonic=lambda: clock[0]), [Worker(plan, name) for name in "ab"]
    for worker in workers:
        worker.report(made, 1000.0)
    assert made.members() == ("a", "b")
    clock[0] += 2.0
    workers[1].report(made, 1002.0)
    clock[0] += 1.5
    assert made.members() == ("b",)
    workers[0].report(made, 1004.0)
    assert made.members() == ("a", "b")

"""A run's metrics agree with its record at every moment, and never fall."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from brownout.harness.api import Options, carry_out, prepare
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.watch import watch_of
from brownout.harness.judge.run_folder import read_record, write_header
from brownout.harness.record.history import Event, History, RequestRecord, to_line
from brownout.harness.telemetry.run_metrics import RequestCounts, RunMetrics
from brownout.harness.telemetry.samples import MetricsSnapshot
from support.small_day import small_day


def experiment() -> Experiment:
    """A morning in which the token nodes' keys are rolled over, so that requests fail."""
    roll = {
        "name": "roll",
        "at": "01:00",
        "until": "02:00",
        "role": "fault",
        "fault": "key-rollover",
        "with": {"region": "sydney"},
    }
    within = {
        "name": "quick",
        "indicator": {"ratioMetric": {"total": {"cohorts": ["warm"]}, "good": {"within": "7ms"}}},
        "objectives": [{"target": 0.99}],
    }
    return small_day(
        {"name": "warm", "rate_per_s": 0.15, "machines": ["web"]}, schedule=[roll], slos=[within], gates={"steady_state": False}
    )


class Ended:
    """A run that is over: its folder, history, and the metrics that listened to it."""

    def __init__(self, out: Path) -> None:
        self.metrics = RunMetrics()
        outcome = carry_out(prepare(experiment(), Options(out=out)), observers=[self.metrics])
        self.folder, self.result = outcome.folder, outcome.result
        self.history: History = read_record(self.folder).history


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return Ended(tmp_path_factory.mktemp("runs"))


def test_all_requests_of_the_record_are_counted_once(ended: Ended) -> None:
    """By cohort, region and outcome, however often the metrics are asked for."""
    for _ in range(2):
        (series,) = ended.metrics.snapshot().requests
        assert (series.cohort, series.region) == ("warm", "sydney")
        assert series.by_outcome == Counter(one.outcome for one in ended.history.requests)
        assert sum(series.within) == len(ended.history.requests) > 1000
        assert series.latency_ms == pytest.approx(sum(one.latency_ms for one in ended.history.requests))


def test_objectives_agree_with_the_record(ended: Ended) -> None:
    """Their limit is a bound of the histogram, so the share within it can be read there exactly."""
    snapshot = ended.metrics.snapshot()
    (objective,), (series,) = snapshot.objectives, snapshot.requests
    good = sum(one.outcome == "happened" and one.latency_ms <= 7 for one in ended.history.requests)
    assert (objective.total, objective.bad) == (len(ended.history.requests), len(ended.history.requests) - good)
    assert series.good == good
    quick = series.bounds_ms.index(7.0)
    assert sum(series.within[: quick + 1]) == sum(one.latency_ms <= 7 for one in ended.history.requests)


def test_the_fault_is_over_and_was_proven(ended: Ended) -> None:
    """As the result says of its step."""
    (step,) = ended.result.steps
    (fault,) = ended.metrics.snapshot().faults
    assert (fault.step, fault.fault, fault.target) == ("roll", "key-rollover", "sydney.store")
    assert (fault.active, fault.bitten) == (False, step.bitten_s is not None)
    assert fault.bitten


def test_builds_and_keys_are_those_that_served(ended: Ended) -> None:
    """What trails name by a kind of key is a key, and nothing else is."""
    snapshot = ended.metrics.snapshot()
    assert {node.build for node in snapshot.nodes if node.node.startswith("sydney.token")} == {"1.0"}
    assert {key.key_id.rpartition("-")[0] for key in snapshot.keys} <= {"manual-sydney", "managed-sydney"}
    assert snapshot.keys


def test_the_run_is_named(ended: Ended) -> None:
    """Its seed and world too, and only the last phase is the present one."""
    snapshot = ended.metrics.snapshot()
    assert {"experiment": "small", "world": "simulation", "seed": "1"}.items() <= snapshot.about.items()
    assert [name for name, present in snapshot.phases.items() if present] == ["recovery"]


def test_a_run_in_progress_is_counted_as_far_as_it_is_logged(ended: Ended, tmp_path: Path) -> None:
    """A torn line waits for its end, and each scrape adds what has come since: nothing falls and nothing counts twice."""
    (tmp_path / "run.json").write_bytes((ended.folder / "run.json").read_bytes())
    metrics = RunMetrics()
    assert metrics.snapshot() == MetricsSnapshot(), "nothing is told of a run that has not begun"
    metrics.begin(tmp_path)
    (before,) = metrics.snapshot().requests
    assert (before.cohort, sum(before.within)) == ("warm", 0), "the series is there before its first request"
    lines = [to_line(one) for one in ended.history.requests[:100]]
    log = tmp_path / "requests-0.jsonl"
    counted = []
    for upto, torn in ((10, ""), (10, lines[10][:20]), (50, ""), (100, "")):
        log.write_text("".join(lines[:upto]) + torn)
        counted.append(sum(metrics.snapshot().requests[0].within))
    assert counted == [10, 10, 50, 100]


def test_phases_follow_the_events(tmp_path: Path, ended: Ended) -> None:
    """Before the first none is present."""
    (tmp_path / "run.json").write_bytes((ended.folder / "run.json").read_bytes())
    metrics = RunMetrics()
    metrics.begin(tmp_path)
    assert not any(metrics.snapshot().phases.values())
    metrics.event(Event(1.0, "phase", "onset"))
    assert metrics.snapshot().phases == {name: name == "onset" for name in ("baseline", "onset", "fault", "heal", "recovery")}


def test_objectives_are_judged_on_a_timeline_that_was_moved(ended: Ended, tmp_path: Path) -> None:
    """As that of a run about an application is, once that one is ready."""
    header = read_record(ended.folder).header
    tomorrow = header.experiment.timeline.model_copy(update={"date": "2024-07-13"})
    put_off = header.experiment.model_copy(update={"timeline": tomorrow})
    write_header(tmp_path, header.model_copy(update={"experiment": put_off}))
    metrics = RunMetrics()
    metrics.begin(tmp_path)
    write_header(tmp_path, header)
    metrics.event(Event(1.0, "run", "moved"))
    (tmp_path / "requests-0.jsonl").write_text("".join(map(to_line, ended.history.requests)))
    assert metrics.snapshot().objectives == ended.metrics.snapshot().objectives
    assert metrics.snapshot().objectives[0].total > 0


def request(done_s: float, *, ok: bool, trail: str = "") -> RequestRecord:
    outcome = "happened" if ok else "refused"
    return RequestRecord("i", "warm", "token", "sydney", "", "m", done_s, done_s, done_s, 5.0, 200, outcome, trail=trail)


def test_the_burn_rate_is_that_of_the_last_ten_real_seconds() -> None:
    """At the clock's rate; what ended before is forgotten, and memory with it."""
    counts = RequestCounts(watch_of(experiment()), [("warm", "sydney")], rate=60.0)
    for at_s in range(100):
        counts.add(request(at_s, ok=False))
    assert counts.objectives()[0].burn_rate == pytest.approx(100)
    for at_s in range(1000, 1010):
        counts.add(request(at_s, ok=at_s % 2 == 0))
    assert counts.objectives()[0].burn_rate == pytest.approx(50)
    assert len(counts._recent) == 10


def test_the_newest_key_of_a_node_is_told() -> None:
    """An older answer that is read later changes nothing, and a hop without a kind of key names none."""
    counts = RequestCounts(watch_of(experiment()), [], rate=1.0)
    for at_s, key in ((5.0, "managed-2;managed"), (4.0, "manual-1;manual")):
        counts.add(request(at_s, ok=True, trail=f"client.edge;;sts.example;;>sydney.token.z1;2.0;{key};miss"))
    assert [(key.node, key.key_id, key.kind) for key in counts.keys_used()] == [("sydney.token.z1", "managed-2", "managed")]
    assert [(node.node, node.build) for node in counts.nodes()] == [("sydney.token.z1", "2.0")]

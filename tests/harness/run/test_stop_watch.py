"""A run ends early where its system is broken and no fault explains it, and in no other case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import NEVER_STOPS
from brownout.harness.experiment.steps import moments, resolve_steps
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import Record, RunHeader
from brownout.harness.record.history import Event, read_history
from brownout.harness.run.conductor import RunState
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import derive, prepare
from brownout.harness.run.stop_watch import stretches
from support.conductor_bench import THIN, Bench, Watching, day
from support.quiet_faults import QUIET_FAULTS

TOO_STRICT = {
    "name": "s",
    "indicator": {"ratioMetric": {"total": {}, "good": {"within": "0.000001ms"}}},
    "objectives": [{"target": 0.99}],
}
STEADY = {"steady_state": True}
INSTALLED = plugins.faults()
DENSE = {"cohorts": [{**THIN["cohorts"][0], "rate_per_s": 0.5}]}


@pytest.fixture(autouse=True)
def quiet_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those that hold nothing, the faults that break the system."""
    monkeypatch.setattr(plugins, "faults", lambda: {**INSTALLED, **QUIET_FAULTS})


def killed(at: str, until: str, role: str = "operation") -> dict[str, Any]:
    """The host of all clients is down: every request fails."""
    step = {"name": f"killed-{at[:2]}", "at": at, "until": until, "role": role, "fault": "node-kill"}
    return {**step, "with": {"node": "sydney.host"}}


HELD = {"name": "held", "at": "01:00", "until": "02:00", "role": "fault", "fault": "x"}


def ends(events: tuple[Event, ...]) -> list[str]:
    return [event.what for event in events if event.kind == "run"]


def stopped(events: tuple[Event, ...]) -> Event:
    (found,) = [event for event in events if (event.kind, event.what) == ("run", "stopped")]
    return found


def minutes(event: Event) -> float:
    return event.at_s % 86400 / 60


def test_a_baseline_that_cannot_be_met_any_more_ends_the_run(tmp_path: Path) -> None:
    """Within the first minutes of fifty, with everything undone, no fault injected, and the reason in the record."""
    events = Bench(day(slos=[TOO_STRICT], gates=STEADY, load=DENSE), tmp_path).conduct()
    assert ends(events) == ["started", "stopped", "finished"]
    assert "by the sequential test the system is worse" in stopped(events).detail["reason"]
    assert 10 < minutes(stopped(events)) < 15
    assert [event for event in events if event.kind == "act"] == []


def test_it_is_inconclusive_and_says_why(tmp_path: Path) -> None:
    """The gates finished and steady-state fail: nothing was tested, which is no breach."""
    experiment = day(slos=[TOO_STRICT], gates=STEADY, load=DENSE)
    Bench(experiment, tmp_path).conduct()
    header = RunHeader(
        experiment=experiment,
        world="simulation",
        posture=experiment.posture,
        seed=1,
        versions={},
        clock_rate=1.0,
        started_at="2024-07-12T10:00:00+00:00",
        command="brownout run small",
    )
    result = evaluate_record(Record(header, read_history(tmp_path)))
    assert (result.verdict, result.finished, result.exit_code) == ("inconclusive", False, 3)
    failed = {gate.name: gate.reason for gate in result.gates if not gate.passed}
    assert failed.keys() >= {"finished", "steady-state"}
    assert failed["finished"].startswith("the run was stopped at baseline: s: 0 % of ")


def test_the_run_says_so_while_it_goes_on(tmp_path: Path) -> None:
    """The progress view's last message is the reason."""
    state = RunState()
    Bench(day(slos=[TOO_STRICT], gates=STEADY, load=DENSE), tmp_path, Watching(state), state).conduct()
    assert state.message.startswith("stopped: s: 0 %")


def test_most_requests_failing_for_a_while_before_the_faults_ends_the_run(tmp_path: Path) -> None:
    """The hard stop needs no objective that is missed over the baseline: an operator's step broke the system for a while."""
    objective = {**TOO_STRICT, "indicator": {"ratioMetric": {"total": {}}}, "objectives": [{"target": 0.5}]}
    schedule = [killed("00:30", "00:40"), HELD]
    events = Bench(day(slos=[objective], gates=STEADY, load=DENSE, schedule=schedule), tmp_path).conduct()
    assert "requests were good, with no fault in place" in stopped(events).detail["reason"]
    assert 30 < minutes(stopped(events)) < 35
    acts = [f"{event.what} {event.subject}" for event in events if event.kind == "act"]
    assert acts[-1] == "healed killed-00"


@pytest.mark.parametrize(("phases", "ends_early"), [(None, False), (["baseline", "recovery"], True), (["recovery"], True)])
def test_trouble_after_the_faults_ends_a_run_only_where_its_file_says_so(
    tmp_path: Path, phases: list[str] | None, ends_early: bool
) -> None:
    """What stays broken after its fault may be the very thing that a run is about."""
    schedule = [HELD, killed("02:10", "03:00")]
    stop = {} if phases is None else {"phases": phases}
    events = Bench(day(gates=STEADY, load=DENSE, schedule=schedule, stop=stop), tmp_path).conduct()
    assert ("stopped" in ends(events)) is ends_early
    if ends_early:
        assert 130 < minutes(stopped(events)) < 135
        assert [event.what for event in events if event.kind == "phase"][-1] == "recovery"


@pytest.mark.parametrize(
    "changed",
    [
        {"gates": {"steady_state": False}, "slos": [TOO_STRICT]},
        {"gates": STEADY, "slos": [TOO_STRICT], "stop": {"baseline": False, "phases": []}},
        {"gates": STEADY},
        {"gates": STEADY, "schedule": [killed("00:10", "02:00", "fault")]},
        {"gates": {"steady_state": False}, "schedule": [killed("00:30", "00:50", "fault"), HELD]},
    ],
    ids=["no steady state is asked for", "switched off", "healthy", "a fault from the start", "a fault in the baseline"],
)
def test_other_runs_go_on(tmp_path: Path, changed: dict[str, Any]) -> None:
    """A file that asks for no healthy baseline, one that switches it off, a healthy system, and what a fault explains."""
    assert "stopped" not in ends(Bench(day(load=DENSE, **changed), tmp_path).conduct())


def test_a_short_failure_that_the_baseline_outweighs_ends_no_run(tmp_path: Path) -> None:
    """Eight seconds of fifty minutes, in which every request failed: less than the hard stop's ten."""
    schedule = [killed("00:12:00", "00:12:08"), HELD]
    events = Bench(day(gates=STEADY, load=DENSE, schedule=schedule), tmp_path).conduct()
    assert ends(events) == ["started", "finished"]


def test_only_time_without_a_fault_is_watched() -> None:
    """Of the baseline what is before the first fault, of the recovery what is between them; by the schedule."""
    experiment = day(
        gates=STEADY,
        stop={"phases": ["baseline", "recovery"]},
        schedule=[killed("00:40", "00:50", "fault"), killed("01:00", "02:20", "fault"), killed("02:30", "02:40", "fault")],
    )
    found = stretches(experiment, moments(experiment.timeline, resolve_steps(experiment.schedule)))
    midnight_s = experiment.timeline.epoch_s()
    spans = [(one.phase, (one.start_s - midnight_s) / 60, (one.end_s - midnight_s) / 60) for one in found]
    assert spans == [("baseline", 10, 40), ("recovery", 140, 150), ("recovery", 160, 180)]


def test_a_control_run_is_never_stopped() -> None:
    """Claims compare figures of the whole of it."""
    experiment = day(gates=STEADY, controls={"c": {"posture": "fragile"}})
    assert prepare(experiment, Options()).experiment.stop.baseline
    assert derive(experiment, experiment.controls["c"]).stop == NEVER_STOPS

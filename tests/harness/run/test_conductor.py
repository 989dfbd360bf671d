"""The life of a run: what it records, when its hooks are called, and how it ends early."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.record.history import Event, read_history
from brownout.harness.run import conductor
from brownout.harness.run.conductor import RunHooks, RunState
from brownout.harness.run.prepare import PreparedRun, at_present
from brownout.harness.world import Carrier, World
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.conductor_bench import Bench, Watching, day


def told(events: tuple[Event, ...], kind: str) -> list[str]:
    """`what` and `subject` of the events of a kind."""
    return [f"{event.what} {event.subject}".strip() for event in events if event.kind == kind]


def test_a_run_goes_through_its_phases_and_ends_with_its_gates(tmp_path: Path) -> None:
    """The phases come in order; after the load the run decides what only it can know."""
    events = Bench(day(), tmp_path).conduct()
    assert told(events, "run") == ["started", "finished"]
    assert told(events, "phase") == ["baseline", "onset", "fault", "heal", "recovery"]
    assert told(events, "gate") == ["protection", "stack-whole", "clean-teardown"]
    assert all(event.detail["passed"] for event in events if event.kind == "gate")


def test_steps_start_and_end_when_the_schedule_says(tmp_path: Path) -> None:
    """A step without an end is reverted with the run."""
    experiment = day()
    midnight_s = experiment.timeline.epoch_s()
    acts = [event for event in Bench(experiment, tmp_path).conduct() if event.kind == "act"]
    at = {(event.what, event.subject): event.at_s - midnight_s for event in acts}
    assert at["planned", "held"] == 3600
    assert at["reverting", "held"] == pytest.approx(7200, abs=1)
    assert at["planned", "late"] == pytest.approx(7200, abs=1)
    assert at["reverting", "late"] >= 3 * 3600


class LaterBegun(RunHooks):
    """What was to be started is ready so long after the baseline of the file."""

    def __init__(self, later_s: float) -> None:
        self._later_s = later_s

    def begun(self, run: PreparedRun) -> PreparedRun:
        line = run.experiment.timeline
        midnight_s = line.epoch_s()
        return at_present(run, midnight_s + line.warm_up, ready_s=midnight_s + line.baseline + self._later_s)


def test_a_timeline_that_was_moved_is_walked_where_it_is_now(tmp_path: Path) -> None:
    """Phases, steps, load and end alike; every distance between them is the file's."""
    plain = Bench(day(), tmp_path / "plain")
    moved = Bench(day(), tmp_path / "moved", LaterBegun(600.0))
    before, after = ([(e.what, e.at_s) for e in bench.conduct() if e.kind == "phase"] for bench in (plain, moved))
    assert after == [(what, pytest.approx(at_s + 600, abs=0.01)) for what, at_s in before]
    step, later = (next(e.at_s for e in bench.events() if e.what == "planned") for bench in (plain, moved))
    assert later == pytest.approx(step + 600, abs=0.01)
    asked, asked_later = ([r.intended_s for r in read_history(bench.folder).requests] for bench in (plain, moved))
    assert asked_later == pytest.approx([at_s + 600 for at_s in asked], abs=0.01)
    assert asked


def test_a_step_whose_need_is_not_in_place_is_skipped(tmp_path: Path) -> None:
    """The step that was needed had been reverted when this one's time came."""
    steps = [
        {"name": "first", "at": "01:00", "until": "01:10", "role": "fault", "fault": "x"},
        {"name": "while", "at": "01:05", "role": "mitigation", "fault": "x", "needs": "first"},
        {"name": "after", "at": "01:20", "role": "mitigation", "fault": "x", "needs": "first"},
    ]
    acts = told(Bench(day(schedule=steps), tmp_path).conduct(), "act")
    assert "skipped after" in acts
    assert "planned after" not in acts
    assert "applied while" in acts


def test_what_the_posture_skips_is_not_tried(tmp_path: Path) -> None:
    """Under a posture that has no reason for a mitigation the others are tried as ever, and the record says why this is not."""
    steps = [
        {"name": "first", "at": "01:00", "role": "fault", "fault": "x"},
        {"name": "one", "at": "01:05", "role": "mitigation", "fault": "x"},
        {"name": "other", "at": "01:20", "role": "mitigation", "fault": "x"},
    ]
    postures = {"p": {"description": "d", "expect": "pass", "skips": ["one"]}}
    events = Bench(day(schedule=steps, postures=postures, posture="p"), tmp_path).conduct()
    acts = told(events, "act")
    assert "skipped one" in acts
    assert "planned one" not in acts
    assert "applied other" in acts
    skipped = next(event for event in events if event.what == "skipped")
    assert skipped.detail["evidence"] == "posture p has no reason for it, so this was not tried"


def test_a_step_that_cannot_be_applied_does_not_stop_the_run(tmp_path: Path) -> None:
    """It is recorded as failed, and the steps after it are tried."""
    steps = [
        {"name": "bad", "at": "01:00", "role": "fault", "fault": "broken"},
        {"name": "good", "at": "01:10", "role": "fault", "fault": "x"},
    ]
    events = Bench(day(schedule=steps), tmp_path).conduct()
    (failed,) = [e for e in events if e.kind == "act" and (e.what, e.subject) == ("failed", "bad") and "note" in e.detail][-1:]
    assert "it would not go in" in failed.detail["evidence"]
    assert "applied good" in told(events, "act")
    assert told(events, "run")[-1] == "finished"


def test_without_a_steady_state_nothing_is_injected(tmp_path: Path) -> None:
    """The run ends where the baseline does, with everything undone and a gate that failed later on."""
    slo = {
        "name": "s",
        "indicator": {"ratioMetric": {"total": {}, "good": {"within": "0.000001ms"}}},
        "objectives": [{"target": 0.99}],
    }
    experiment = day(slos=[slo], gates={"steady_state": True}, stop={"baseline": False, "phases": []})
    events = Bench(experiment, tmp_path).conduct()
    assert told(events, "run") == ["started", "not-steady", "finished"]
    assert told(events, "phase") == ["baseline"]
    assert told(events, "act") == []


def test_hooks_are_called_around_the_load_and_while_the_run_waits(tmp_path: Path) -> None:
    """What runs beside the load starts after it and stops after it; progress is shown once in `tick_s`."""
    state = RunState()
    hooks = Watching(state, tick_s=60.0)
    Bench(day(schedule=[]), tmp_path, hooks, state).conduct()
    assert [*dict.fromkeys(hooks.calls)] == ["load started", "asked for protection", "load stopped"]
    assert hooks.calls[-2:] == ["load stopped", "asked for protection"]
    assert 170 <= hooks.ticks <= 215  # three hours, one tick a minute and one more at each phase and at each look


def test_a_run_that_could_not_be_healed_ends_at_once(tmp_path: Path) -> None:
    """What the world's session says of its guardian and lease ends the run before the next step, and becomes a gate."""
    state = RunState()
    bench = Bench(day(), tmp_path, Watching(state, problem="the guardian died"), state)
    with pytest.raises(WorldError, match="the run was ended: the guardian died"):
        bench.conduct()
    events = bench.events()
    assert told(events, "act") == []
    (gate,) = [event for event in events if event.what == "protection"]
    assert gate.detail == {"passed": False, "reason": "the guardian died", "severity": "harness-error"}


def test_a_stack_that_died_ends_the_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What died is the run's reason, within a second and not at the end of the schedule; nothing is left unsafe."""
    read = SimulationWorld.read

    async def dying(world: SimulationWorld, carrier: Carrier) -> Mapping[str, Any]:
        if carrier.kind == "link" and world.now() % 86400 > 4000:
            raise CarrierGone("Toxiproxy has ended")
        return await read(world, carrier)

    monkeypatch.setattr(SimulationWorld, "read", dying)
    bench = Bench(day(), tmp_path, Watching(RunState(), tick_s=1.0))
    with pytest.raises(WorldError, match="Toxiproxy has ended"):
        bench.conduct()
    events = bench.events()
    (aborted,) = [event for event in events if event.what == "aborted"]
    assert "Toxiproxy has ended" in aborted.detail["reason"]
    assert "healed held" in told(events, "act")
    assert events[-1].at_s - bench.experiment.timeline.epoch_s() < 4030


class MinuteWorld(SimulationWorld):
    """A second of its network is a minute of the service's clock."""

    rate = 60.0


def test_whether_a_stack_is_there_is_asked_each_second_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the run wakes meanwhile: the question goes over the very links that are measured."""
    asked: list[float] = []

    async def noted(world: World, link: Carrier) -> None:
        asked.append(world.now())

    monkeypatch.setattr(conductor, "require_carried", noted)
    rate = MinuteWorld.rate
    Bench(day(), tmp_path, Watching(RunState(), tick_s=rate / 4), world_kind=MinuteWorld).conduct()
    gaps = [after - before for before, after in pairwise(asked)]
    assert len(asked) > 100
    assert min(gaps) == rate
    assert gaps.count(rate) > len(gaps) / 2, "the fourth time that it wakes, a second is over"


def test_a_machine_that_slept_makes_a_run_inconclusive(tmp_path: Path) -> None:
    """The gate is there only where something was amiss."""
    state = RunState()
    hooks = Watching(state)
    hooks.sleep = "the machine slept for 30 s"
    events = Bench(day(), tmp_path, hooks, state).conduct()
    (gate,) = [event for event in events if event.what == "undisturbed"]
    assert gate.detail == {"passed": False, "reason": "the machine slept for 30 s", "severity": "inconclusive"}


def test_a_run_that_is_stopped_reverts_everything(tmp_path: Path) -> None:
    """It ends between two ticks, its faults are reverted, and the record says that it was interrupted."""
    state = RunState()
    hooks = Watching(state, tick_s=60.0, stop_after=75)
    events = Bench(day(), tmp_path, hooks, state).conduct()
    assert told(events, "run") == ["started", "interrupted"]
    assert told(events, "phase")[-1] == "fault"
    assert "healed held" in told(events, "act")
    assert state.phase == "stopping"


def test_a_stack_that_does_not_come_up_aborts_the_run(tmp_path: Path) -> None:
    """The error is recorded with its hint, the stack is taken down, and the error goes on."""
    bench = Bench(day(), tmp_path, fails_at_start=True)
    with pytest.raises(WorldError, match="no room"):
        bench.conduct()
    events = bench.events()
    assert told(events, "run") == ["started", "aborted"]
    assert events[1].detail == {"reason": "no room", "hint": "make some"}
    assert told(events, "gate") == ["clean-teardown"]


@pytest.mark.parametrize("short", [("toxiproxy had 12 of 12 open files",), ()])
def test_what_ran_out_fails_a_gate_of_its_own(tmp_path: Path, short: tuple[str, ...]) -> None:
    """A breach under it is not trusted. In the simulation, whose hooks have no answer, there is no such gate."""
    bench = Bench(day(), tmp_path)
    bench.hooks = hooks = Watching(bench.state)
    hooks.short = short
    (gate,) = [event for event in bench.conduct() if event.what == "resources"]
    assert gate.detail["passed"] == (not short)
    assert gate.detail["severity"] == "inconclusive"
    assert "toxiproxy had 12 of 12 open files" in gate.detail["reason"] if short else "ran out of" in gate.detail["reason"]

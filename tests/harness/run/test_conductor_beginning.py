"""What a run does before its schedule: it awaits its nodes, fills the caches, starts the load in time, and later stops it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.run.conductor import READY_LOOKS, READY_WAIT_S, RunState
from brownout.harness.world import LoadHandle, Request
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import Response
from support.conductor_bench import THIN, Bench, Watching, day

SLOW = "melbourne.vault"
NOT_READY = [Response(503, {"ready": True}), Response(200, {"ready": False}), Response(200, None), Response(200, {})]


class SlowWorld(SimulationWorld):
    """One of its nodes gives an answer of the tests' for the first `late` looks at it; caches are filled as `primes` says."""

    answer = Response(503)
    late = 0
    primes: Response | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.asked: Counter[str] = Counter()
        SlowWorld.last = self

    last: SlowWorld

    async def control(self, node: str, request: Request, **options: Any) -> Response:
        if request.path == "/healthz":
            self.asked[node] += 1
            if node == SLOW and self.asked[node] <= self.late:
                return self.answer
        if request.path == "/admin/prime" and self.primes is not None:
            return self.primes
        return await super().control(node, request, **options)


def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> Bench:
    for name in ("answer", "late", "primes", "rate"):
        if name in changed:
            monkeypatch.setattr(SlowWorld, name, changed.pop(name))
    return Bench(day(schedule=[], **changed), tmp_path, world_kind=SlowWorld)


@pytest.mark.parametrize("answer", NOT_READY)
def test_a_run_begins_once_every_node_says_that_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Response
) -> None:
    """A node that is not is asked again, one that is is not."""
    begun = bench(tmp_path, monkeypatch, answer=answer, late=3)
    events = begun.conduct()
    assert [event.what for event in events if event.kind == "run"] == ["started", "finished"]
    assert SlowWorld.last.asked.pop(SLOW) == 4
    assert set(SlowWorld.last.asked.values()) == {1}
    primed = next(event for event in events if event.what == "primed")
    assert 3 * READY_WAIT_S <= primed.at_s - events[0].at_s < 7 * READY_WAIT_S


def test_a_node_that_never_gets_ready_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and no other is; the run has waited a bounded time."""
    begun = bench(tmp_path, monkeypatch, answer=Response(503), late=10_000)
    with pytest.raises(WorldError, match=f"^these nodes never got ready: {SLOW}\n"):
        begun.conduct()
    assert SlowWorld.last.asked[SLOW] == READY_LOOKS == 100
    started, aborted = (event for event in begun.events() if event.kind == "run")
    assert aborted.at_s - started.at_s == pytest.approx(READY_LOOKS * READY_WAIT_S, abs=0.5)


@pytest.mark.parametrize(("late", "after_s"), [(45, 75), (42, 30)])
def test_a_stack_that_is_ready_after_its_baseline_should_have_begun_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: int, after_s: int
) -> None:
    """At a rate of 300, 45 waits are 675 s, and the warm-up is ten minutes."""
    begun = bench(tmp_path, monkeypatch, late=late, rate=300.0)
    with pytest.raises(WorldError, match=r"the stack was ready .* emulated seconds after") as caught:
        begun.conduct()
    said = int(caught.value.message.split("ready ")[1].split()[0])
    assert after_s <= said <= after_s + 60


def test_half_a_second_is_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request of the baseline would be late then."""
    begun = bench(tmp_path, monkeypatch, late=50, rate=240.1)
    with pytest.raises(WorldError, match=r"the stack was ready [01] emulated seconds after"):
        begun.conduct()
    started, aborted = (event.at_s for event in begun.events() if event.kind == "run")
    assert 600 < aborted - started < 601


def test_a_stack_that_is_ready_in_its_warm_up_is_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with fewer waits."""
    events = bench(tmp_path, monkeypatch, late=30, rate=300.0).conduct()
    assert [event.what for event in events if event.kind == "run"] == ["started", "finished"]


@pytest.mark.parametrize("primed", [True, False])
def test_caches_are_filled_where_the_experiment_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, primed: bool) -> None:
    """Of each region's host, with as many tokens as its machines want."""
    events = bench(tmp_path, monkeypatch, load={**THIN, "primed": primed}).conduct()
    told = {event.subject: event.detail["tokens"] for event in events if event.what == "primed"}
    assert told == ({"sydney": 40} if primed else {})


def test_caches_that_cannot_be_filled_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that met cold caches would be of another service."""
    begun = bench(tmp_path, monkeypatch, primes=Response(400, {"error": "no"}))
    with pytest.raises(WorldError, match=r"the caches of sydney could not be filled: .*no"):
        begun.conduct()
    assert [event.what for event in begun.events() if event.kind == "run"] == ["started", "aborted"]


class Noted:
    """A load that notes when it is asked for what."""

    def __init__(self, load: LoadHandle, asked: list[str]) -> None:
        self._load, self._asked = load, asked

    async def stop(self) -> None:
        self._asked.append("stop")
        await self._load.stop()

    def gauges(self) -> Any:
        self._asked.append("gauges")
        return self._load.gauges()

    def problems(self) -> Any:
        self._asked.append("problems")
        return ("it lagged", "it lacked ports")


@pytest.mark.parametrize("stop_after", [0, 75])
def test_a_load_is_stopped_before_it_is_asked_and_before_any_fault_is_reverted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    """Its log covers the schedule and nothing else; its problems are told one by one, also in a run that was stopped."""
    asked: list[str] = []
    start_load = SimulationWorld.start_load

    async def noted(world: SimulationWorld, plan: LoadPlan, folder: Path, **options: Any) -> Any:
        return Noted(await start_load(world, plan, folder, **options), asked)

    monkeypatch.setattr(SimulationWorld, "start_load", noted)
    state = RunState()
    hooks = Watching(state, tick_s=60.0, stop_after=stop_after)
    steps = [{"name": "kept", "at": "01:00", "role": "fault", "fault": "x"}]
    events = Bench(day(schedule=steps), tmp_path, hooks, state).conduct()
    assert asked[:3] == ["stop", "gauges", "problems"]
    assert asked.count("stop") == 1
    whats = [event.what for event in events]
    assert whats.index("gauges") < whats.index("reverting")
    problems = [event.detail["text"] for event in events if event.what == "problem"]
    assert problems == ["it lagged", "it lacked ports"]

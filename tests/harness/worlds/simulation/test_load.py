"""The load on the virtual clock: every arrival has its line, and stopping waits for what is under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.errors import WorldError
from brownout.harness.load.arrivals import Cohort, arrivals
from brownout.harness.record.history import Recorder, read_history
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from support.carriers import link, node
from support.simulated_stacks import EPOCH_S, plan_for, run_load

WARM = Cohort(name="warm", model="token", region="sydney", rate_per_s=5, machines=("web-1", "web-2"))


def test_every_arrival_of_the_plan_has_its_line(tmp_path: Path) -> None:
    """The log has each arrival once, at its intended time, with a latency that is what the world took."""
    records = run_load(tmp_path, (WARM,), length_s=60)
    assert [record.id for record in records] == [f"warm-{index:06d}" for index in range(300)]
    assert all(record.sent_s == pytest.approx(record.intended_s, abs=1e-5) for record in records)
    assert all(record.latency_ms == pytest.approx((record.done_s - record.intended_s) * 1000, abs=0.01) for record in records)
    assert {record.outcome for record in records} == {"happened"}


@pytest.mark.parametrize(
    ("state", "outcome", "error"),
    [(LinkEffect("refuse"), "refused", "refused"), (LinkEffect("stall"), "unknown", "timeout")],
)
def test_outcomes_are_three_valued(tmp_path: Path, state: dict[str, Any], outcome: str, error: str) -> None:
    """Refused is known not to have happened, silence is unknown."""

    async def schedule(world: SimulationWorld) -> None:
        await world.hold(link("client->sydney.host"), "f", state)

    records = run_load(tmp_path, (WARM,), length_s=20, schedule=schedule)
    assert {(record.outcome, record.error, record.status) for record in records} == {(outcome, error, 0)}


def test_a_call_to_a_dead_node_is_unknown(tmp_path: Path) -> None:
    """A reset says nothing about what was done."""

    async def schedule(world: SimulationWorld) -> None:
        await world.hold(node("sydney.host"), "f", NodeEffect("down"))

    records = run_load(tmp_path, (WARM,), length_s=20, schedule=schedule)
    assert {(record.outcome, record.error) for record in records} == {("unknown", "reset")}


def test_the_deadline_counts_from_the_intended_moment(tmp_path: Path) -> None:
    """A client gives up after its deadline, whatever the world goes on doing."""

    async def schedule(world: SimulationWorld) -> None:
        await world.hold(link("client->sydney.host"), "f", LinkEffect("slow", latency_ms=1500))

    records = run_load(tmp_path, (WARM,), length_s=20, schedule=schedule)
    assert {record.error for record in records} == {"timeout"}
    assert all(record.latency_ms == pytest.approx(2000, abs=0.01) for record in records)


def world_with(recorder: Recorder | None) -> SimulationWorld:
    return SimulationWorld(build_stack(seed=1), epoch_s=EPOCH_S, recorder=recorder)


def test_stopping_early_leaves_whole_lines_and_true_gauges(tmp_path: Path) -> None:
    """Stopped in the middle, the load issues nothing more, waits for what is under way, and counts what it issued."""
    recorder = Recorder(tmp_path)
    world = world_with(recorder)

    async def story() -> tuple[int, dict[str, float], tuple[str, ...]]:
        await world.start()
        plan = await plan_for(world, (WARM,), length_s=60)
        load = await world.start_load(plan, tmp_path)
        await world.hold(link("client->sydney.host"), "f", LinkEffect("slow", latency_ms=400))
        stopped_s = plan.start_s + 20
        await world.sleep_until(stopped_s)
        await load.stop()
        await load.stop()
        await world.sleep_until(plan.end_s)
        return sum(1 for each in arrivals(plan) if each.at_s <= stopped_s), dict(load.gauges()), load.problems()

    due, gauges, problems = world.run(story())
    world.kernel.close()
    recorder.close()
    records = read_history(tmp_path).requests
    assert len(records) == due == gauges["issued"] == gauges["planned"]
    assert {record.outcome for record in records} == {"happened"}
    assert gauges["lag_p99_ms"] == 0
    assert problems == ()


def test_load_needs_a_recorder() -> None:
    """A world that records nothing refuses a load instead of losing its records."""
    world = world_with(None)

    async def story() -> None:
        await world.start()
        await world.start_load(await plan_for(world, (WARM,), length_s=1), Path())

    with pytest.raises(WorldError, match="needs a recorder"):
        world.run(story())
    world.kernel.close()


def test_a_client_model_that_fails_ends_the_run_and_does_not_hang_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a client model is raised by the run; stopping the load on the way out does not wait for ever."""
    recorder = Recorder(tmp_path)
    world = world_with(recorder)

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    async def story() -> None:
        await world.start()
        load = await world.start_load(await plan_for(world, (WARM,), length_s=60), tmp_path)
        try:
            await world.sleep_until(world.now() + 100)
        finally:
            await load.stop()

    monkeypatch.setattr("brownout.harness.worlds.simulation.load.begin", broken)
    with pytest.raises(ZeroDivisionError):
        world.run(story())
    assert world.now() < EPOCH_S + 10
    world.kernel.close()
    recorder.close()

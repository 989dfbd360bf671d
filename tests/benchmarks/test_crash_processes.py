"""The crash matrix on real processes: what is drawn, the runs that are struck, and one of them."""

from __future__ import annotations

import pytest

from benchmarks.crash_experiment import experiment_of
from benchmarks.crash_faults import FAULTS
from benchmarks.crash_processes import BOUND_S, STEPS, VICTIMS, ProcessSettings, drawn, measure, rows
from brownout.harness.experiment.model import Experiment
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.worlds.processes.world import ProcessesWorld


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_has_a_run_that_can_be_struck(kind: str) -> None:
    """The experiment is valid, and its one step is that fault on a stack that has what it is done to."""
    run = prepare(Experiment.model_validate(experiment_of(kind)), Options(world=ProcessesWorld.name, canaries=False))
    (step,) = run.steps
    assert step.fault.carriers(run.stack)


def test_a_seed_draws_the_same_episodes_again() -> None:
    """Equal seeds draw alike and others do not; victims come in turn, and all steps come up."""
    draws = [drawn(number, 1) for number in range(120)]
    assert draws == [drawn(number, 1) for number in range(120)]
    assert draws != [drawn(number, 2) for number in range(120)]
    assert [draw.victims for draw in draws[: len(VICTIMS)]] == list(VICTIMS)
    assert {draw.step for draw in draws} == set(STEPS)


@pytest.mark.slow
def test_a_killed_run_is_healed_by_its_guardian_and_leaves_nothing() -> None:
    """One episode: the run is killed when its fault has just bitten."""
    figures = measure(ProcessSettings(kills=1, seed=21))
    assert figures.problems == ()
    assert figures.healed_s is not None
    assert figures.healed_s.low > 0.01, "it was in force when the run was killed"
    assert figures.healed_s.high < BOUND_S
    assert rows(figures)[0].value == "1, 0 with a promise broken"

"""The crash matrix in containers: what is drawn."""

from __future__ import annotations

import pytest

from benchmarks.crash_compose import VICTIMS, ComposeEpisode, drawn
from benchmarks.crash_experiment import experiment_of
from benchmarks.crash_faults import FAULTS
from benchmarks.crash_processes import STEPS
from brownout.harness.experiment.model import Experiment
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_has_a_run_in_containers(kind: str) -> None:
    """Containers can do whatever the simulation can, so each drawn fault can be struck there."""
    run = prepare(Experiment.model_validate(experiment_of(kind)), Options(world=ComposeEpisode.world, canaries=False))
    (step,) = run.steps
    assert step.fault.carriers(run.stack)


def test_a_seed_draws_the_same_episodes_again() -> None:
    """Equal seeds draw alike and others do not; victims come in turn, and all steps come up."""
    draws = [drawn(number, 1) for number in range(60)]
    assert draws == [drawn(number, 1) for number in range(60)]
    assert draws != [drawn(number, 2) for number in range(60)]
    assert [draw.victims for draw in draws[: len(VICTIMS)]] == list(VICTIMS)
    assert {draw.step for draw in draws} == set(STEPS)

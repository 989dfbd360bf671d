"""The crash matrix in live worlds: what is drawn, the runs that are struck, and who is."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import crash_compose, crash_processes
from benchmarks.crash_episodes import STEPS, Draw, Ground, LoadEpisode, Victim, drawn
from benchmarks.crash_experiment import experiment_of
from benchmarks.crash_faults import FAULTS
from benchmarks.stands import Home
from brownout.harness.experiment.model import Experiment
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare

GROUNDS = (crash_processes.GROUND, crash_compose.GROUND)
NOTHING = ("true",)  # a command that has ended at once
each_ground = pytest.mark.parametrize("ground", GROUNDS, ids=lambda ground: ground.world)


@each_ground
@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_has_a_run_that_can_be_struck(ground: Ground, kind: str) -> None:
    """The experiment is valid, and its one step is that fault on a stack that has what it is done to."""
    made = experiment_of(kind, warm_up=ground.warm_up)
    run = prepare(Experiment.model_validate(made), Options(world=ground.world, canaries=False))
    (step,) = run.steps
    assert step.fault.carriers(run.stack)


@each_ground
def test_a_seed_draws_the_same_episodes_again(ground: Ground) -> None:
    """Equal seeds draw alike and others do not; victims come in turn, and all steps come up."""
    draws = [drawn(ground, number, 1) for number in range(120)]
    assert draws == [drawn(ground, number, 1) for number in range(120)]
    assert draws != [drawn(ground, number, 2) for number in range(120)]
    assert [draw.victims for draw in draws[: len(ground.victims)]] == list(ground.victims)
    assert {draw.step for draw in draws} == set(STEPS)


@each_ground
def test_every_part_dies_alone_and_with_its_run(ground: Ground) -> None:
    """Locust is struck in a run and, as a master and as a worker, in a load by hand."""
    assert {(part,) for part in ground.parts} | {("runner", part) for part in ground.parts} <= set(ground.victims)
    assert {"toxiproxy", "node", "locust"} <= set(ground.parts)
    assert {("load master",), ("load worker",)} <= set(ground.victims)
    assert len(set(ground.victims)) == len(ground.victims)


class MadeUpLoad(LoadEpisode):
    """An episode whose fault by hand is at its step at once."""

    def _command(self, *_: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(NOTHING)

    def _said(self, _: str) -> str:
        return "whole"

    def _reached(self) -> bool:
        return True

    def _rows(self) -> list[str]:
        return ["bitten"]

    def _victims(self) -> dict[str, Victim]:
        return {"load master": 7}


@pytest.mark.parametrize(("command", "struck"), [(NOTHING, []), (("sleep", "60"), [7])])
def test_a_load_that_has_ended_by_itself_is_not_struck(tmp_path: Path, command: tuple[str, ...], struck: list[int]) -> None:
    """Nothing died then, so how it ended says nothing; one that goes on is struck."""
    killed: list[Any] = []
    draw = Draw("link-refuse", "bitten", ("load master",), 0.0)
    episode = MadeUpLoad(replace(crash_processes.GROUND, kill=killed.append), Home(tmp_path, tmp_path), draw)
    with subprocess.Popen(command) as load:
        if command == NOTHING:
            load.wait()
        episode._inject_and_strike(load)
        load.kill()
    assert killed == struck
    assert ("had ended by then: whole" in episode._after.unstruck) == (not struck)

"""Control runs: simulated beside the run, in processes of their own where that is safe, each with a record of its own."""

from __future__ import annotations

import threading
import time
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from brownout.harness.judge.run_folder import read_record
from brownout.harness.run.controls import ControlRuns
from brownout.harness.run.header import write_run_file
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import PreparedRun, prepare
from support.brownout_command import eventually
from support.small_day import small_day

THIN = {"cohorts": [{"name": "warm", "model": "token", "region": "sydney", "rate_per_s": 0.02, "machines": ["web"]}]}
CONTROLS = {"repaired": {"posture": "repaired", "drop": ["late"]}, "thin": {"posture": "fragile", "load_scale": 0.5}}


def prepared(**options: Any) -> PreparedRun:
    return prepare(small_day(load=THIN, controls=CONTROLS, gates={"steady_state": False}), Options(**options))


def test_each_control_run_has_a_record_of_its_own(tmp_path: Path) -> None:
    """Posture, steps and load are the control run's, the seed is the run's, and its folder is a run folder like any other."""
    write_run_file(tmp_path, prepared(seed=3))
    with ControlRuns(prepared(seed=3), tmp_path) as controls:
        controls.start()
        found = controls.results()
    assert list(found) == ["repaired", "thin"]
    history, result = found["repaired"]
    assert (result.posture, result.seed, result.world, result.finished) == ("repaired", 3, "simulation", True)
    assert [step.name for step in result.steps] == ["held"]
    assert len(found["thin"][0].requests) == round(len(history.requests) / 2)
    assert read_record(tmp_path / "controls" / "repaired").history == history


def test_in_a_process_with_threads_they_are_run_here(tmp_path: Path) -> None:
    """Such a process must not be forked; the control runs are made when their results are asked for, and are the same."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with ControlRuns(prepared(), tmp_path / "here") as controls:
            controls.start()
            assert not (tmp_path / "here").exists()
            here = controls.results()
    finally:
        stop.set()
        thread.join()
    with ControlRuns(prepared(), tmp_path / "forked") as controls:
        controls.start()
        forked = controls.results()
    assert {name: result.digest for name, (_, result) in here.items()} == {
        name: result.digest for name, (_, result) in forked.items()
    }


@pytest.mark.parametrize("options", [{"controls": False}, {"posture": "repaired"}])
def test_they_belong_to_the_experiments_own_posture(tmp_path: Path, options: dict[str, Any]) -> None:
    """Another posture is compared by running it, and a run can go without."""
    with ControlRuns(prepared(**options), tmp_path) as controls:
        controls.start()
        assert controls.results() == {}


def test_its_own_posture_may_be_named(tmp_path: Path) -> None:
    """Naming the posture that is the experiment's own changes nothing."""
    with ControlRuns(prepared(posture="fragile"), tmp_path) as controls:
        assert set(controls.results()) == set(CONTROLS)


def test_a_run_that_fails_does_not_wait_for_them(tmp_path: Path) -> None:
    """They are ended with the run that they belong to; other processes of whoever called it go on."""
    sleeper = get_context("fork").Process(target=time.sleep, args=(60,))
    sleeper.start()
    try:
        with ControlRuns(prepared(), tmp_path) as controls:
            controls.start()
            workers = [child.pid for child in active_children() if child is not sleeper]
            assert workers
            controls.__exit__(RuntimeError)
        # Asked of the system: the pool's own thread waits for its workers too, and `is_alive` is wrong for the one that lost.
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10, what="end of the control runs")
        assert sleeper.is_alive()
    finally:
        sleeper.kill()
        sleeper.join()


def test_the_largest_begins_first(tmp_path: Path) -> None:
    """With one worker, the record of the control run with the full load is begun before that of the thin one."""
    thin_first = dict(reversed(CONTROLS.items()))
    run = prepare(small_day(load=THIN, controls=thin_first, gates={"steady_state": False}), Options())
    with patch("os.cpu_count", return_value=1), ControlRuns(run, tmp_path) as controls:
        controls.start()
        controls.results()
    begun_ns = {name: (tmp_path / "controls" / name / "run.json").stat().st_mtime_ns for name in thin_first}
    assert begun_ns["repaired"] < begun_ns["thin"]

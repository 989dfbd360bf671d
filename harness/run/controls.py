"""The control runs of an experiment: simulated runs that its claims are compared with, made beside the run itself."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from brownout.harness.base import processes as system
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.judge.evaluate import evaluate, write_result
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.history import History, read_history
from brownout.harness.record.result import Result
from brownout.harness.run.header import write_run_file
from brownout.harness.run.prepare import PreparedRun, derive, prepare_control
from brownout.harness.run.simulated import simulate

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
WORKERS_MAX = 2
NICENESS = 3  # where other programs want the cores too, the run comes first

_Job = tuple[Experiment, str, int, Path]  # experiment, name of the control run, seed, folder of the run


class ControlRuns:
    """The control runs of a run, simulated beside it where this process may be forked.

    They belong to the experiment's own posture only: another posture is compared by running it.
    """

    def __init__(self, run: PreparedRun, folder: Path) -> None:
        wanted = run.options.controls and run.posture == run.experiment.posture
        names = run.experiment.controls if wanted else ()
        self._jobs = [(run.experiment, name, run.options.seed, folder) for name in names]
        self._pool: ProcessPoolExecutor | None = None
        self._workers: list[BaseProcess] = []
        self._started: dict[str, Future[None]] = {}
        self._folder = folder
        self._results: ControlRecords | None = None

    @property
    def are_wanted(self) -> bool:
        """True for a run that has control runs."""
        return bool(self._jobs)

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Begins them in processes of their own where that is safe: a process with threads must not be forked. Runs once."""
        if self._jobs and self._pool is None and threading.active_count() == 1:
            self._pool = ProcessPoolExecutor(
                mp_context=get_context("fork"),
                # The run takes longest, so it has a core to itself: a second worker on two cores would only delay it.
                max_workers=max(1, min(WORKERS_MAX, (os.cpu_count() or 1) - 1)),
                initializer=_become_worker,
                initargs=(os.getpid(),),
            )
            # An interrupt between a fork and `_become_worker` would run the parent's handler in the child.
            signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
            others = active_children()  # of the caller: a test session may have processes of its own
            try:
                self._started = {job[1]: self._pool.submit(_simulate_control, *job) for job in self._largest_first()}
            finally:
                self._workers = [child for child in active_children() if child not in others]
                signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)

    def _largest_first(self) -> list[_Job]:
        """The jobs by their load: a long one that begins last would keep one worker busy while the others are idle."""
        return sorted(self._jobs, key=lambda job: -_arrivals_per_s(job[0], job[1]))

    def results(self) -> ControlRecords:
        """History and result of every control run, by name; waits for them and raises what one of them raised."""
        if self._results is None:
            self._results = self._collected()
        return self._results

    def _collected(self) -> ControlRecords:
        found: dict[str, tuple[History, Result]] = {}
        for job in self._largest_first():  # also where there are no workers: one order, whatever the process is like
            name, own = job[1], self._folder / "controls" / job[1]
            if name in self._started:
                self._started[name].result()
            else:
                _simulate_control(*job)
            found[name] = read_history(own), read_result(own) or evaluate(own)  # while others are still under way
        return {job[1]: found[job[1]] for job in self._jobs}

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        unwanted = raised is not None or not all(job.done() for job in self._started.values())
        if unwanted:  # the run failed or was interrupted, perhaps while these were being started
            for worker in self._workers:
                worker.kill()
        self._pool.shutdown(wait=not unwanted, cancel_futures=True)


def _become_worker(parent_pid: int) -> None:
    """Leaves Ctrl-C to the parent and dies with it; leaves the parent a core, because the run is what takes longest."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    os.nice(NICENESS)
    if sys.platform == "linux":
        system.die_with_parent(parent_pid)


def _arrivals_per_s(experiment: Experiment, name: str) -> float:
    """The load of a control run, as far as its file says before it is prepared."""
    return sum(cohort.rate_per_s for cohort in derive(experiment, experiment.controls[name]).load.cohorts)


def _simulate_control(experiment: Experiment, name: str, seed: int, folder: Path) -> None:
    """Simulates one control run and leaves its record under `controls/` of the run folder."""
    run = prepare_control(experiment, name, seed=seed)
    own = folder / "controls" / name
    own.mkdir(parents=True)
    write_run_file(own, run)
    simulate(run, own)
    write_result(own, evaluate(own))

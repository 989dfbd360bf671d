"""The control runs of an experiment: simulated runs that its claims are compared with, made beside the run itself."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Self

from brownout.harness.base import processes as system
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.plugins import Controls
from brownout.harness.experiment.prepare import derive
from brownout.harness.judge.conclude import conclude, write_result
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.history import read_history
from brownout.harness.run.header import write_run_file
from brownout.harness.run.options import Options
from brownout.harness.run.simulated import simulate

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class ControlRuns:
    """The control runs of an experiment, simulated beside the run itself where this process may be forked.

    They are part of the experiment's own posture only: another posture is compared by running it.
    """

    def __init__(self, experiment: Experiment, options: Options, folder: Path) -> None:
        wanted = options.controls and (options.posture or experiment.posture) == experiment.posture
        self._jobs = [(experiment, name, options.seed, folder) for name in experiment.controls] if wanted else []
        self._pool: ProcessPoolExecutor | None = None
        self._started: dict[str, Future[None]] = {}
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Begins them in processes of their own, when that is safe (a process with threads must not be forked). Runs once."""
        if self._jobs and self._pool is None and threading.active_count() == 1:
            self._pool = ProcessPoolExecutor(
                mp_context=get_context("fork"),
                max_workers=min(2, os.cpu_count() or 1),
                initializer=_become_worker,
                initargs=(os.getpid(),),
            )
            signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)  # none may come between a fork and `_become_worker`
            try:
                self._started = {job[1]: self._pool.submit(_control, *job) for job in self._jobs}
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)

    def results(self) -> Controls:
        """Every control's history and result; raises what a control run raised."""
        for job in self._jobs:
            if job[1] in self._started:
                self._started[job[1]].result()
            else:
                _control(*job)
        folders = {job[1]: self._folder / "controls" / job[1] for job in self._jobs}
        return {name: (read_history(own), read_result(own) or conclude(own)) for name, own in folders.items()}

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        unwanted = raised is not None or not all(job.done() for job in self._started.values())
        if unwanted:  # the run failed or was interrupted, perhaps while these were being started
            for worker in active_children():
                worker.kill()
        self._pool.shutdown(wait=not unwanted, cancel_futures=True)


def _become_worker(parent_pid: int) -> None:
    """Ctrl-C is the parent's business, and without the parent there is nothing left to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    if sys.platform == "linux":
        system.die_with_parent(parent_pid)


def _control(experiment: Experiment, name: str, seed: int, folder: Path) -> None:
    """Simulates one control and leaves its record under `controls/` of the run folder."""
    control = experiment.controls[name]
    derived = derive(experiment, control)
    own = folder / "controls" / name
    own.mkdir(parents=True)
    quiet = Options(posture=control.posture, seed=seed, controls=False)
    write_run_file(own, derived, quiet, control.posture, "")
    simulate(derived, experiment.postures[control.posture], seed, own)
    write_result(own, conclude(own))

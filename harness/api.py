"""Runs an experiment in a world and concludes it: what the command line, the pytest plugin and scripts call.

`run` is synchronous, returns an Outcome whose folder holds the whole record, and raises BrownoutError when the harness
itself could not go on (its `run_folder` then holds what happened, concluded as a harness error).
"""

from __future__ import annotations

import os
import platform
import shlex
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Self

import orjson

from brownout.harness.base import processes as system
from brownout.harness.errors import BrownoutError
from brownout.harness.experiment import plugins as registry
from brownout.harness.experiment.model import Experiment, Posture
from brownout.harness.experiment.plugins import Controls
from brownout.harness.experiment.prepare import derive, posture_of, stack_of
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle, Notice
from brownout.harness.judge.conclude import conclude, write_result
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.history import Event, History, Recorder, read_history
from brownout.harness.record.progress import ProgressSink
from brownout.harness.record.result import Result
from brownout.harness.run.conductor import Conductor, RunState, new_run_folder
from brownout.harness.worlds.catalog import SIMULATION, check_able, live_world
from brownout.harness.worlds.simulation.world import SimulationWorld

SIMULATED_STACK = "simulation"
WARM_UP_ROOM_S = 30.0
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run an experiment. `expect` and `posture` may be empty; `out` is the folder in which run folders are made."""

    world: str = "simulation"
    posture: str = ""
    seed: int = 1
    out: Path = field(default_factory=lambda: Path("runs"))
    expect: str = ""
    command: str = ""
    dashboard_port: int | None = None
    canaries: bool = True
    controls: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that ended: its result, and the folder with its record."""

    result: Result
    folder: Path
    interrupted: bool = False

    def history(self) -> History:
        return read_history(self.folder)


def run(experiment: Experiment, options: Options, *, sink: ProgressSink | None = None, source: str = "") -> Outcome:
    """Carries the experiment out; raises UsageError before anything is started, BrownoutError when the harness failed.

    Ctrl-C ends the run early: everything is reverted, and the outcome is `interrupted`.
    """
    posture_name, posture = posture_of(experiment, options.posture)
    check_abilities(experiment, options.world)
    stack_of(experiment, posture, seed=options.seed)  # what is wrong with the settings is said before anything starts
    _prepare(options)
    folder = new_run_folder(options.out, f"{experiment.name}-{options.world}-{posture_name}-{options.seed}")
    _write_run_file(folder, experiment, options, posture_name, source)
    try:
        with _Controls(experiment, options, folder) as controls:
            if options.world == SIMULATION:
                controls.start()
                completed = _simulate(experiment, posture, options.seed, folder)
            else:
                completed = _run_live(experiment, posture, options, folder, sink)
            if completed:
                controls.start()
            result = _conclude(experiment, options, folder, controls.results() if completed else {})
    except Exception as error:
        _conclude_failed(folder, experiment, error)
        raise
    return Outcome(result, folder, interrupted=not completed)


def _prepare(options: Options) -> None:
    """Looks up what a run in a live world needs of the machine, before it has a folder."""
    if options.world == SIMULATION:
        return
    from brownout.harness.load.driver import require_free

    if options.dashboard_port is not None:
        require_free(options.dashboard_port)
    live_world(options.world).prepare(lambda line: print(line, file=sys.stderr))  # noqa: T201 - what is used is told


def _run_live(experiment: Experiment, posture: Posture, options: Options, folder: Path, sink: ProgressSink | None) -> bool:
    """One run in a live world; False when it was interrupted, at whatever point."""
    from brownout.harness.run.live_session import run_live  # it brings asyncio, HTTP and cryptography with it

    try:
        return run_live(
            experiment,
            posture,
            world=options.world,
            seed=options.seed,
            folder=folder,
            sink=sink,
            canaries=options.canaries,
            dashboard_port=options.dashboard_port,
        )
    except KeyboardInterrupt:  # before it listened for interrupts, or after
        return False


def check_abilities(experiment: Experiment, world: str) -> None:
    """Raises UsageError for an unknown world and AbilityMissing for a fault that the world cannot carry out."""
    check_able("", (), world)
    for step in experiment.schedule:
        check_able(step.fault, registry.fault(step.fault, step.with_).needs, world)


def _simulate(experiment: Experiment, posture: Posture, seed: int, folder: Path) -> bool:
    """One run on the virtual clock; its record is in `folder` afterwards. False when it was interrupted."""
    recorder = Recorder(folder)
    epoch_s = experiment.timeline.epoch_s() + experiment.timeline.warm_up - WARM_UP_ROOM_S
    world = SimulationWorld(stack_of(experiment, posture, seed=seed), epoch_s=epoch_s, recorder=recorder)
    ledger = Ledger(":memory:")
    ledger.add_stack(SIMULATED_STACK, folder=folder, world="simulation", run_owned=True)

    def lifecycle(notice: Notice) -> LifeCycle:
        return LifeCycle(world, ledger, SIMULATED_STACK, notice, monotonic=world.now)

    conductor = Conductor(world, experiment, posture, recorder, registry.fault, lifecycle, RunState())
    try:
        world.run(conductor.conduct())
    except KeyboardInterrupt:
        recorder.event(Event(round(world.now(), 6), "run", "interrupted"))
        return False
    finally:
        world.kernel.close()
        ledger.close()
        recorder.close()
    return True


def _conclude(experiment: Experiment, options: Options, folder: Path, controls: Controls) -> Result:
    claims = registry.claims(experiment.claims) if experiment.claims and controls else None
    result = conclude(folder, claims=claims, controls=controls)
    write_result(folder, result)
    return result


def _conclude_failed(folder: Path, experiment: Experiment, error: Exception) -> None:
    """The result of a run that `error` ended; where the run could not say so itself, its record is told here."""
    result = conclude(folder)
    if result.verdict not in ("harness-error", "unsafe"):
        events = read_history(folder).events
        at_s = events[-1].at_s if events else experiment.timeline.epoch_s()
        reason = error.message if isinstance(error, BrownoutError) else f"{type(error).__name__}: {error}"
        recorder = Recorder(folder)
        recorder.event(Event(at_s, "run", "aborted", detail={"reason": reason}))
        recorder.close()
        result = conclude(folder)
    write_result(folder, result)
    if isinstance(error, BrownoutError):
        error.run_folder = folder


class _Controls:
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
    _write_run_file(own, derived, quiet, control.posture, "")
    _simulate(derived, experiment.postures[control.posture], seed, own)
    write_result(own, conclude(own))


def _write_run_file(folder: Path, experiment: Experiment, options: Options, posture: str, source: str) -> None:
    """`run.json`: everything about the run that its history does not say, written before anything starts."""
    record = {
        "experiment": experiment.model_dump(mode="json", by_alias=True),
        "source": source,
        "world": options.world,
        "posture": posture,
        "seed": options.seed,
        "versions": versions(),
        "clock_rate": experiment.timeline.rate(options.world),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": options.command or _command(experiment, options, posture),
        "expected": options.expect,
        "parameters": {**experiment.settings, **experiment.postures[posture].settings},
    }
    beside = folder / ".run.json"
    beside.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2))
    beside.replace(folder / "run.json")  # whole or not at all, so that a folder that has it can be reported on


def _command(experiment: Experiment, options: Options, posture: str) -> str:
    words = ("brownout", "run", experiment.name, "--world", options.world, "--posture", posture, "--seed", str(options.seed))
    return shlex.join(words)


def versions() -> dict[str, str]:
    """What this run was made with."""
    return {
        "brownout": version("brownout"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "implementation": sys.implementation.name,
    }

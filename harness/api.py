"""Runs an experiment in a world and concludes it: what the command line, the pytest plugin and scripts call.

`run` is synchronous, returns an Outcome whose folder holds the whole record, and raises BrownoutError when the harness
itself could not go on (its `run_folder` then holds what happened, concluded as a harness error).
"""

from __future__ import annotations

import sys
from pathlib import Path

from brownout.harness.errors import BrownoutError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import Experiment, Posture
from brownout.harness.experiment.plugins import Controls
from brownout.harness.experiment.prepare import posture_of, stack_of
from brownout.harness.judge.conclude import conclude, write_result
from brownout.harness.record.history import Event, Recorder, read_history
from brownout.harness.record.progress import ProgressSink
from brownout.harness.record.result import Result
from brownout.harness.run.conductor import new_run_folder
from brownout.harness.run.controls import ControlRuns
from brownout.harness.run.header import write_run_file
from brownout.harness.run.options import Options, Outcome
from brownout.harness.run.simulated import simulate
from brownout.harness.worlds.catalog import SIMULATION, check_able, live_world

__all__ = ["Options", "Outcome", "check_abilities", "run"]


def run(experiment: Experiment, options: Options, *, sink: ProgressSink | None = None, source: str = "") -> Outcome:
    """Carries the experiment out; raises UsageError before anything is started, BrownoutError when the harness failed.

    Ctrl-C ends the run early: everything is reverted, and the outcome is `interrupted`.
    """
    posture_name, posture = posture_of(experiment, options.posture)
    check_abilities(experiment, options.world)
    stack_of(experiment, posture, seed=options.seed)  # what is wrong with the settings is said before anything starts
    _prepare(options)
    folder = new_run_folder(options.out, f"{experiment.name}-{options.world}-{posture_name}-{options.seed}")
    write_run_file(folder, experiment, options, posture_name, source)
    try:
        with ControlRuns(experiment, options, folder) as controls:
            if options.world == SIMULATION:
                controls.start()
                completed = simulate(experiment, posture, options.seed, folder)
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
        check_able(step.fault, plugins.fault(step.fault, step.with_).needs, world)


def _conclude(experiment: Experiment, options: Options, folder: Path, controls: Controls) -> Result:
    claims = plugins.claims(experiment.claims) if experiment.claims and controls else None
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

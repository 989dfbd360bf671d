"""Runs an experiment in a world and evaluates it: what the command line, the pytest plugin and scripts call.

`run` is synchronous and returns an Outcome whose folder holds the whole record. It raises BrownoutError when the harness
itself could not go on; the error's `run_folder` then holds what happened, evaluated as a harness error. `prepare` and
`carry_out` are its two halves, for callers that want to look at a run before it starts.
"""

from __future__ import annotations

import errno
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from brownout.harness.base.halt import require_lifted
from brownout.harness.base.statedir import existing_state_dir, state_dir
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.evaluate import evaluate, write_result
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.history import Event, Recorder, RecordLost, read_history
from brownout.harness.record.observer import Observers, RunObserver
from brownout.harness.record.progress import ProgressSink
from brownout.harness.record.result import Result
from brownout.harness.run.controls import ControlRuns
from brownout.harness.run.header import new_run_folder, write_run_file
from brownout.harness.run.options import Options, Outcome
from brownout.harness.run.prepare import PreparedRun, at_present, prepare, require_short, wants_canaries
from brownout.harness.run.simulated import simulate
from brownout.harness.worlds.catalog import SIMULATION, live_world
from brownout.harness.worlds.needs import require_for_run

__all__ = ["Options", "Outcome", "PreparedRun", "carry_out", "prepare", "refusals", "run"]

_OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
Meanwhile = Callable[[], object]


def run(experiment: Experiment, options: Options, *, sink: ProgressSink | None = None, source: str = "") -> Outcome:
    """Prepares the experiment and carries it out; raises what `prepare` and `carry_out` raise."""
    return carry_out(prepare(experiment, options, source=source), sink=sink)


def carry_out(
    prepared: PreparedRun,
    *,
    sink: ProgressSink | None = None,
    meanwhile: Meanwhile | None = None,
    observers: Iterable[RunObserver] = (),
) -> Outcome:
    """Carries a prepared run out; raises UsageError before anything is started, BrownoutError when the harness failed.

    `meanwhile` is called once the run itself is over, while its control runs are still simulated in other processes: for
    what the caller will need next. `observers` hear the run's events, and none can fail it.

    Ctrl-C ends the run early: everything is reverted, and the outcome is `interrupted`.
    """
    require_main_thread(prepared.options.world)
    _require_machine(prepared)
    if prepared.experiment.subject is not None:
        now_s = time.time()  # moved again once the application is ready
        prepared = at_present(prepared, now_s, ready_s=now_s + prepared.experiment.subject.ready_within_s)
    folder = new_run_folder(prepared)
    heard = Observers(observers, _tell)
    try:
        write_run_file(folder, prepared)
        heard.begin(folder)
        with ControlRuns(prepared, folder) as controls:
            if prepared.options.world == SIMULATION:
                controls.start()
                completed = simulate(prepared, folder, heard=heard.event)
            else:
                completed = _run_live(prepared, folder, sink, heard)
            if completed:
                controls.start()
            if completed and meanwhile is not None:
                meanwhile()
            result, unsaved = _evaluate(prepared, folder, controls if completed else None)
    except Exception as error:
        told = _of_the_disk(error, folder)
        _evaluate_failed(prepared, folder, told)
        heard.end(read_result(folder))
        if told is error:
            raise
        raise told from error
    heard.end(result)
    return Outcome(result, folder, interrupted=not completed, unsaved=unsaved)


def require_main_thread(world: str) -> None:
    """Raises UsageError where a run in a live world could not hear Ctrl-C, which has to revert its faults.

    That is in another thread than the main one, and inside of a running event loop, as in an async test. A simulation runs
    anywhere.
    """
    if world == SIMULATION:
        return
    import asyncio  # takes a moment, which a simulation need not pay

    hint = "ask for the run in a test or fixture that is neither async nor in a thread of its own; simulations run anywhere"
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(f"a run in world {world} needs the main thread, which alone hears Ctrl-C", hint=hint)
    with suppress(RuntimeError):  # there is none, as it should be
        asyncio.get_running_loop()
        raise UsageError(f"a run in world {world} has an event loop of its own, and one runs here already", hint=hint)


def _of_the_disk(error: Exception, folder: Path) -> Exception:
    """RecordLost for an error of the run folder's disk, any other as it is."""
    if isinstance(error, OSError) and error.errno in _OF_A_DISK:
        return RecordLost(folder, error.strerror or str(error))
    return error


def refusals(prepared: PreparedRun) -> tuple[BrownoutError, ...]:
    """Everything for which `carry_out` would refuse the run on this machine at this moment; starts and builds nothing."""
    found: list[BrownoutError] = []
    for check in _checks(prepared, build=False):
        try:
            check()
        except BrownoutError as error:
            found.append(error)
    return tuple(found)


def _require_machine(prepared: PreparedRun) -> None:
    """Looks up what a run needs of the machine, before it has a folder; raises the first refusal."""
    for check in _checks(prepared, build=True):
        check()


def _checks(prepared: PreparedRun, *, build: bool) -> Iterator[Callable[[], object]]:
    """Each look at whether the run may begin, which raises BrownoutError when it may not. A simulation always may."""
    options = prepared.options
    if options.world == SIMULATION:
        return
    from brownout.harness.load.driver import require_free, require_packages
    from brownout.harness.subject.environment import require_startable

    state = state_dir() if build else existing_state_dir()
    yield lambda: require_short(prepared)
    if state is not None:
        yield partial(require_lifted, state)
    yield lambda: require_packages(canaries=wants_canaries(prepared))
    if prepared.experiment.subject is not None:
        yield partial(require_startable, prepared.experiment.subject, prepared.load.cohorts, options.world)
    if options.dashboard_port is not None:
        yield partial(require_free, options.dashboard_port)
    kind = live_world(options.world)
    yield lambda: kind.prepare(_tell) if build else kind.look(_tell)
    needs = partial(require_for_run, options.world, prepared.stack, prepared.load, rate=prepared.rate)
    yield lambda: needs(folder=options.out, state=state or options.out)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - says what will be used


def _run_live(prepared: PreparedRun, folder: Path, sink: ProgressSink | None, heard: Observers) -> bool:
    """One run in a live world; False when it was interrupted, at whatever point."""
    from brownout.harness.run.live_session import run_live  # it brings asyncio, HTTP and cryptography with it

    try:
        return run_live(prepared, folder, sink=sink, heard=heard.event, traceparent=heard.traceparent())
    except KeyboardInterrupt:  # before the session listened for interrupts, or after
        return False


def _evaluate(prepared: PreparedRun, folder: Path, controls: ControlRuns | None) -> tuple[Result, tuple[str, ...]]:
    """The result, and what of it could not be saved. The run itself is evaluated while its control runs are still under way."""
    name = prepared.experiment.claims
    if name and controls is not None and controls.are_wanted:
        result = evaluate(folder, claims=plugins.claims(name), controls=controls.results)
    else:
        result = evaluate(folder)
    if controls is not None:
        controls.results()  # whether or not there are claims: they are a part of the run's folder
    try:
        write_result(folder, result)
    except OSError as error:
        return result, (f"no result.json in {folder}: {error.strerror}; `brownout report {folder}` makes it",)
    return result, ()


def _evaluate_failed(prepared: PreparedRun, folder: Path, error: Exception) -> None:
    """Evaluates a run that `error` ended, as far as its record allows, and sets the error's `run_folder` then."""
    try:
        _record_failed(prepared, folder, error)
    except (OSError, BrownoutError):  # the record is lost too; what ended the run is what has to be told
        return
    if isinstance(error, BrownoutError):
        error.run_folder = folder


def _record_failed(prepared: PreparedRun, folder: Path, error: Exception) -> None:
    """Evaluates, after recording the error where the run itself could not."""
    result = evaluate(folder)
    if result.verdict not in ("harness-error", "unsafe"):
        events = read_history(folder).events
        at_s = events[-1].at_s if events else prepared.experiment.timeline.epoch_s()
        reason = error.message if isinstance(error, BrownoutError) else f"{type(error).__name__}: {error}"
        recorder = Recorder(folder)
        recorder.event(Event(at_s, "run", "aborted", detail={"reason": reason}))
        recorder.close()
        recorder.require_whole()
        result = evaluate(folder)
    write_result(folder, result)

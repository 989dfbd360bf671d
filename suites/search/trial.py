"""One schedule carried out in the simulation, and what it violated.

It is the run that `brownout run` makes: the same conductor, life cycle, ledger and judgement. Only what a report needs is left
out, so the same schedule gives the same history byte for byte.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from brownout.harness.errors import AbilityMissing, BrownoutError, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.checks import CheckedExperiment, checked, scheduled
from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.evaluate import Failures, evaluate_record, failures
from brownout.harness.judge.run_folder import Record, RunHeader
from brownout.harness.record.history import History
from brownout.harness.record.result import Result, StepResult
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import PreparedRun, prepare
from brownout.harness.run.simulated import simulate_in_memory
from brownout.suites.search.allowed import why_allowed
from brownout.suites.search.grounds import Ground
from brownout.suites.search.schedule import FaultSchedule, experiment_of, steps_of

TOLD_BY_STEPS = "healed"  # the gate for faults that were not seen to be gone; its steps say which


@dataclass(frozen=True, slots=True)
class BrokenProperty:
    """A property that did not hold: `invariant:`, `objective:` or `gate:NAME`, `lost:` or `stuck:FAULT`, `crash:ERROR`."""

    broken: str
    evidence: str


@dataclass(frozen=True)
class Trial:
    """What came of a schedule. `allowed` has the violations that are expected by design, each with the reason.

    `record` is None where the schedule could not be carried out (`refused` says why) or ended in an error of ours.
    """

    violations: tuple[BrokenProperty, ...] = ()
    allowed: tuple[tuple[BrokenProperty, str], ...] = ()
    refused: str = ""
    record: Record | None = None

    @cached_property
    def result(self) -> Result | None:
        """All that a run's report would say of it; evaluated when it is asked for, because a search asks for a few alone."""
        return None if self.record is None else evaluate_record(self.record)

    def has(self, broken: str) -> bool:
        return any(each.broken == broken for each in self.violations)


def carried_out(schedule: FaultSchedule, ground: Ground) -> Trial:
    """Carries the schedule out in this process, in less than a tenth of a second; raises KeyboardInterrupt."""
    try:
        sound = _without_acts(ground, schedule.cohorts, schedule.planted)
        experiment = sound.experiment.model_copy(update={"schedule": steps_of(schedule, ground.experiment)})
        checked_one = scheduled(sound, experiment, plugins.faults())
    except UsageError as wrong:
        return Trial(refused=wrong.message)
    return tried(checked_one, seed=schedule.seed, kinds=schedule.kinds())


@lru_cache(maxsize=256)  # a chunk's schedules have their clients in common, and so have those of a shrinking
def _without_acts(ground: Ground, cohorts: tuple[str, ...], planted: tuple[str, ...]) -> CheckedExperiment:
    """The ground with these clients and bugs; raises UsageError."""
    bare = FaultSchedule(ground=ground.name, seed=0, acts=(), cohorts=cohorts, planted=planted)
    return checked(experiment_of(bare, ground.experiment), plugins.faults())


def tried(experiment: Experiment | CheckedExperiment, *, seed: int, kinds: tuple[str, ...]) -> Trial:
    """Carries an experiment out in this process and says what it violated."""
    with _collected_once():
        return _tried(experiment, seed=seed, kinds=kinds)


@contextmanager
def _collected_once() -> Iterator[None]:
    """Cyclic garbage of the block is collected at its end alone, and nothing older is looked at.

    A trial makes a stack and drops it whole. Collections meanwhile find little, and those of the oldest generation look at
    every imported module: they take a tenth of a search.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)
        gc.enable()


def _tried(experiment: Experiment | CheckedExperiment, *, seed: int, kinds: tuple[str, ...]) -> Trial:
    try:
        prepared = prepare(experiment, Options(seed=seed, controls=False))
    except (UsageError, AbilityMissing) as wrong:
        return Trial(refused=wrong.message)
    try:
        history = simulate_in_memory(prepared)
        if history is None:
            raise KeyboardInterrupt  # which ends a simulation in order, and is the campaign's to hear
        record = _record(prepared, history)
        found = tuple(_violations(failures(record)))
    except BrownoutError as error:
        return _judged((BrokenProperty(f"crash:{type(error).__name__}", error.message),), kinds)
    except Exception as error:  # whatever it is, it is what a search is for
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{error} ({Path(where.filename).name}:{where.lineno})"
        return _judged((BrokenProperty(f"crash:{type(error).__name__}", what),), kinds)
    return _judged(found, kinds, record)


def _record(prepared: PreparedRun, history: History) -> Record:
    header = RunHeader(
        experiment=prepared.experiment,
        world=prepared.options.world,
        posture=prepared.posture,
        seed=prepared.options.seed,
        versions={},
        clock_rate=prepared.rate,
        started_at="",
        command="",
        parameters=prepared.stack.settings,
    )
    return Record(header, history)


def _violations(found: Failures) -> Iterator[BrokenProperty]:
    for invariant in found.invariants:
        yield BrokenProperty(f"invariant:{invariant.name}", invariant.evidence)
    for slo in found.slos:
        yield BrokenProperty(f"objective:{slo.name}", slo.reason)
    for gate in found.gates:
        if gate.name != TOLD_BY_STEPS:
            yield BrokenProperty(f"gate:{gate.name}", gate.reason)
    for step in found.steps:
        if step.lost:
            yield BrokenProperty(f"lost:{step.fault}", f"{step.describe}: {step.lost}")
        if step.state == "stuck":
            what = "stuck" if _was_alone(step, found.steps) else "stuck-beside"
            yield BrokenProperty(f"{what}:{step.fault}", step.evidence)


def _was_alone(step: StepResult, steps: Iterable[StepResult]) -> bool:
    """Whether no other act was in place when this one was reverted: one that was may have kept its heal from being seen."""
    at_s = step.released_s
    if at_s is None:
        return True
    for other in steps:
        begin_s, end_s = other.applied_s, other.released_s
        if other is not step and begin_s is not None and begin_s <= at_s and (end_s is None or end_s >= at_s):
            return False
    return True


def _judged(found: tuple[BrokenProperty, ...], kinds: tuple[str, ...], record: Record | None = None) -> Trial:
    allowed = tuple((each, reason) for each in found if (reason := why_allowed(each.broken, kinds)))
    excluded = {each.broken for each, _ in allowed}
    return Trial(tuple(each for each in found if each.broken not in excluded), allowed, record=record)

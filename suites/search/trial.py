"""One schedule carried out in the simulation, and what it violated.

It is the run that `brownout run` makes: the same conductor, life cycle, ledger and judgement. Only what a report needs is left
out, so the same schedule gives the same history byte for byte.
"""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.errors import AbilityMissing, BrownoutError, UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import Record, RunHeader, history_digest
from brownout.harness.record.history import read_history
from brownout.harness.record.result import Result, StepResult
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import PreparedRun, prepare
from brownout.harness.run.simulated import simulate
from brownout.suites.search.allowed import why_allowed
from brownout.suites.search.grounds import Ground
from brownout.suites.search.schedule import FaultSchedule, experiment_of

TOLD_BY_STEPS = "healed"  # the gate for faults that were not seen to be gone; its steps say which


@dataclass(frozen=True, slots=True)
class BrokenProperty:
    """A property that did not hold: `invariant:`, `objective:` or `gate:NAME`, `lost:` or `stuck:FAULT`, `crash:ERROR`."""

    broken: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a schedule. `allowed` has the violations that are expected by design, each with the reason.

    `result` is None where the schedule could not be carried out (`refused` says why) or ended in an error of ours.
    """

    violations: tuple[BrokenProperty, ...] = ()
    allowed: tuple[tuple[BrokenProperty, str], ...] = ()
    refused: str = ""
    result: Result | None = None

    def has(self, broken: str) -> bool:
        return any(each.broken == broken for each in self.violations)


def carried_out(schedule: FaultSchedule, ground: Ground) -> Trial:
    """Carries the schedule out in this process, in about a tenth of a second; raises KeyboardInterrupt."""
    return tried(experiment_of(schedule, ground.experiment), seed=schedule.seed, kinds=schedule.kinds())


def tried(experiment: Experiment, *, seed: int, kinds: tuple[str, ...]) -> Trial:
    """Carries an experiment out in this process and says what it violated."""
    try:
        prepared = prepare(experiment, Options(seed=seed, controls=False))
    except (UsageError, AbilityMissing) as wrong:
        return Trial(refused=wrong.message)
    folder = Path(tempfile.mkdtemp(prefix="brownout-search-"))
    try:
        if not simulate(prepared, folder):
            raise KeyboardInterrupt  # which ends a simulation in order, and is the campaign's to hear
        result = evaluate_record(_record(prepared, folder))
    except BrownoutError as error:
        return _judged((BrokenProperty(f"crash:{type(error).__name__}", error.message),), kinds)
    except Exception as error:  # whatever it is, it is what a search is for
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{error} ({Path(where.filename).name}:{where.lineno})"
        return _judged((BrokenProperty(f"crash:{type(error).__name__}", what),), kinds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _judged(tuple(_violations(result)), kinds, result)


def _record(prepared: PreparedRun, folder: Path) -> Record:
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
    return Record(header, read_history(folder), digest=history_digest(folder))


def _violations(result: Result) -> Iterator[BrokenProperty]:
    for invariant in result.invariants:
        if invariant.status == "violated":
            yield BrokenProperty(f"invariant:{invariant.name}", invariant.evidence)
    for slo in result.slos:
        if slo.status == "breached":
            yield BrokenProperty(f"objective:{slo.name}", slo.reason)
    for gate in result.gates:
        if not gate.passed and gate.severity != "inconclusive" and gate.name != TOLD_BY_STEPS:
            yield BrokenProperty(f"gate:{gate.name}", gate.reason)
    for step in result.steps:
        if step.lost:
            yield BrokenProperty(f"lost:{step.fault}", f"{step.describe}: {step.lost}")
        if step.state == "stuck":
            what = "stuck" if _was_alone(step, result) else "stuck-beside"
            yield BrokenProperty(f"{what}:{step.fault}", step.evidence)


def _was_alone(step: StepResult, result: Result) -> bool:
    """Whether no other act was in place when this one was reverted: one that was may have kept its heal from being seen."""
    at_s = step.released_s
    if at_s is None:
        return True
    for other in result.steps:
        begin_s, end_s = other.applied_s, other.released_s
        if other is not step and begin_s is not None and begin_s <= at_s and (end_s is None or end_s >= at_s):
            return False
    return True


def _judged(found: tuple[BrokenProperty, ...], kinds: tuple[str, ...], result: Result | None = None) -> Trial:
    allowed = tuple((each, reason) for each in found if (reason := why_allowed(each.broken, kinds)))
    excluded = {each.broken for each, _ in allowed}
    return Trial(tuple(each for each in found if each.broken not in excluded), allowed, result=result)

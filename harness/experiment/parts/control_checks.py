"""Control runs of an experiment: their names, times, and what they bring of their own."""

from __future__ import annotations

from collections.abc import Iterator

from brownout.harness.base.durations import clock_text
from brownout.harness.base.pydantic_errors import DataPath, Problem
from brownout.harness.errors import UsageError
from brownout.harness.experiment.load_plan import load_plan
from brownout.harness.experiment.model import ControlRun, Experiment
from brownout.harness.experiment.parts.cohort_checks import check_cohort, check_rates, unknown
from brownout.harness.experiment.stack import stack_of, with_additions
from brownout.harness.experiment.steps import control_schedule


def check_controls(experiment: Experiment) -> Iterator[Problem]:
    """Problems of names and times, and of the cohorts and machines that a control run has."""
    names = [step.name for step in experiment.schedule]
    for name, control in experiment.controls.items():
        path: DataPath = ("controls", name)
        if control.posture not in experiment.postures:
            yield unknown((*path, "posture"), "posture", control.posture, experiment.postures)
        for index, dropped in enumerate(control.drop):
            if dropped not in names:
                yield unknown((*path, "drop", index), "step", dropped, names)
        for index, step in enumerate(control.add):
            if step.name in names and step.name not in control.drop:
                text = f"there is already a step called {step.name!r}"
                yield Problem((*path, "add", index, "name"), text, "drop it, or rename this")
        yield from _times(path, experiment, control)
        yield from _kept_cohorts((*path, "cohorts"), experiment, control)
        yield from _added_machines((*path, "add_machines"), experiment, control)
        yield from _added_cohorts((*path, "add_cohorts"), experiment, control)


def check_added_load(experiment: Experiment) -> Iterator[Problem]:
    """Problems that the cohorts of a control run have with its machines; everything else must be sound."""
    for name, control in experiment.controls.items():
        if not control.add_cohorts:
            continue
        stack = stack_of(with_additions(experiment, control), seed=0)
        for index, cohort in enumerate(control.add_cohorts):
            alone = experiment.model_copy(update={"load": experiment.load.model_copy(update={"cohorts": (cohort,)})})
            try:
                load_plan(alone, stack)
            except UsageError as wrong:
                text = wrong.message.removeprefix(f"cohort {cohort.name}: ")
                yield Problem(("controls", name, "add_cohorts", index, "machines"), text, wrong.hint)


def _times(path: DataPath, experiment: Experiment, control: ControlRun) -> Iterator[Problem]:
    line = experiment.timeline
    fault = line.fault if control.fault is None else control.fault
    recovery = line.recovery if control.recovery is None else control.recovery
    end = line.end if control.end is None else control.end
    own = [key for key in ("end", "recovery", "fault") if getattr(control, key) is not None]
    if own and not line.baseline < fault < recovery < end <= line.end:
        span = f"fault {clock_text(fault)} and recovery {clock_text(recovery)}"
        yield Problem((*path, own[0]), f"{span} must lie in that order between baseline and end")
    elif cut := next((step for step in control_schedule(experiment, control) if (step.until or 0) > end), None):
        yield Problem((*path, "end"), f"step {cut.name!r} would still be in place", f"end it later, or drop {cut.name}")


def _kept_cohorts(path: DataPath, experiment: Experiment, control: ControlRun) -> Iterator[Problem]:
    names = [cohort.name for cohort in experiment.load.cohorts]
    for index, name in enumerate(control.cohorts or ()):
        if name not in names:
            yield unknown((*path, index), "cohort", name, names)
    if control.cohorts == () and not control.add_cohorts:
        yield Problem(path, "no cohort is left, and a run without load measures nothing", "name one, or add one")


def _added_machines(path: DataPath, experiment: Experiment, control: ControlRun) -> Iterator[Problem]:
    for name in control.add_machines:
        if name in experiment.machines:
            yield Problem((*path, name), f"the experiment has machines called {name!r} already", "rename these", at_key=True)
            return
    if not control.add_machines:
        return
    try:
        stack_of(with_additions(experiment, control), seed=0)
    except UsageError as wrong:
        named = next((name for name in control.add_machines if wrong.message.startswith(f"machines.{name}: ")), "")
        place = (*path, named) if named else path
        yield Problem(place, wrong.message.removeprefix(f"machines.{named}: "), wrong.hint)
    except (TypeError, ValueError) as wrong:
        yield Problem(path, str(wrong))


def _added_cohorts(path: DataPath, experiment: Experiment, control: ControlRun) -> Iterator[Problem]:
    taken, line = [cohort.name for cohort in experiment.load.cohorts], experiment.timeline
    yield from check_rates(path, control.add_cohorts, max(0, line.end - line.baseline))
    for index, cohort in enumerate(control.add_cohorts):
        if cohort.name in taken:
            text = f"there is already a cohort called {cohort.name!r}"
            yield Problem((*path, index, "name"), text, "give each its own name")
        taken.append(cohort.name)
        yield from check_cohort((*path, index), cohort, experiment.stack.regions)

"""Checks of an experiment file whose values all have the right type: names that exist, times in order, rules that agree.

Each check yields Problems with their paths in the file, never raises, and looks at the data alone. Settings, machines and
cohorts are tried piece by piece on the code that will build the stack from them, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brownout.harness.base.durations import clock_text
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.pydantic_errors import DataPath, Problem, explain
from brownout.harness.base.stats import budget
from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.fault_files import fault_in, is_file_name
from brownout.harness.experiment.load_plan import load_plan
from brownout.harness.experiment.model import Alert, Experiment, Selector, Step
from brownout.harness.experiment.parts.blast_radius import check_blast_radius
from brownout.harness.experiment.parts.cohort_checks import check_cohort, check_rates, unknown
from brownout.harness.experiment.parts.control_checks import check_added_load, check_controls
from brownout.harness.experiment.parts.phase_checks import check_phases
from brownout.harness.experiment.parts.subject_checks import check_subject_file, check_subject_machine
from brownout.harness.experiment.stack import check_stack, stack_of
from brownout.harness.experiment.steps import ResolvedStep
from brownout.harness.fault import Fault
from brownout.harness.load.arrivals import operations_of
from brownout.harness.worlds.catalog import WORLDS
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import StackSpec

Faults = Mapping[str, type[Fault]]

ALERT_WINDOW_MIN_S = 1.0
DEADLINE_MIN_S, DEADLINE_MAX_S = 0.001, 600.0

_BORDERS = ("warm_up", "baseline", "fault", "recovery", "end")


@dataclass(frozen=True, slots=True)
class CheckedExperiment:
    """A sound experiment, and the steps of its schedule and of its control runs with their faults."""

    experiment: Experiment
    steps: tuple[ResolvedStep, ...]


def checked(experiment: Experiment, faults: Faults) -> CheckedExperiment:
    """An experiment that was made or derived in code, checked as a file is; raises UsageError with every mistake.

    Every value is validated once more: whatever was done to a part (`model_construct`), what enters a run may stand in a file.
    """
    try:
        whole = Experiment.model_validate(experiment.model_dump(by_alias=True, warnings="none"))
        problems, steps = check(whole, faults)
    except ValidationError as error:
        problems, steps = explain(error, Experiment.model_json_schema(by_alias=True)), ()
    _refuse(experiment, problems)
    return CheckedExperiment(experiment, steps)


def _refuse(experiment: Experiment, problems: Sequence[Problem]) -> None:
    """Raises UsageError with every problem, if there is one."""
    if problems:
        hints = "; ".join(problem.hint for problem in problems if problem.hint)
        raise UsageError(f"experiment {experiment.name}: " + "; ".join(map(str, problems)), hint=hints)


def scheduled(sound: CheckedExperiment, experiment: Experiment, faults: Faults) -> CheckedExperiment:
    """An experiment that is the sound one but for its schedule and the borders of its timeline, which alone are checked.

    For the many schedules of a search on one ground: raises UsageError as `checked` does. Its steps were validated when they
    were made.
    """
    built: dict[DataPath, ResolvedStep] = {}
    found = [problem for rule in _OF_SCHEDULES for problem in rule(experiment)]
    found += _fault_problems(experiment, faults, built)
    if not found:
        stack = stack_of(experiment, seed=0)
        found += (*_targets(built, stack), *check_phases(experiment))
    if not found:
        found += check_blast_radius(experiment, built, stack)
    _refuse(experiment, found)
    rest = (name for name in Experiment.model_fields if name not in ("schedule", "timeline"))
    assert all(getattr(experiment, name) == getattr(sound.experiment, name) for name in rest), "the rest is what was checked"
    return CheckedExperiment(experiment, tuple(built.values()))


def check(experiment: Experiment, faults: Faults) -> tuple[tuple[Problem, ...], tuple[ResolvedStep, ...]]:
    """Every problem of the experiment, given the faults that are installed, and every step whose fault could be built."""
    # every region and machine that the file names is looked up in its stack: first that
    found = list(check_stack(experiment)) or [problem for rule in _RULES for problem in rule(experiment)]
    built: dict[DataPath, ResolvedStep] = {}
    found += _fault_problems(experiment, faults, built)
    if not found:  # what follows needs machines, cohorts, settings and faults that are sound by themselves
        stack = stack_of(experiment, seed=0)
        found += (*_cohort_machines(experiment, stack), *check_subject_machine(experiment, stack), *_targets(built, stack))
        found += (*check_phases(experiment), *check_added_load(experiment), *_whole_settings(experiment))
    if not found:  # every target is there
        found += check_blast_radius(experiment, built, stack)
    return tuple(found), tuple(built.values())


def _timeline(experiment: Experiment) -> Iterator[Problem]:
    line = experiment.timeline
    for before, after in pairwise(_BORDERS):
        first, second = getattr(line, before), getattr(line, after)
        if first > second or (first == second and before != "warm_up"):
            text = f"{after} ({clock_text(second)}) must be later than {before} ({clock_text(first)})"
            yield Problem(("timeline", after), text, "an experiment lies within one emulated day")
    shortest = min(line.recovery - line.fault, line.end - line.recovery)
    if 0 < shortest <= line.edge_s:
        text = f"{line.edge_s:g} s leave nothing of a phase that is {shortest} s long"
        yield Problem(("timeline", "edge"), text, "onset and heal are cut from the start of fault and of recovery")
    for world in line.rates:
        if world not in WORLDS:
            problem = unknown(("timeline", "rates", world), "world", world, WORLDS)
            yield Problem(problem.path, problem.text, problem.hint, at_key=True)


def _postures(experiment: Experiment) -> Iterator[Problem]:
    if experiment.posture not in experiment.postures:
        yield unknown(("posture",), "posture", experiment.posture, experiment.postures)
    steps = [step.name for _, step in _all_steps(experiment)]
    faults = {step.name for _, step in _all_steps(experiment) if step.role == "fault"}
    for name, posture in experiment.postures.items():
        for index, step in enumerate(posture.defends):
            if step not in steps:
                yield unknown(("postures", name, "defends", index), "step", step, steps)
        for index, step in enumerate(posture.skips):
            if step not in steps:
                yield unknown(("postures", name, "skips", index), "step", step, steps)
            elif step in faults:
                text = f"step {step!r} is a fault, and a posture that is spared the fault proves nothing"
                yield Problem(("postures", name, "skips", index), text, "skip mitigations and operations only")


def fault_names(experiment: Experiment) -> frozenset[str]:
    """What its steps call their faults, those of its control runs too: kinds and files."""
    return frozenset(step.fault for _, step in _all_steps(experiment))


def _all_steps(experiment: Experiment) -> Iterator[tuple[DataPath, Step]]:
    for index, step in enumerate(experiment.schedule):
        yield ("schedule", index), step
    for name, control in experiment.controls.items():
        for index, step in enumerate(control.add):
            yield ("controls", name, "add", index), step


def _steps(experiment: Experiment) -> Iterator[Problem]:
    line = experiment.timeline
    for path, step in _all_steps(experiment):
        if not line.warm_up <= step.at < line.end:
            span = f"{clock_text(line.warm_up)} to {clock_text(line.end)}"
            yield Problem((*path, "at"), f"{clock_text(step.at)} is outside the timeline, {span}")
        if step.until is not None and not step.at < step.until <= line.end:
            text = f"until {clock_text(step.until)} must be later than at {clock_text(step.at)} and within the timeline"
            yield Problem((*path, "until"), text)
        yield from _exposure(path, step)
        yield from _needs(path, step, experiment)
    yield from _twice(("schedule",), "step", [step.name for step in experiment.schedule])


def _exposure(path: DataPath, step: Step) -> Iterator[Problem]:
    if step.exposure == "none-expected" and not step.exposure_reason.strip():
        text = "a step that no request is expected to need says why, in exposure_reason"
        yield Problem((*path, "exposure"), text, 'such as exposure_reason: "clients of Sydney never use Melbourne\'s store"')
    if step.exposure == "required" and step.exposure_reason:
        yield Problem((*path, "exposure_reason"), "a reason belongs to exposure: none-expected")


def _needs(path: DataPath, step: Step, experiment: Experiment) -> Iterator[Problem]:
    if step.needs is None:
        return
    earlier = {other.name for _, other in _all_steps(experiment) if other.at < step.at}
    if step.needs not in earlier:
        problem = unknown((*path, "needs"), "earlier step", step.needs, earlier)
        yield Problem(problem.path, problem.text, problem.hint or "no step is earlier than this one")


def _twice(path: DataPath, what: str, names: list[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name in names[:index]:
            text = f"there is already a {what} called {name!r}"
            yield Problem((*path, index, "name"), text, "give each its own name")


def _load(experiment: Experiment) -> Iterator[Problem]:
    load, line = experiment.load, experiment.timeline
    if not DEADLINE_MIN_S <= load.deadline_s <= DEADLINE_MAX_S:
        text = f"{load.deadline_s:g} s is no deadline for a request"
        yield Problem(("load", "deadline"), text, f"from {DEADLINE_MIN_S * 1000:g} ms to {DEADLINE_MAX_S:g} s, such as 2s")
    yield from check_rates(("load", "cohorts"), load.cohorts, max(0, line.end - line.baseline))


def _cohorts(experiment: Experiment) -> Iterator[Problem]:
    cohorts = experiment.load.cohorts
    yield from _twice(("load", "cohorts"), "cohort", [cohort.name for cohort in cohorts])
    for index, cohort in enumerate(cohorts):
        path: DataPath = ("load", "cohorts", index)
        yield from check_cohort(path, cohort, experiment.stack.regions)


def _objectives(experiment: Experiment) -> Iterator[Problem]:
    yield from _twice(("slos",), "objective", [slo.name for slo in experiment.slos])
    for index, slo in enumerate(experiment.slos):
        path: DataPath = ("slos", index, "indicator", "ratioMetric", "total")
        yield from _selector(experiment, path, slo.indicator.ratioMetric.total)
        yield from _within(experiment, path[:-1], slo.indicator.ratioMetric.good.within_s)
        if not slo.phases:
            yield Problem(("slos", index, "phases"), "an objective is judged over at least one phase")


def _within(experiment: Experiment, path: DataPath, within_s: float | None) -> Iterator[Problem]:
    deadline_s = experiment.load.deadline_s
    if within_s is not None and deadline_s >= DEADLINE_MIN_S and not 0 < within_s <= deadline_s:
        text = f"{within_s:g} s is no limit for requests that end after {deadline_s:g} s at the latest"
        yield Problem((*path, "good", "within"), text, f"above 0 and at most the deadline of the load ({deadline_s:g} s)")


def _alerts(experiment: Experiment) -> Iterator[Problem]:
    for name, alert in experiment.alerts.items():
        yield from _selector(experiment, ("alerts", name, "of"), alert.of)
        yield from _alert_rule(("alerts", name), alert)


def _alert_rule(path: DataPath, alert: Alert) -> Iterator[Problem]:
    if alert.short_s < ALERT_WINDOW_MIN_S:
        text = f"{alert.short_s:g} s is no window to count requests in"
        yield Problem((*path, "short"), text, f"at least {ALERT_WINDOW_MIN_S:g} s")
    elif not alert.short_s < alert.long_s:
        yield Problem((*path, "short"), f"{alert.short_s:g} s must be shorter than the long window of {alert.long_s:g} s")
    threshold = alert.burn * budget(alert.target)
    if threshold >= 1:
        product = f"burn {alert.burn:g} x (1 - {alert.target:g}) is {threshold:.3g}"
        text = f"this alert can never fire: {product}, and no bad ratio is above 1"
        yield Problem((*path, "burn"), text, f"with that target burn must be below {1 / budget(alert.target):g}")


def _selector(experiment: Experiment, path: DataPath, selector: Selector) -> Iterator[Problem]:
    cohorts = {cohort.name: cohort for cohort in experiment.load.cohorts}
    chosen = [cohorts[name] for name in selector.cohorts if name in cohorts] or list(cohorts.values())
    operations = {operation for cohort in chosen for operation in operations_of(cohort)}
    words: tuple[tuple[str, str, tuple[str, ...], Iterable[str]], ...] = (
        ("cohorts", "cohort", selector.cohorts, cohorts),
        ("operations", "operation of these cohorts", selector.operations, operations),
        ("regions", "region", selector.regions, experiment.stack.regions),
        ("homes", "region", selector.homes, experiment.stack.regions),
    )
    for key, what, given, options in words:
        for index, word in enumerate(given):
            if word not in options:
                yield unknown((*path, key, index), what, word, options)


def _settings(experiment: Experiment) -> Iterator[Problem]:
    tables: list[tuple[DataPath, Mapping[str, Any]]] = [(("settings",), experiment.settings)]
    tables += [(("postures", name, "settings"), posture.settings) for name, posture in experiment.postures.items()]
    tables += [(("controls", name, "settings"), control.settings) for name, control in experiment.controls.items()]
    for path, table in tables:
        for name, value in table.items():
            try:
                Settings.of({name: value})
            except ValueError as wrong:
                text, _, hint = str(wrong).partition("; ")
                yield Problem((*path, name), text, hint, at_key=hint != "")


def _whole_settings(experiment: Experiment) -> Iterator[Problem]:
    """Problems that settings have with the stack, or with each other: each set that a run takes is tried as a run takes it."""
    tables = [(("postures", name, "settings"), posture.settings) for name, posture in experiment.postures.items()]
    for name, control in experiment.controls.items():
        tables.append((("controls", name, "settings"), {**control.settings, **experiment.postures[control.posture].settings}))
    for path, table in tables:
        try:
            stack_of(experiment, seed=0, settings={**experiment.settings, **table})
        except UsageError as wrong:
            text = wrong.message.removeprefix("settings: ")
            named = next((name for name in table if text.startswith(name)), None)
            common = next((name for name in experiment.settings if text.startswith(name)), None)
            place = (*path, named) if named else ("settings", common) if common else path
            yield Problem(place, text, wrong.hint)


def _machines(experiment: Experiment) -> Iterator[Problem]:
    for name, table in experiment.machines.items():
        if not isinstance(table, Mapping):
            yield Problem(("machines", name), "keys and values are needed here, such as {region: sydney, count: 3}")
            continue
        try:
            stack_of(experiment, seed=0, machines={name: table})
        except UsageError as wrong:
            yield Problem(("machines", name), wrong.message.removeprefix(f"machines.{name}: "), wrong.hint)
        except (TypeError, ValueError) as wrong:
            yield Problem(("machines", name), str(wrong))


def _cohort_machines(experiment: Experiment, stack: StackSpec) -> Iterator[Problem]:
    """Problems of cohorts that name or need machines which the stack would not have."""
    for index, cohort in enumerate(experiment.load.cohorts):
        alone = experiment.model_copy(update={"load": experiment.load.model_copy(update={"cohorts": (cohort,)})})
        try:
            load_plan(alone, stack)
        except UsageError as wrong:
            text = wrong.message.removeprefix(f"cohort {cohort.name}: ")
            yield Problem(("load", "cohorts", index, "machines"), text, wrong.hint)


def _targets(built: Mapping[DataPath, ResolvedStep], stack: StackSpec) -> Iterator[Problem]:
    """Problems of steps whose fault has a target that the stack would not have."""
    for path, resolved in built.items():
        try:
            for carrier in resolved.fault.carriers(stack):
                resolved.fault.state(stack, carrier)
            resolved.fault.reach(stack)
        except UsageError as wrong:
            yield Problem((*path, "with"), wrong.message, wrong.hint)


def _no_fault(path: DataPath, kind: str, faults: Faults) -> Problem:
    broken = plugins.broken_faults().get(kind)
    if broken is not None:
        return Problem((*path, "fault"), broken.message, broken.hint)
    return Problem((*path, "fault"), f"there is no fault {kind!r}", did_you_mean(kind, faults) or "no faults are installed")


def _fault_problems(experiment: Experiment, faults: Faults, built: dict[DataPath, ResolvedStep]) -> Iterator[Problem]:
    """Problems of steps whose fault is unknown or has wrong parameters. The others go into `built`, by path in the file."""
    for path, step in _all_steps(experiment):
        kind = faults.get(step.fault)
        try:
            kind = fault_in(Path(step.fault)) if kind is None and is_file_name(step.fault) else kind
        except UsageError as wrong:
            yield Problem((*path, "fault"), wrong.message, wrong.hint)
            continue
        if kind is None:
            yield _no_fault(path, step.fault, faults)
            continue
        try:
            built[path] = ResolvedStep(step, kind.model_validate(dict(step.with_)))
        except ValidationError as error:
            yield from explain(error, kind.model_json_schema(), prefix=(*path, "with"))


_RULES: tuple[Callable[[Experiment], Iterator[Problem]], ...] = (
    _timeline,
    _settings,
    _machines,
    _postures,
    _steps,
    _load,
    _cohorts,
    _objectives,
    _alerts,
    check_controls,
    check_subject_file,
)
_OF_SCHEDULES = (_timeline, _postures, _steps, _load)  # those of the rules that look at a schedule or at a timeline's borders

"""A run prepared: everything that its experiment and options decide, resolved once before anything starts.

The command, the API, the dry run, the conductor, the worlds' sessions and the control runs take a `PreparedRun` and
look nothing up again. Preparing reads no clock, starts nothing and writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.plain import INT_MAX
from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.checks import CheckedExperiment, checked, fault_names
from brownout.harness.experiment.load_plan import load_plan
from brownout.harness.experiment.model import NEVER_STOPS, ControlRun, Experiment, Step
from brownout.harness.experiment.parts.subject_checks import check_subject
from brownout.harness.experiment.stack import stack_of, with_additions
from brownout.harness.experiment.steps import ResolvedStep, ScheduleMoment, control_schedule, moments, resolve_steps
from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.record.verdicts import VERDICTS
from brownout.harness.run.options import OFFSET_MAX_S, Options
from brownout.harness.worlds.catalog import SIMULATION, check_able
from brownout.harness.worlds.vendor_packages import require_vendors
from brownout.identity.core.topology import StackSpec


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """One run of one experiment, ready to be carried out.

    `posture` is the name of the posture that was chosen and `source` that of the experiment's file ("" for none).
    `load` is not signed in yet: only a stack that is up can issue the user token.
    """

    experiment: Experiment
    options: Options
    source: str
    posture: str
    stack: StackSpec
    steps: tuple[ResolvedStep, ...]
    moments: tuple[ScheduleMoment, ...]
    load: LoadPlan

    @property
    def rate(self) -> float:
        """Emulated seconds per real second."""
        return self.experiment.timeline.rate(self.options.world)

    @property
    def real_s(self) -> float:
        """The real time that the timeline takes, once the stack is up; 0 in the simulation, which waits for nothing."""
        line = self.experiment.timeline
        begin = min(line.warm_up, line.baseline) - self.options.offset_s
        return 0.0 if self.options.world == SIMULATION else (line.end - begin) / self.rate

    @property
    def end_s(self) -> float:
        """The end of the timeline, in emulated epoch seconds."""
        return self.load.end_s


def prepare(experiment: Experiment | CheckedExperiment, options: Options, *, source: str = "") -> PreparedRun:
    """The run that `options` ask for. An experiment that the loader has not checked is checked here as a file is.

    Raises UsageError for what a file is refused for, and for options that cannot be; AbilityMissing for a fault that the world
    cannot carry out.
    """
    check_able("", (), options.world)
    _check_options(options)
    if isinstance(experiment, CheckedExperiment):
        found = experiment
    else:
        found = checked(experiment, plugins.faults_among(fault_names(experiment)))
    experiment = _with_settings(found.experiment, options.settings)
    posture, _ = experiment.posture_named(options.posture)
    steps = resolve_steps(experiment.schedule, found.steps)
    for resolved in steps:
        check_able(resolved.step.fault, resolved.fault.needs, options.world)
    check_subject(experiment, options.world)
    return _resolved(experiment, options, source, posture, steps)


def at_present(run: PreparedRun, began_s: float, *, ready_s: float) -> PreparedRun:
    """A run about an application, its stack begun at `began_s` and all ready for the baseline at `ready_s`, wall-clock seconds.

    Real SDKs sign requests, and reckon how long a token lives, by the wall clock. So the stack's clock is the wall clock, and
    the timeline with its steps is moved to it, whatever day and hour the file names. The baseline begins once all is ready
    and the warm-up is over, and no step is due before that.
    """
    experiment = run.experiment
    line = experiment.timeline
    warm_up_s = line.baseline - line.warm_up
    ahead_s = line.baseline - min((line.baseline, *(step.at for step in experiment.schedule)))  # of steps in the warm-up
    baseline_s = max(ready_s + ahead_s, began_s + warm_up_s) + run.options.offset_s
    today = datetime.fromtimestamp(baseline_s - warm_up_s, UTC).date()  # no moment of a timeline is before its midnight
    midnight_s = datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp()
    by_s = math.ceil(baseline_s - midnight_s) - line.baseline
    borders = {name: getattr(line, name) + by_s for name in ("warm_up", "baseline", "fault", "recovery", "end")}
    steps = tuple(replace(resolved, step=_moved(resolved.step, by_s)) for resolved in run.steps)
    moved = {
        "timeline": line.model_copy(update={"date": today.isoformat(), **borders}),
        "schedule": tuple(_moved(step, by_s) for step in experiment.schedule),
    }
    return _resolved(experiment.model_copy(update=moved), run.options, run.source, run.posture, steps)


def _moved(step: Step, by_s: int) -> Step:
    until = None if step.until is None else step.until + by_s
    return step.model_copy(update={"at": step.at + by_s, "until": until})


def wants_canaries(run: PreparedRun) -> bool:
    """Whether real SDKs run beside the load. A subject is a real client itself, and the only one that is to be seen."""
    return run.options.canaries and run.experiment.subject is None


def require_short(run: PreparedRun) -> None:
    """Raises UsageError for a run that would hold its machine for longer than the options allow."""
    if run.real_s > run.options.longest_s:
        took_min, allowed_min = run.real_s / 60, run.options.longest_s / 60
        raise UsageError(
            f"in world {run.options.world} the timeline takes {took_min:.3g} minutes of real time; {allowed_min:.3g} may be",
            hint=f"`--longest {math.ceil(took_min)}m` allows it; a higher rate of the clock in `timeline.rates` shortens it",
        )


def _with_settings(experiment: Experiment, settings: Mapping[str, Any]) -> Experiment:
    """The experiment with these settings in place of its own and of its postures'."""
    if not settings:
        return experiment
    postures = {
        name: posture.model_copy(update={"settings": {**posture.settings, **settings}})
        for name, posture in experiment.postures.items()
    }
    return experiment.model_copy(update={"settings": {**experiment.settings, **settings}, "postures": postures})


def _check_options(options: Options) -> None:
    """Raises UsageError for options that no command line can give."""
    if not isinstance(options.seed, int) or isinstance(options.seed, bool) or not 0 <= options.seed <= INT_MAX:
        raise UsageError("the seed is not a whole number from 0 to 2^63 - 1", hint="such as seed=1")
    if not 0 <= options.offset_s <= OFFSET_MAX_S:
        raise UsageError(f"the offset {options.offset_s:g} s is not from 0 s to a day", hint="such as --offset 17s")
    if options.expect and options.expect not in VERDICTS:
        raise UsageError(f"there is no verdict {options.expect!r}", hint=did_you_mean(options.expect, VERDICTS))


def prepare_control(experiment: Experiment, name: str, *, seed: int) -> PreparedRun:
    """The simulated control run of that name. A step that the simulation cannot carry out fails in the run, not here."""
    control = experiment.controls[name]
    derived = derive(experiment, control)
    options = Options(posture=control.posture, seed=seed, controls=False)
    return _resolved(derived, options, "", control.posture, resolve_steps(derived.schedule))


def _resolved(
    experiment: Experiment, options: Options, source: str, posture: str, steps: tuple[ResolvedStep, ...]
) -> PreparedRun:
    settings = {**experiment.settings, **experiment.postures[posture].settings}
    stack = stack_of(experiment, seed=options.seed, settings=settings)
    require_vendors(stack)
    return PreparedRun(
        experiment=experiment,
        options=options,
        source=source,
        posture=posture,
        stack=stack,
        steps=steps,
        moments=moments(experiment.timeline, steps),
        load=load_plan(experiment, stack),
    )


def _as_in(control: ControlRun, cohort: Cohort) -> Cohort:
    """The cohort with the control run's share of its arrivals, its way of trying again, and its caches of names if any."""
    retry = control.retry if control.retry is not None and cohort.retry != "none" else cohort.retry
    caches = cohort.name_caches if control.name_caches else None
    changed = {"rate_per_s": cohort.rate_per_s * control.load_scale, "retry": retry, "name_caches": caches}
    return cohort.model_copy(update=changed)


def derive(experiment: Experiment, control: ControlRun) -> Experiment:
    """The experiment that a control run carries out: thinner load of all or some cohorts, other steps, other borders.

    It has no steady-state gate and is never stopped early: claims compare single figures of it, its own verdict is not used,
    and thin load would often leave too few requests in the baseline for every objective.
    """
    wanted = [cohort.name for cohort in experiment.load.cohorts] if control.cohorts is None else control.cohorts
    thinned = (_as_in(control, cohort) for cohort in experiment.load.cohorts if cohort.name in wanted)
    load = experiment.load.model_copy(update={"cohorts": (*thinned, *control.add_cohorts)})
    borders = {name: value for name in ("fault", "recovery", "end") if (value := getattr(control, name)) is not None}
    return with_additions(experiment, control).model_copy(
        update={
            "load": load,
            "schedule": control_schedule(experiment, control),
            "timeline": experiment.timeline.model_copy(update=borders),
            "settings": {**experiment.settings, **control.settings},
            "posture": control.posture,
            "gates": experiment.gates.model_copy(update={"steady_state": False}),
            "stop": NEVER_STOPS,
            "controls": {},
            "claims": "",
        }
    )

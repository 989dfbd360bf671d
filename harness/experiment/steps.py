"""The schedule as a run follows it: each step with its fault, and every moment of the timeline in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import ControlRun, Experiment, Step, Timeline
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.fault import Fault


@dataclass(frozen=True, slots=True)
class ResolvedStep:
    """A step and the fault that it puts in place. The fault is built once and used wherever the step is."""

    step: Step
    fault: Fault


@dataclass(frozen=True, slots=True)
class PhaseStart:
    """A phase begins at emulated epoch second `at_s`."""

    at_s: float
    name: str


@dataclass(frozen=True, slots=True)
class StepStart:
    """A step's fault is applied at `at_s`, to stay until `until_s`: the step's own end, else the end of the timeline."""

    at_s: float
    resolved: ResolvedStep
    until_s: float


@dataclass(frozen=True, slots=True)
class StepEnd:
    """A step's fault is reverted at `at_s`."""

    at_s: float
    resolved: ResolvedStep


ScheduleMoment = PhaseStart | StepStart | StepEnd
_ORDER: tuple[type[ScheduleMoment], ...] = (PhaseStart, StepEnd, StepStart)


def control_schedule(experiment: Experiment, control: ControlRun) -> tuple[Step, ...]:
    """The steps of a control run in order: the experiment's and its own, without those that it drops or ends before."""
    end = experiment.timeline.end if control.end is None else control.end
    kept = (step for step in experiment.schedule if step.name not in control.drop)
    return tuple(sorted((step for step in (*kept, *control.add) if step.at < end), key=lambda step: step.at))


def resolve_steps(schedule: Iterable[Step], built: Iterable[ResolvedStep] = ()) -> tuple[ResolvedStep, ...]:
    """Every step with its fault, taken from `built` where an equal step is there; raises UsageError for a wrong fault."""
    known = tuple(built)

    def resolved(step: Step) -> ResolvedStep:
        found = next((other for other in known if other.step == step), None)
        return found or ResolvedStep(step, plugins.fault(step.fault, step.with_))

    return tuple(map(resolved, schedule))


def moments(timeline: Timeline, steps: Iterable[ResolvedStep]) -> tuple[ScheduleMoment, ...]:
    """Everything that happens, in order. At the same time phases begin first, then steps end, then steps start.

    Of the steps that end, the one that began last ends first: what it broke may be needed to undo the others.
    """
    midnight_s = timeline.epoch_s()
    found: list[ScheduleMoment] = [PhaseStart(window.start_s, window.name) for window in phase_windows(timeline)]
    for resolved in steps:
        step = resolved.step
        until_s = midnight_s + (timeline.end if step.until is None else step.until)
        found.append(StepStart(midnight_s + step.at, resolved, until_s))
        if step.until is not None:
            found.append(StepEnd(until_s, resolved))
    begun = {moment.resolved.step.name: number for number, moment in enumerate(_begun(found))}
    return tuple(sorted(found, key=lambda moment: _place(moment, begun)))


def _begun(found: Iterable[ScheduleMoment]) -> list[StepStart]:
    return sorted((moment for moment in found if isinstance(moment, StepStart)), key=lambda start: start.at_s)


def _place(moment: ScheduleMoment, begun: Mapping[str, int]) -> tuple[float, int, int]:
    latest_first = -begun[moment.resolved.step.name] if isinstance(moment, StepEnd) else 0
    return moment.at_s, _ORDER.index(type(moment)), latest_first

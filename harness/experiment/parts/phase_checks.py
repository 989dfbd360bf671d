"""Checks that an experiment can test something: its faults are in place while its objectives are judged.

A fault before the load, or in a gap between the judged phases, touches no figure; an objective over phases that all end before
the first fault is about a stack as it always is. Both pass whatever the stack does.
"""

from __future__ import annotations

from collections.abc import Iterator

from brownout.harness.base.durations import clock_text
from brownout.harness.base.pydantic_errors import Problem
from brownout.harness.experiment.model import Experiment, Step
from brownout.harness.experiment.phase_windows import PhaseWindow, phase_windows


def check_phases(experiment: Experiment) -> Iterator[Problem]:
    """Problems of an experiment whose timeline is sound."""
    faults = [(index, step) for index, step in enumerate(experiment.schedule) if step.role == "fault"]
    yield from _unjudged_faults(experiment, faults)
    yield from _faultless_objectives(experiment, [step for _, step in faults])


def _unjudged_faults(experiment: Experiment, faults: list[tuple[int, Step]]) -> Iterator[Problem]:
    judged = {phase for slo in experiment.slos for phase in slo.phases}
    if not experiment.gates.steady_state:
        judged.add("baseline")  # a baseline that need not be clean may be there to be disturbed: the run itself tells
    windows = [window for window in phase_windows(experiment.timeline) if window.name in judged]
    for index, step in faults:
        start_s, end_s = _span(experiment, step)
        if not any(window.start_s < end_s and start_s < window.end_s for window in windows):
            names = ", ".join(dict.fromkeys(phase for slo in experiment.slos for phase in slo.phases))
            text = f"no objective is judged while this fault is in place, {_span_text(experiment, step)}"
            yield Problem(("schedule", index, "at"), text, f"the judged phases are {names}; move the fault, or judge its phase")


def _faultless_objectives(experiment: Experiment, faults: list[Step]) -> Iterator[Problem]:
    for index, slo in enumerate(experiment.slos):
        windows = [window for window in phase_windows(experiment.timeline) if window.name in slo.phases]
        if faults and windows and not any(_begins_before_the_end(experiment, step, windows) for step in faults):
            text = f"every fault begins after the phases of this objective ({', '.join(slo.phases)})"
            yield Problem(("slos", index, "phases"), text, "judge it over phases with a fault; the baseline has its own gate")


def _begins_before_the_end(experiment: Experiment, step: Step, windows: list[PhaseWindow]) -> bool:
    return _span(experiment, step)[0] < max(window.end_s for window in windows)


def _span(experiment: Experiment, step: Step) -> tuple[float, float]:
    """When the step is in place by its plan, in emulated epoch seconds."""
    line = experiment.timeline
    midnight_s, until = line.epoch_s(), line.end if step.until is None else step.until
    return midnight_s + step.at, midnight_s + until


def _span_text(experiment: Experiment, step: Step) -> str:
    until = experiment.timeline.end if step.until is None else step.until
    return f"{clock_text(step.at)} to {clock_text(until)}"

"""Gates on the steps of the schedule: each did as declared, and each fault was met by a request.

`bite` is about what was done to the stack, `exposure` about who noticed. A step that only names its effect (an operation, a
mitigation) may have none; a step of role fault that could not have any tested nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from brownout.harness.experiment.model import Experiment, Posture, Step
from brownout.harness.experiment.phase_windows import PhaseWindow, phase_windows
from brownout.harness.judge.steps import clock
from brownout.harness.record.result import GateResult, StepResult

_NOT_IN_PLACE = frozenset({"defended", "skipped", "failed", "not-reached"})


def bite(
    experiment: Experiment, posture: Posture, steps: Iterable[StepResult], *, surprises: Mapping[str, str] | None = None
) -> GateResult:
    """Every step did what the experiment says that it does: it bit, or was refused where the posture declares that.

    A step that was skipped because the one it needs was not in place is judged by that one, and one that the posture skips must
    not have been tried. A fault was in place in a judged phase and changed something; `surprises` says by step what one that
    was to have no effect did all the same.
    """
    schedule, results = experiment.schedule, {step.name: step for step in steps}
    judged = _judged_windows(experiment)
    failures = [
        text
        for step in schedule
        if (text := _bite_failure(step, posture, results) or _fault_failure(step, results[step.name], judged))
    ]
    failures += [f"{name} was to have no effect, and {text}" for name, text in (surprises or {}).items()]
    if not any(step.role == "fault" for step in schedule):
        failures.append("the schedule has no step of role fault, so nothing was tested")
    done = "the step" if len(results) == 1 else f"all {len(results)} steps"
    return GateResult(name="bite", passed=not failures, reason="; ".join(failures) or f"{done} did as declared")


def _bite_failure(step: Step, posture: Posture, results: Mapping[str, StepResult]) -> str:
    result = results[step.name]
    if step.name in posture.skips:
        return "" if result.state == "skipped" else f"{step.name} was tried, though this posture skips it"
    if result.state == "skipped":
        needed = results.get(step.needs or "")
        return (
            ""
            if needed is not None and needed.state in _NOT_IN_PLACE
            else f"{step.name} was skipped without need ({result.evidence})"
        )
    if result.state == "not-reached":
        return f"{step.name} was never reached"
    declared = step.name in posture.defends
    if result.state == "defended":
        return "" if declared else f"{step.name} was refused by the system, which this posture does not declare"
    if declared:
        return f"{step.name} was not refused, though this posture declares that it is"
    if result.lost:
        return f"{step.name} was lost while it should have been in force: {result.lost}"
    if step.bite == "required" and result.bitten_s is None:
        return f"{step.name} was not seen to bite" + (f" ({result.evidence})" if result.evidence else "")
    return ""


def _fault_failure(step: Step, result: StepResult, judged: Iterable[PhaseWindow]) -> str:
    """Why a fault that was in place tested nothing, for any cohort that would have met it; "" when it may have."""
    if step.role != "fault" or result.applied_s is None:
        return ""
    if result.unchanged:
        return f"{step.name} changed nothing: {result.unchanged}"
    end_s = float("inf") if result.released_s is None else result.released_s
    if any(window.start_s < end_s and result.applied_s < window.end_s for window in judged):
        return ""
    late_s = result.applied_s - result.at_s
    late = f", {late_s:.0f} s later than planned," if late_s >= 1 else ""
    until = "" if result.released_s is None else f" until {clock(result.released_s)}"
    return f"{step.name} was in place from {clock(result.applied_s)}{late}{until}, and no objective is judged over that time"


def _judged_windows(experiment: Experiment) -> tuple[PhaseWindow, ...]:
    judged = {phase for slo in experiment.slos for phase in slo.phases}
    return tuple(window for window in phase_windows(experiment.timeline) if window.name in judged)


def exposure(schedule: Iterable[Step], steps: Iterable[StepResult]) -> GateResult:
    """Every fault that was in place was met by a judged request, or would have been needed by one; else it tested nothing."""
    results = {step.name: step for step in steps}
    faults = [step for step in schedule if step.role == "fault"]
    failures = [text for step in faults if (text := _exposure_failure(step, results[step.name]))]
    told = [f"{step.name}: {found.text}" for step in faults if (found := results[step.name].exposure) is not None]
    passed = "; ".join(told) or "no fault was in place: the system refused it"
    return GateResult(name="exposure", passed=not failures, reason="; ".join(failures) or passed)


def _exposure_failure(step: Step, result: StepResult) -> str:
    if result.state in ("not-reached", "failed") and result.applied_s is None:
        return f"{step.name} was never in place"
    if result.exposure is None:
        # Also of a record that does not say what the step concerned: what is not known is not taken for an exposure.
        unknown = result.applied_s is not None
        return f"{step.name}: the record does not say what it concerned" if unknown else ""
    state, text = result.exposure.state, result.exposure.text
    if step.exposure == "none-expected":
        return "" if state == "not-exercised" else f"{step.name}: no exposure was expected, and {text}"
    return f"{step.name} was not exercised: {text}" if state == "not-exercised" else ""


def clock_rate(experiment: Experiment, steps: Iterable[StepResult], rate: float, *, end_s: float) -> GateResult | None:
    """Fails where a fault was over, on the wire, before a client that met it gave up; None otherwise.

    The deadline is network time, which a fast clock does not shorten: at `rate` it lasts so many times as long in the stack's
    time. A fault that outlasts a client at rate 1 and does not at this one leaves figures of neither: requests ride it out,
    or fail for one that was over, or was not there yet, when they were due. `end_s` is that of the record.
    """
    deadline_s = experiment.load.deadline_s
    short = []
    for step in steps:
        if step.role == "fault" and step.applied_s is not None:
            lasted_s = (end_s if step.released_s is None else step.released_s) - step.applied_s
            if lasted_s >= deadline_s > lasted_s / rate:
                short.append(
                    f"{step.name} was in place for {lasted_s / rate:.2g} s of network time ({lasted_s:,.0f} s emulated)"
                )
    if not short:
        return None
    reason = f"{'; '.join(short)}, and a client waits for {deadline_s:g} s: the clock is too fast at {rate:g}"
    return GateResult(name="clock-rate", passed=False, reason=reason)

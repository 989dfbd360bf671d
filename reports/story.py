"""What every chart of a run marks on its time axis: phases, faults, steps, and the moments of detection and recovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brownout.harness.record.result import (
    CohortExposure,
    FaultWindow,
    InvariantResult,
    Result,
    SloResult,
    StepResult,
    SubjectResult,
    Times,
)
from brownout.reports.units import clock, count, duration, percent


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of emulated time with a name."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in emulated time. `kind` is `detect`, `mitigate` or `recover`."""

    kind: str
    label: str
    at_s: float


def phases(result: Result) -> tuple[Band, ...]:
    return tuple(Band(p.name, p.start_s, p.end_s) for p in result.phases if p.end_s > p.start_s)


def step_span(step: StepResult, end_s: float) -> Band | None:
    """From when the step was in place until it was released (or the run ended); None when it never was."""
    if step.applied_s is None:
        return None
    return Band(step.name, step.applied_s, max(step.applied_s, min(end_s, step.released_s or end_s)))


def faults(result: Result, end_s: float) -> tuple[Band, ...]:
    """Every stretch in which a fault (not an operator's act) was held."""
    spans = (step_span(step, end_s) for step in result.steps if step.role == "fault")
    return tuple(span for span in spans if span is not None and span.end_s > span.start_s)


def impact(result: Result, end_s: float) -> Band | None:
    """The stretch in which requests were failing; None when none was seen."""
    start_s = result.times.impact_start_s
    if start_s is None:
        return None
    stop_s = result.times.impact_end_s
    length = duration((stop_s or end_s) - start_s)
    return Band(f"impact, {length}" if stop_s else f"impact, {length} and not over", start_s, stop_s or end_s)


def moments(result: Result) -> tuple[Moment, ...]:
    """Detected, mitigated, recovered: those that happened, in that order."""
    times, found = result.times, []
    start_s = times.impact_start_s
    if start_s is None:
        return ()
    if times.detect is not None:
        found.append(Moment("detect", f"detected after {duration(times.detect)}", start_s + times.detect))
    if times.mitigate is not None:
        found.append(Moment("mitigate", f"mitigated after {duration(times.mitigate)}", start_s + times.mitigate))
    if times.recover is not None and times.recovered_s is not None:
        later = f"{duration(times.recover)} after the fault" if times.recover else "at once"
        found.append(Moment("recover", f"recovered {later}", times.recovered_s))
    return tuple(found)


KEY_TIMES = (("detected", "detect"), ("mitigated", "mitigate"), ("recovered", "recover"), ("longest outage", "longest_outage"))


def key_time(times: Times, name: str) -> str:
    """One of KEY_TIMES with what is to be said of it: `4.2 s`, `– (not recovered by the end of the record)`."""
    note = times.notes.get(name)
    return duration(getattr(times, name)) + (f" ({note})" if note else "")


def effect_word(step: StepResult) -> str:
    """The effect without its figures, which the chart shows beside it."""
    return step.effect if step.before is None else step.effect.partition(":")[0]


WINDOWS_TITLE = "Objectives within each fault: good requests while it was in place"
WINDOWS_HEAD = ("objective", "fault", "from", "to", "good", "bad of total")


def objective_groups(result: Result) -> Iterator[tuple[str, tuple[SloResult, ...]]]:
    """The objectives with their headings: those of the application that the run was about first, where there is one."""
    subject = result.subject
    if subject is None:
        yield "Objectives", result.slos
        return
    own = tuple(slo for slo in result.slos if subject.judges(slo))
    others = tuple(slo for slo in result.slos if not subject.judges(slo))
    if own:
        yield f"Objectives of the application: {subject_text(subject)}", own
    if others:
        yield "Objectives of the identity service" if own else "Objectives", others


def subject_text(subject: SubjectResult) -> str:
    """The application in a few words: what was started, and as which machine."""
    return f"{subject.command} (as on {subject.machine})" if subject.machine else subject.command


def window_rows(result: Result, *, missed_only: bool = False) -> Iterator[tuple[str, str, str, str, str, str]]:
    """The cells of WINDOWS_HEAD, by objective and fault; `missed_only`: where an objective that is not breached was missed."""
    for slo in result.slos:
        if missed_only and slo.status == "breached":
            continue
        for window in slo.missed_in if missed_only else slo.in_faults:
            good = None if window.ratio is None else 1 - window.ratio
            span = clock(window.start_s, seconds=True), clock(window.end_s, seconds=True)
            yield slo.name, window.step, *span, percent(good, digits=2), f"{count(window.bad)} of {count(window.total)}"


def window_text(window: FaultWindow) -> str:
    """A window as a sentence."""
    good = None if window.ratio is None else 1 - window.ratio
    span = f"{clock(window.start_s, seconds=True)} to {clock(window.end_s, seconds=True)}"
    return f"within {window.step} ({span}) {percent(good)} of {count(window.total)} good"


INVARIANTS_TITLE = "Invariants: what must hold whatever breaks"
INVARIANTS_HEAD = ("invariant", "status", "exercised", "what must hold", "first violation")


def invariant_rows(result: Result) -> Iterator[tuple[str, str, str, str, str]]:
    """The cells of INVARIANTS_HEAD; the second is a status, which each report draws in its own way."""
    for one in result.invariants:
        evidence = f"{one.evidence} (1 of {count(one.violations)})" if one.evidence else one.note or "–"
        yield one.name, one.status, times_text(one), one.sentence, evidence


def times_text(one: InvariantResult) -> str:
    """How often it was exercised."""
    return "not exercised" if one.status == "not-exercised" else f"{count(one.exercised)} times"


EXPOSURE_TITLE = "Exposure: which judged requests met each step"
EXPOSURE_HEAD = ("step", "cohort", "exposure", "met it", "cached", "in baseline")


def exposure_rows(result: Result, *, faults_only: bool = False) -> Iterator[tuple[str, str, str, str, str, str]]:
    """The cells of EXPOSURE_HEAD for each step and cohort; the third is a state, which each report draws in its own way."""
    for number, step in enumerate(result.steps, 1):
        if step.exposure is not None and (step.role == "fault" or not faults_only):
            for cohort in step.exposure.cohorts:
                yield f"{number} {step.name}", cohort.cohort, cohort.state, *_shares(cohort)


def _shares(cohort: CohortExposure) -> tuple[str, str, str]:
    of_total = f"of {count(cohort.total)}"
    return (
        f"{count(cohort.met)} {of_total}",
        f"{count(cohort.from_cache)} {of_total}",
        f"{count(cohort.baseline_needed)} of {count(cohort.baseline_total)}",
    )

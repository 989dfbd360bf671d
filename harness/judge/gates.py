"""What must hold for a verdict to mean anything. Each gate says what was measured against what.

A gate whose figures are missing has failed: a check that never ran is not a check that passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from brownout.harness.base.stats import budget, minimum_total, percent
from brownout.harness.experiment.model import Experiment, Gates, Posture, Step
from brownout.harness.experiment.phase_windows import PhaseWindow
from brownout.harness.judge.selection import between, count, select
from brownout.harness.judge.steps import Life
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.result import GateResult, Severity, SloResult, StepResult

STEADY_STATE_TOTAL_MIN = 20
_NOT_IN_PLACE = frozenset({"defended", "skipped", "failed", "not-reached"})


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """The record of the load generator: its last gauges, its problems, and the number of requests in the logs."""

    gauges: Mapping[str, float]
    problems: tuple[str, ...]
    recorded: int


def generator_lag(gates: Gates, load: LoadRecord) -> GateResult:
    """Requests left when they were meant to."""
    lag_ms = load.gauges.get("lag_p99_ms")
    if lag_ms is None:
        return _missing("generator-lag", "lag")
    text = f"99 % of the requests left within {lag_ms:.1f} ms of their time; at most {gates.lag_p99_s * 1000:g} ms"
    return GateResult(name="generator-lag", passed=lag_ms <= gates.lag_p99_s * 1000, reason=text)


def issued_share(gates: Gates, load: LoadRecord) -> GateResult:
    """The planned arrivals were issued, and each left a line in the log."""
    planned, issued = load.gauges.get("planned"), load.gauges.get("issued")
    if planned is None or issued is None:
        return _missing("issued-share", "arrivals")
    real = min(issued, load.recorded)
    share = real / planned if planned else 0.0
    text = (
        f"{percent(share)} of {planned:,.0f} planned requests were sent and logged "
        f"({issued:,.0f} sent, {load.recorded:,} logged); at least {percent(gates.issued_share)}"
    )
    return GateResult(name="issued-share", passed=share >= gates.issued_share, reason=text)


def generator_cpu(gates: Gates, load: LoadRecord) -> GateResult:
    """The generator was not short of processor time."""
    share = load.gauges.get("cpu_share")
    if share is None:
        return _missing("generator-cpu", "processor time")
    text = f"the generator used {percent(share)} of a core; at most {percent(gates.generator_cpu)}"
    return GateResult(name="generator-cpu", passed=share <= gates.generator_cpu, reason=text)


def load_problems(load: LoadRecord) -> GateResult:
    """Nothing happened that makes the request logs untrustworthy."""
    reason = "; ".join(load.problems) or "the load reported no problem"
    return GateResult(name="load-problems", passed=not load.problems, reason=reason)


def _missing(name: str, what: str) -> GateResult:
    return GateResult(name=name, passed=False, reason=f"the load left no figures on its {what}")


def steady_state(experiment: Experiment, requests: Iterable[RequestRecord], *, baseline: PhaseWindow) -> GateResult:
    """Every objective was met in the baseline, by the plain ratio over enough requests."""
    quiet = between(requests, baseline.start_s, baseline.end_s)
    failures, totals = [], []
    for slo in experiment.slos:
        metric, target = slo.indicator.ratioMetric, slo.objectives[0].target
        seen = count(select(quiet, metric.total), metric.good)
        totals.append(seen.total)
        if seen.total < STEADY_STATE_TOTAL_MIN:
            failures.append(f"{slo.name}: {seen.total} requests, {STEADY_STATE_TOTAL_MIN} needed")
        elif seen.bad / seen.total > budget(target):
            failures.append(f"{slo.name}: {percent(1 - seen.bad / seen.total)} good, target {percent(target)}")
    reason = f"all {len(totals)} objectives held before the fault, over {min(totals):,} requests or more each"
    return GateResult(name="steady-state", passed=not failures, reason="; ".join(failures) or reason)


def samples(experiment: Experiment, slos: Iterable[SloResult]) -> GateResult:
    """Each objective that is not breached had as many requests as a flawless run needs to meet it."""
    failures = []
    for slo in slos:
        needed = minimum_total(slo.target, experiment.gates.confidence)
        if slo.status != "breached" and slo.total < needed:
            failures.append(f"{slo.name}: {slo.total:,} requests, at least {needed:,} needed for {percent(slo.target)}")
    return GateResult(name="samples", passed=not failures, reason="; ".join(failures) or "enough requests for every objective")


def bite(schedule: Iterable[Step], posture: Posture, steps: Iterable[StepResult]) -> GateResult:
    """Every step did what the experiment says that it does: it bit, or was refused where the posture declares that.

    A step that was skipped because the one it needs was not in place is judged by that one.
    """
    results = {step.name: step for step in steps}
    failures = [text for step in schedule if (text := _bite_failure(step, posture, results))]
    return GateResult(
        name="bite", passed=not failures, reason="; ".join(failures) or f"all {len(results)} steps did as declared"
    )


def _bite_failure(step: Step, posture: Posture, results: Mapping[str, StepResult]) -> str:
    result = results[step.name]
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


def exposure(schedule: Iterable[Step], steps: Iterable[StepResult]) -> GateResult:
    """Every fault that was in place was met by a judged request, or would have been needed by one; else it tested nothing."""
    results = {step.name: step for step in steps}
    faults = [step for step in schedule if step.role == "fault"]
    failures = [text for step in faults if (text := _exposure_failure(step, results[step.name]))]
    told = [f"{step.name}: {found.text}" for step in faults if (found := results[step.name].exposure) is not None]
    passed = "; ".join(told) or "no fault was in place"
    return GateResult(name="exposure", passed=not failures, reason="; ".join(failures) or passed)


def _exposure_failure(step: Step, result: StepResult) -> str:
    if result.exposure is None:
        # Also of a record that does not say what the step concerned: what is not known is not taken for an exposure.
        unknown = result.applied_s is not None
        return f"{step.name}: the record does not say what it concerned" if unknown else ""
    state, text = result.exposure.state, result.exposure.text
    if step.exposure == "none-expected":
        return "" if state == "not-exercised" else f"{step.name}: no exposure was expected, and {text}"
    return f"{step.name} was not exercised: {text}" if state == "not-exercised" else ""


def acts(known: Mapping[str, Life]) -> GateResult:
    """Every step that was begun could be carried out."""
    failures = [
        f"{name} failed: {life.said('evidence', 'failed') or life.said('note', 'failed')}"
        for name, life in known.items()
        if life.could_not_act
    ]
    reason = "; ".join(failures) or "every step that was begun could be carried out"
    return GateResult(name="acts", passed=not failures, reason=reason, severity="harness-error")


def healed(known: Mapping[str, Life]) -> GateResult:
    """Nothing that was put in place is left behind: unsafe when an undo failed, inconclusive when none was recorded."""
    stuck = [
        f"{name} could not be reverted: {life.said('evidence', 'stuck')}"
        for name, life in known.items()
        if life.state() == "stuck"
    ]
    unknown = [f"{name} was not seen to be reverted" for name, life in known.items() if life.is_open]
    reason = "; ".join(stuck + unknown) or "no fault was left in place"
    severity: Severity = "unsafe" if stuck else "inconclusive"
    return GateResult(name="healed", passed=not stuck and not unknown, reason=reason, severity=severity)

"""What must hold for a verdict to mean anything. Each gate says what was measured against what.

A gate whose figures are missing has failed: a check that never ran is not a check that passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from brownout.harness.base.stats import budget, minimum_total, percent
from brownout.harness.experiment.model import Experiment, Gates
from brownout.harness.experiment.phase_windows import PhaseWindow
from brownout.harness.judge.selection import between, count, good_by, select
from brownout.harness.judge.steps import Life
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.result import GateResult, Severity, SloResult

STEADY_STATE_TOTAL_MIN = 20


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


def steady_state(experiment: Experiment, requests: Sequence[RequestRecord], *, baseline: PhaseWindow) -> GateResult:
    """Every objective was met in the baseline, by the plain ratio over enough requests, which are ordered by intended time."""
    quiet = between(requests, baseline.start_s, baseline.end_s)
    failures, totals = [], []
    for slo in experiment.slos:
        metric, target = slo.indicator.ratioMetric, slo.objectives[0].target
        seen = count(select(quiet, metric.total), good_by(metric.good))
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

"""From counts to a verdict.

Each objective is *met* when the upper bound of its bad ratio is within the budget, *breached* when the lower bound is
above it, else *undecided*. The overall verdict is the first of these that has a reason:

| verdict | when |
|---|---|
| unsafe | a fault could not be reverted (a stuck step, or a gate that failed with that severity) |
| harness-error | a gate failed with that severity: the harness or its surroundings did not do their part |
| breach | an objective is breached, and no gate failed on which the measurement depends |
| inconclusive | any gate failed, or an objective is undecided |
| pass | none of these |

That is the order "unsafe > harness error > breach > inconclusive > pass" with one exception: figures that cannot be trusted
make no breach. A breach under a lagging generator or a failing baseline is inconclusive. Gates that only say that an experiment
was too weak to *pass* (`PASS_ONLY_GATES`: a step that did not bite, too few samples, an untidy end) do not cancel a breach. A
step that was lost before its revert does: the figures are then of another experiment than the one declared. So does a gate that
this module does not know, to be on the safe side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from brownout.harness.base.stats import budget, exact_high, exact_low, percent
from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.judge.selection import Count, between, count, select
from brownout.harness.record.history import History
from brownout.harness.record.result import GateResult, Interval, SloResult, StepResult
from brownout.harness.record.verdicts import PRECEDENCE, Verdict

SloStatus = Literal["met", "breached", "undecided"]
PASS_ONLY_GATES = frozenset({"bite", "exposure", "samples", "healed", "clean-teardown"})


def judge_slos(experiment: Experiment, history: History) -> tuple[SloResult, ...]:
    """Each objective over its own phases, in the order of the file."""
    return tuple(_judge(slo, _counted(slo, experiment, history), experiment.gates.confidence) for slo in experiment.slos)


def _counted(slo: Slo, experiment: Experiment, history: History) -> Count:
    metric = slo.indicator.ratioMetric
    chosen = select(history.requests, metric.total)
    windows = [window for window in phase_windows(experiment.timeline) if window.name in slo.phases]
    parts = [count(between(chosen, window.start_s, window.end_s), metric.good) for window in windows]
    return Count(sum(part.total for part in parts), sum(part.bad for part in parts))


def _judge(slo: Slo, seen: Count, confidence: float) -> SloResult:
    target = slo.objectives[0].target
    interval = _interval(seen, confidence)
    status, reason = _status(seen, interval, target)
    return SloResult(
        name=slo.name,
        description=slo.description,
        target=target,
        total=seen.total,
        bad=seen.bad,
        ratio=seen.ratio,
        interval=interval,
        status=status,
        budget_spent=seen.bad / (budget(target) * seen.total) if seen.total else None,
        reason=reason,
        phases=slo.phases,
    )


def _interval(seen: Count, confidence: float) -> Interval | None:
    if not seen.total:
        return None
    low = exact_low(seen.bad, seen.total, confidence)
    high = exact_high(seen.bad, seen.total, confidence)
    return Interval(low=low, high=high, confidence=confidence)


def _status(seen: Count, interval: Interval | None, target: float) -> tuple[SloStatus, str]:
    if interval is None:
        return "undecided", "no request matched"
    allowed = budget(target)
    share = f"{percent(1 - seen.bad / seen.total)} of {seen.total:,} good"
    least, most = percent(1 - interval.high), percent(1 - interval.low)
    goal = f"target {percent(target)}, confidence {percent(interval.confidence)}"
    if interval.high <= allowed:
        return "met", f"{share}, at least {least}; {goal}"
    if interval.low > allowed:
        return "breached", f"{share}, at most {most}; {goal}"
    return "undecided", f"{share}, somewhere from {least} to {most}; {goal}"


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a verdict is made from."""

    slos: tuple[SloResult, ...]
    gates: tuple[GateResult, ...]
    steps: tuple[StepResult, ...]

    def failed(self, severity: str) -> tuple[str, ...]:
        """What the failed gates of that severity say."""
        return tuple(f"{g.name}: {g.reason}" for g in self.gates if not g.passed and g.severity == severity)


def overall(
    slos: Iterable[SloResult], gates: Iterable[GateResult], steps: Iterable[StepResult]
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict by the module's table, and its reasons, each a sentence. Never without a reason."""
    findings = Findings(tuple(slos), tuple(gates), tuple(steps))
    for verdict in PRECEDENCE:
        reasons = _RULES[verdict](findings)
        if reasons:
            return verdict, reasons
    raise AssertionError("the last rule always has a reason")


def _unsafe(findings: Findings) -> tuple[str, ...]:
    stuck = tuple(f"{step.name} could not be reverted" for step in findings.steps if step.state == "stuck")
    return findings.failed("unsafe") or stuck


def _harness_errors(findings: Findings) -> tuple[str, ...]:
    return findings.failed("harness-error")


def _breaches(findings: Findings) -> tuple[str, ...]:
    # A fault that was lost before its revert leaves figures of some other experiment than the one declared.
    whole = not any(step.lost for step in findings.steps)
    is_trusted = whole and all(gate.passed or gate.name in PASS_ONLY_GATES for gate in findings.gates)
    return _breached(findings) if is_trusted else ()


def _breached(findings: Findings) -> tuple[str, ...]:
    return tuple(f"{slo.name}: {slo.reason}" for slo in findings.slos if slo.status == "breached")


def _doubts(findings: Findings) -> tuple[str, ...]:
    undecided = tuple(f"{slo.name}: {slo.reason}" for slo in findings.slos if slo.status == "undecided")
    distrusted = tuple(f"{reason} (not trusted, because a gate failed)" for reason in _breached(findings))
    return (*findings.failed("inconclusive"), *undecided, *distrusted)


def _clean(findings: Findings) -> tuple[str, ...]:
    spared = (
        f"{step.name} was spared: {step.exposure.text}"
        for step in findings.steps
        if step.role == "fault" and step.exposure is not None and step.exposure.state == "spared"
    )
    return (f"all {len(findings.slos)} objectives met and all {len(findings.gates)} gates passed", *spared)


_RULES: Mapping[Verdict, Callable[[Findings], tuple[str, ...]]] = {
    "unsafe": _unsafe,
    "harness-error": _harness_errors,
    "breach": _breaches,
    "inconclusive": _doubts,
    "pass": _clean,
}

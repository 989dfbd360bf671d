"""From counts to a verdict.

Each objective is *met* when the upper bound of its bad ratio is within the budget, *breached* when the lower bound is
above it, else *undecided*. Requests that were late, unsent or unlogged count as bad for the upper bound and as good for the
lower one (`doubtful`). The overall verdict is the first of these that has a reason:

| verdict | when |
|---|---|
| unsafe | a fault could not be reverted (a stuck step, or a gate that failed with that severity) |
| harness-error | a gate failed with that severity: the harness or its surroundings did not do their part |
| breach | an invariant is violated or an objective breached, and no gate failed on which the measurement depends |
| inconclusive | any gate failed, or an objective is undecided |
| pass | none of these |

That is the order "unsafe > harness error > breach > inconclusive > pass" with one exception: figures that cannot be trusted
make no breach. A breach under a lagging generator or a failing baseline is inconclusive. Gates that only say that an experiment
was too weak to *pass* (`PASS_ONLY_GATES`: a step that did not bite, too few samples, a subject that ended by itself, an untidy
end) do not cancel a breach. A step that was lost before its revert does: the figures are then of another experiment than the
one declared. So does a gate that this module does not know, to be on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from brownout.harness.base.stats import budget, exact_high, exact_low, percent
from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.judge.doubtful import NOTHING_DOUBTFUL, Doubtful
from brownout.harness.judge.selection import between, count, good_by, select
from brownout.harness.judge.steps import clock
from brownout.harness.record.history import History, RequestRecord
from brownout.harness.record.result import FaultWindow, GateResult, Interval, InvariantResult, SloResult, StepResult
from brownout.harness.record.verdicts import PRECEDENCE, Verdict

SloStatus = Literal["met", "breached", "undecided"]
PASS_ONLY_GATES = frozenset({"bite", "exposure", "samples", "healed", "clean-teardown", "subject"})


@dataclass(frozen=True, slots=True)
class Judged:
    """The logged requests of an objective and the bad ones; of both the `doubtful` ones; and those that are not logged."""

    total: int
    bad: int
    doubtful: int = 0
    doubtful_bad: int = 0
    unlogged: int = 0

    @property
    def planned(self) -> int:
        return self.total + self.unlogged

    @property
    def bad_least(self) -> int:
        """The bad ones if all doubtful ones had been good."""
        return self.bad - self.doubtful_bad

    @property
    def bad_most(self) -> int:
        """The bad ones if all doubtful ones had been bad."""
        return self.bad_least + self.doubtful + self.unlogged


def judge_slos(
    experiment: Experiment,
    history: History,
    doubts: Doubtful = NOTHING_DOUBTFUL,
    *,
    steps: Iterable[StepResult] = (),
    end_s: float = math.inf,
) -> tuple[SloResult, ...]:
    """Each objective over its own phases, in the order of the file. `steps` that were still in place end at `end_s`."""
    faults = tuple(step for step in steps if step.role == "fault" and step.applied_s is not None)
    judged = []
    for slo in experiment.slos:
        logged = select(history.requests, slo.indicator.ratioMetric.total)
        found = _judge(slo, _counted(slo, experiment, logged, doubts), experiment.gates.confidence)
        windows = tuple(_in_fault(slo, step, logged, doubts, end_s) for step in faults)
        judged.append(_with_windows(found.model_copy(update={"in_faults": windows})))
    return tuple(judged)


def _in_fault(slo: Slo, step: StepResult, logged: tuple[RequestRecord, ...], doubts: Doubtful, end_s: float) -> FaultWindow:
    """The objective's requests while the fault was in place, but for those that say nothing of the service."""
    assert step.applied_s is not None, "only faults that were in place have a window"
    until_s, is_good = end_s if step.released_s is None else step.released_s, good_by(slo.indicator.ratioMetric.good)
    within = between(logged, step.applied_s, until_s)
    ignored = doubts.logged(within, is_good)
    seen = count((one for one in within if one.id not in ignored) if ignored else within, is_good)
    return FaultWindow(step=step.name, start_s=step.applied_s, end_s=until_s, total=seen.total, bad=seen.bad)


def _with_windows(slo: SloResult) -> SloResult:
    """An objective that is not breached names the faults within which its target was missed all the same."""
    if slo.status == "breached" or not slo.missed_in:
        return slo
    return slo.model_copy(update={"reason": f"{slo.reason}; {', '.join(map(window_text, slo.missed_in))}"})


def window_text(window: FaultWindow) -> str:
    """`within cut (09:06:00 to 09:11:00) 0 % of 141 good`."""
    assert window.ratio is not None, "only windows with requests have a share"
    span = f"{clock(window.start_s)} to {clock(window.end_s)}"
    return f"within {window.step} ({span}) {percent(1 - window.ratio)} of {window.total:,} good"


def _counted(slo: Slo, experiment: Experiment, chosen: tuple[RequestRecord, ...], doubts: Doubtful) -> Judged:
    metric = slo.indicator.ratioMetric
    windows = [window for window in phase_windows(experiment.timeline) if window.name in slo.phases]

    def judged(requests: Iterable[RequestRecord]) -> tuple[RequestRecord, ...]:
        every = tuple(requests)
        return tuple(one for window in windows for one in between(every, window.start_s, window.end_s))

    logged = judged(chosen)
    is_good = good_by(metric.good)
    unsure = count(doubts.among(logged, is_good), is_good)
    seen = count(logged, is_good)
    unlogged = len(judged(doubts.unlogged_of(metric.total)))
    return Judged(seen.total, seen.bad, unsure.total, unsure.bad, unlogged)


def _judge(slo: Slo, seen: Judged, confidence: float) -> SloResult:
    target, metric = slo.objectives[0].target, slo.indicator.ratioMetric
    interval = _interval(seen, confidence)
    status, reason = _status(seen, interval, target)
    return SloResult(
        name=slo.name,
        description=slo.description,
        target=target,
        total=seen.total,
        bad=seen.bad,
        ratio=seen.bad / seen.total if seen.total else None,
        interval=interval,
        status=status,
        budget_spent=seen.bad / (budget(target) * seen.total) if seen.total else None,
        reason=reason,
        phases=slo.phases,
        doubtful=seen.doubtful + seen.unlogged,
        **metric.total.model_dump(),
        within_ms=metric.good.within_ms,
    )


def _interval(seen: Judged, confidence: float) -> Interval | None:
    """Bounds that hold for every possible end of the doubtful requests."""
    if not seen.planned:
        return None
    low = exact_low(seen.bad_least, seen.planned, confidence)
    high = exact_high(seen.bad_most, seen.planned, confidence)
    return Interval(low=low, high=high, confidence=confidence)


def _status(seen: Judged, interval: Interval | None, target: float) -> tuple[SloStatus, str]:
    if interval is None:
        return "undecided", "no request matched"
    allowed = budget(target)
    share = f"{percent(1 - seen.bad / seen.total)} of {seen.total:,} good" if seen.total else "nothing was logged"
    least, most = percent(1 - interval.high), percent(1 - interval.low)
    goal = f"target {percent(target)}, confidence {percent(interval.confidence)}{_doubts_text(seen)}"
    if interval.high <= allowed:
        return "met", f"{share}, at least {least}; {goal}"
    if interval.low > allowed:
        return "breached", f"{share}, at most {most}; {goal}"
    return "undecided", f"{share}, somewhere from {least} to {most}; {goal}"


def _doubts_text(seen: Judged) -> str:
    number = seen.doubtful + seen.unlogged
    return f"; {number:,} late, unsent or unlogged requests count either way" if number else ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a verdict is made from."""

    slos: tuple[SloResult, ...]
    gates: tuple[GateResult, ...]
    steps: tuple[StepResult, ...]
    invariants: tuple[InvariantResult, ...] = ()

    def failed(self, severity: str) -> tuple[str, ...]:
        """What the failed gates of that severity say."""
        return tuple(f"{g.name}: {g.reason}" for g in self.gates if not g.passed and g.severity == severity)


def overall(
    slos: Iterable[SloResult],
    gates: Iterable[GateResult],
    steps: Iterable[StepResult],
    invariants: Iterable[InvariantResult] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict by the module's table, and its reasons, each a sentence. Never without a reason."""
    findings = Findings(tuple(slos), tuple(gates), tuple(steps), tuple(invariants))
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
    """What was violated comes first: it is a fault of the service whatever its objectives say."""
    violated = (one for one in findings.invariants if one.status == "violated")
    broken = (f"{one.name} was violated: {one.evidence} (1 of {one.violations:,})" for one in violated)
    return (*broken, *(f"{slo.name}: {slo.reason}" for slo in findings.slos if slo.status == "breached"))


def _doubts(findings: Findings) -> tuple[str, ...]:
    undecided = tuple(f"{slo.name}: {slo.reason}" for slo in findings.slos if slo.status == "undecided")
    distrusted = tuple(f"{reason} (not trusted, because a gate failed)" for reason in _breached(findings))
    return (*findings.failed("inconclusive"), *undecided, *distrusted)


def _clean(findings: Findings) -> tuple[str, ...]:
    many = len(findings.slos) > 1
    head = (
        f"{f'all {len(findings.slos)} objectives' if many else 'the objective'} met and all {len(findings.gates)} gates passed"
    )
    return (head, *_why_nothing_broke(findings))


def _why_nothing_broke(findings: Findings) -> Iterator[str]:
    """What a pass is owed to besides a service that stood what it met: it is not to be taken for more than it shows."""
    for step in findings.steps:
        if step.role == "fault" and step.state == "defended":
            yield f"{step.name} was refused by the system, as this posture declares"
        if step.role == "fault" and step.state == "skipped":
            yield f"{step.name} was not tried ({step.evidence})"
        if step.role == "fault" and step.exposure is not None and step.exposure.state == "spared":
            yield f"{step.name} was spared: {step.exposure.text}"
    unmet = [slo.name for slo in findings.slos if slo.exposure == "not-exercised"]
    if unmet:
        yield f"no judged request of {', '.join(unmet)} met a fault or needed what it broke"
    for slo in findings.slos:
        if slo.exposure in ("met", "spared") and _could_not_fail(slo):
            yield f"{slo.name} could not have failed: at most {slo.at_risk:,} of its {slo.total:,} requests needed what broke"
        for window in slo.missed_in:
            yield f"{slo.name} is met over {', '.join(slo.phases)}, but {window_text(window)}"


def _could_not_fail(slo: SloResult) -> bool:
    """Whether the objective would be within its budget had every request failed that a fault could reach."""
    return slo.at_risk is not None and slo.at_risk <= budget(slo.target) * slo.total


_RULES: Mapping[Verdict, Callable[[Findings], tuple[str, ...]]] = {
    "unsafe": _unsafe,
    "harness-error": _harness_errors,
    "breach": _breaches,
    "inconclusive": _doubts,
    "pass": _clean,
}

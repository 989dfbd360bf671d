"""From the episodes of a series to what they say of the system.

An episode *counts* when its own verdict is pass or breach, or when nothing is wrong with it but that it was too short to decide
(an undecided objective, the gate `samples`). Any other gate that failed leaves figures that say nothing of the system, and they
are left out. A breach that a run's judge trusted is not left out for a gate which only keeps a run from passing: that would
leave out the bad episodes alone. The series' verdict is the first of these that has a reason:

| verdict | when |
|---|---|
| unsafe, harness-error | an episode ended so |
| breach | an invariant was violated in an episode that counts, or the system's share is below a target |
| inconclusive | fewer than five episodes count, or fewer than four in five; or the series was cut short; or one is undecided |
| pass | none of these |

Where many episodes do not count, those that do are no fair sample: an outage may be what kept the others from counting. A
series that the user ended early could have been ended at a good moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from brownout.harness.base.stats import budget, percent
from brownout.harness.judge.evaluate import exit_code
from brownout.harness.judge.verdict import SloStatus
from brownout.harness.record.result import Interval, Result, SloResult
from brownout.harness.record.series import (
    EpisodeResult,
    EpisodeShare,
    PlannedEpisode,
    SeriesPlan,
    SeriesResult,
    SystemObjective,
)
from brownout.harness.record.verdicts import PRECEDENCE, Verdict
from brownout.harness.series.intervals import EPISODES_LEAST, EpisodeTally, clustered_bounds, mean_ratio

COUNTED_SHARE_LEAST = 0.8
_TOO_SHORT = frozenset({"samples"})  # gates that say nothing of an episode's figures but that it has few of them

_OF_AN_EARLY_END = frozenset({"finished", "steady-state"})


@dataclass(frozen=True, slots=True)
class MadeEpisode:
    """An episode that was carried out, with its run's result."""

    planned: PlannedEpisode
    result: Result


def counts(result: Result) -> bool:
    """Whether a run's figures say something of the system."""
    if result.verdict in ("pass", "breach"):
        return True
    return result.verdict == "inconclusive" and all(gate.passed or gate.name in _TOO_SHORT for gate in result.gates)


def why_not(result: Result) -> str:
    """Why a run does not count: its failed gates, else the reasons of its verdict; "" for one that counts.

    Of a run that did not come to its end that alone is said, and what of the baseline ended it: its other gates fail for want
    of a record.
    """
    if counts(result):
        return ""
    failed = [gate for gate in result.gates if not gate.passed and gate.name not in _TOO_SHORT]
    early = any(gate.name == "finished" for gate in failed)
    told = [gate for gate in failed if gate.name in _OF_AN_EARLY_END] if early else failed
    return "; ".join([f"{gate.name}: {gate.reason}" for gate in told] or result.reasons)


def tally(slo: SloResult) -> EpisodeTally | None:
    """An objective's requests in one run; None where there were none."""
    return EpisodeTally(slo.total, slo.bad, slo.doubtful) if slo.total else None


def judge_series(plan: SeriesPlan, made: Sequence[MadeEpisode], *, cut_short: str = "", wall_s: float = 0.0) -> SeriesResult:
    """The result of a series from the episodes that were carried out, by a pure function."""
    episodes = tuple(_episode(one) for one in made)
    counted = [one.result for one in made if counts(one.result)]
    objectives = tuple(_objective(name, target, counted, plan.confidence) for name, target in _objective_targets(made).items())
    verdict, reasons = _overall(_Findings(plan, made, counted, objectives, cut_short))
    return SeriesResult(
        schema="brownout/series-result/v1",
        plan=plan,
        verdict=verdict,
        reasons=reasons,
        exit_code=exit_code(verdict, plan.expected, plan.posture_expects),
        cut_short=cut_short,
        objectives=objectives,
        episodes=episodes,
        wall_s=wall_s,
    )


def _objective_targets(made: Sequence[MadeEpisode]) -> Mapping[str, float]:
    """The objectives in the order of the file, with their targets."""
    return {slo.name: slo.target for one in made for slo in one.result.slos}


def _episode(made: MadeEpisode) -> EpisodeResult:
    planned, result = made.planned, made.result
    return EpisodeResult(
        number=planned.number,
        folder=planned.folder,
        seed=planned.seed,
        offset_s=planned.offset_s,
        verdict=result.verdict,
        counts=counts(result),
        why=why_not(result) or result.reasons[0],
        shares=tuple(
            EpisodeShare(objective=slo.name, total=slo.total, bad=slo.bad, doubtful=slo.doubtful) for slo in result.slos
        ),
        times=result.times,
    )


def _objective(name: str, target: float, counted: Sequence[Result], confidence: float) -> SystemObjective:
    slos = [slo for result in counted for slo in result.slos if slo.name == name]
    tallies = [found for slo in slos if (found := tally(slo)) is not None]
    ratios = [one.ratio for one in tallies]
    interval = _interval(tallies, confidence) if len(tallies) >= EPISODES_LEAST else None
    status, reason = _status(tallies, interval, target)
    return SystemObjective(
        name=name,
        target=target,
        status=status,
        episodes=len(tallies),
        total=sum(one.total for one in tallies),
        bad=sum(one.bad for one in tallies),
        ratio=mean_ratio(tallies) if tallies else None,
        lowest=min(ratios, default=None),
        highest=max(ratios, default=None),
        interval=interval,
        reason=reason,
    )


def _interval(tallies: Sequence[EpisodeTally], confidence: float) -> Interval:
    bounds = clustered_bounds(tallies, confidence)
    return Interval(low=bounds.low, high=bounds.high, confidence=confidence)


def _status(tallies: Sequence[EpisodeTally], interval: Interval | None, target: float) -> tuple[SloStatus, str]:
    seen = f"{percent(1 - mean_ratio(tallies))} good on average of {_episodes(tallies)}" if tallies else "no request matched"
    if interval is None:
        return "undecided", f"{seen}; a claim about the system needs {EPISODES_LEAST} episodes"
    least, most = percent(1 - interval.high), percent(1 - interval.low)
    goal = f"target {percent(target)}, confidence {percent(interval.confidence)}"
    if interval.high <= budget(target):
        return "met", f"{seen}, the system's share is at least {least}; {goal}"
    if interval.low > budget(target):
        return "breached", f"{seen}, the system's share is at most {most}; {goal}"
    return "undecided", f"{seen}, the system's share is somewhere from {least} to {most}; {goal}"


def _episodes(some: Sequence[object]) -> str:
    return "1 episode" if len(some) == 1 else f"{len(some)} episodes"


@dataclass(frozen=True, slots=True)
class _Findings:
    """All that the verdict is made from. `counted` are the results of the episodes that count."""

    plan: SeriesPlan
    made: Sequence[MadeEpisode]
    counted: Sequence[Result]
    objectives: tuple[SystemObjective, ...]
    cut_short: str

    def ended_as(self, verdict: Verdict) -> Iterator[str]:
        for one in self.made:
            if one.result.verdict == verdict:
                yield f"{one.planned.folder}: {'; '.join(one.result.reasons)}"


def _overall(findings: _Findings) -> tuple[Verdict, tuple[str, ...]]:
    for verdict in PRECEDENCE:
        reasons = tuple(_RULES[verdict](findings))
        if reasons:
            return verdict, reasons
    raise AssertionError("the last rule always has a reason")


def _unsafe(findings: _Findings) -> Iterator[str]:
    yield from findings.ended_as("unsafe")


def _harness_errors(findings: _Findings) -> Iterator[str]:
    yield from findings.ended_as("harness-error")


def _breaches(findings: _Findings) -> Iterator[str]:
    for one in findings.made:
        if counts(one.result):
            for invariant in one.result.invariants:
                if invariant.status == "violated":
                    yield f"{one.planned.folder}: {invariant.name} was violated: {invariant.evidence}"
    if not tuple(_unfair(findings)):
        yield from (f"{found.name}: {found.reason}" for found in findings.objectives if found.status == "breached")


def _unfair(findings: _Findings) -> Iterator[str]:
    """Why the episodes that count are no fair sample of the system."""
    made, counted = len(findings.made), len(findings.counted)
    if findings.cut_short:
        yield f"the series was cut short after {made} of {len(findings.plan.episodes)} episodes: {findings.cut_short}"
    if counted < EPISODES_LEAST:
        yield f"episodes that count: {counted} of {made}; a claim about the system needs {EPISODES_LEAST}"
    elif counted < COUNTED_SHARE_LEAST * made:
        yield f"only {counted} of {made} episodes count: those that do not may be the bad ones"


def _doubts(findings: _Findings) -> Iterator[str]:
    yield from _unfair(findings)
    yield from _left_out(findings)
    yield from (f"{found.name}: {found.reason}" for found in findings.objectives if found.status == "undecided")


def _left_out(findings: _Findings) -> Iterator[str]:
    """The episodes that do not count; no reason by themselves."""
    if any(found.status == "undecided" for found in findings.objectives) or tuple(_unfair(findings)):
        yield from (
            f"{one.planned.folder} does not count: {why_not(one.result)}" for one in findings.made if not counts(one.result)
        )


def _clean(findings: _Findings) -> Iterator[str]:
    number, made, counted = len(findings.objectives), len(findings.made), len(findings.counted)
    heads = f"all {number} objectives" if number > 1 else "the objective"
    yield f"{heads} met by the system, by {counted} episodes of their own seeds and offsets"
    if counted < made:
        yield f"{made - counted} of {made} episodes do not count"


_RULES: Mapping[Verdict, Callable[[_Findings], Iterator[str]]] = {
    "unsafe": _unsafe,
    "harness-error": _harness_errors,
    "breach": _breaches,
    "inconclusive": _doubts,
    "pass": _clean,
}

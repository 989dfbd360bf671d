"""Whether one side's runs are worse than another's: shares of objectives, and times.

Theory. A row is *worse* when the lower bound of its difference is above zero, *better* when the upper bound is below it. All
bounds hold together at the stated confidence (Bonferroni: each row's own risk is that of the whole, divided by their number),
so two sides that are alike give a false regression in at most one comparison of twenty, however many rows there are. That no
difference was seen is no proof that there is none: *no regression* is said only when every objective, and every time that
could be compared, has an upper bound within the allowed difference. That is a share (the margin) of the objective's error
budget, or of the time before.

With five episodes that count on both sides the bounds are about the system. With fewer they are about these runs alone:
requests of one run fail together, so another run of the same system may differ by more than they say. Times of single runs
have no bound.

What is compared must be one experiment. Load, schedule, timeline and stack must be equal, and so must an objective's requests
and its rule of what is good. Time-outs are real time, so times need one world and one rate of the clock. An objective that
counts answers within some milliseconds is compared in one world only: how fast a machine is says nothing of the service.
Milliseconds themselves are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from brownout.harness.base.stats import budget
from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.record.comparison import ComparedRow, ComparisonResult, RowVerdict
from brownout.harness.record.result import Times
from brownout.harness.series.intervals import (
    EPISODES_LEAST,
    Bounds,
    EpisodeTally,
    mean_ratio,
    share_difference,
    shared_confidence,
    welch,
)
from brownout.harness.series.sides import Side
from brownout.harness.series.verdict import tally
from brownout.harness.worlds.catalog import SIMULATION

CONFIDENCE = 0.95
MARGIN = 0.25
TIMES: Mapping[str, Callable[[Times], float | None]] = {
    "time to detect": lambda times: times.detect,
    "time to mitigate": lambda times: times.mitigate,
    "time to recover": lambda times: times.recover,
    "longest outage": lambda times: times.longest_outage,
}
_SETUP = ("load", "schedule", "timeline", "machines", "stack")


@dataclass(frozen=True, slots=True)
class _Pair:
    """One figure of both sides, not yet judged: its values before and after, and how its difference is bounded."""

    name: str
    kind: Literal["share", "time"]
    before: float
    after: float
    allowed: float
    bounds: Callable[[float], Bounds]


def compare(before: Side, after: Side, *, margin: float = MARGIN) -> ComparisonResult:
    """The comparison of two sides; raises UsageError for two that have no experiment in common, or a run in common."""
    _require_two(before, after)
    found = tuple(_rows(before, after, margin))
    pairs = [one for one in found if isinstance(one, _Pair)]
    confidence = shared_confidence(max(1, len(pairs)), CONFIDENCE)
    rows = tuple(_judged(one, confidence) if isinstance(one, _Pair) else one for one in found)
    verdict, reasons = _overall(rows)
    return ComparisonResult(
        schema="brownout/comparison/v1",
        experiment=before.experiment.name,
        scope="system" if _is_about_systems(before, after) else "runs",
        before=before.described(),
        after=after.described(),
        confidence=CONFIDENCE,
        margin=margin,
        rows=rows,
        verdict=verdict,
        reasons=reasons,
        notes=tuple(_notes(before, after)),
        exit_code={"no regression": 0, "regression": 1, "inconclusive": 3}[verdict],
    )


def _require_two(before: Side, after: Side) -> None:
    if before.experiment.name != after.experiment.name:
        raise UsageError(
            f"{before.name} is experiment {before.experiment.name}, {after.name} is {after.experiment.name}",
            hint="compare runs of one experiment",
        )
    common = {run.folder.resolve() for run in before.runs} & {run.folder.resolve() for run in after.runs}
    if common:
        raise UsageError(f"{min(common)} is on both sides", hint="a run does not differ from itself; name two")


def _is_about_systems(before: Side, after: Side) -> bool:
    return min(len(before.counted), len(after.counted)) >= EPISODES_LEAST


def _rows(before: Side, after: Side, margin: float) -> Iterator[_Pair | ComparedRow]:
    whole = _why_nothing_can_be(before, after)
    own = {slo.name: slo for slo in after.experiment.slos}
    for slo in before.experiment.slos:
        yield _share(slo, own.get(slo.name), before, after, margin, whole)
    for slo in after.experiment.slos:
        if slo.name not in {one.name for one in before.experiment.slos}:
            yield _not_comparable(slo.name, "share", "only AFTER has this objective")
    for name, of in TIMES.items():
        yield from _time(name, of, before, after, margin, whole)


def _why_nothing_can_be(before: Side, after: Side) -> str:
    """Why no figure of the two sides can be compared; "" when some can."""
    for side in (before, after):
        if not side.counted:
            return f"no run of {side.name} counts ({'; '.join(side.described().excluded)})"
    differing = _differing_setup(before.experiment, after.experiment)
    return f"the experiment was changed: {', '.join(differing)}" if differing else ""


def _differing_setup(one: Experiment, other: Experiment) -> list[str]:
    return [name for name in _SETUP if getattr(one, name) != getattr(other, name)]


def _share(slo: Slo, other: Slo | None, before: Side, after: Side, margin: float, whole: str) -> _Pair | ComparedRow:
    why = whole or _why_not_share(slo, other, before, after)
    if why:
        return _not_comparable(slo.name, "share", why)
    tallies = [_tallies(slo.name, side) for side in (before, after)]
    if not all(tallies):
        return _not_comparable(slo.name, "share", "on one side no request of a run that counts matched")
    one, two = tallies
    allowed = margin * budget(slo.objectives[0].target)
    return _Pair(
        slo.name, "share", mean_ratio(one), mean_ratio(two), allowed, lambda confidence: share_difference(one, two, confidence)
    )


def _why_not_share(slo: Slo, other: Slo | None, before: Side, after: Side) -> str:
    if other is None:
        return "only BEFORE has this objective"
    if (slo.indicator, slo.phases, slo.budgetingMethod) != (other.indicator, other.phases, other.budgetingMethod):
        return "the objective was defined differently"
    within = slo.indicator.ratioMetric.good.within_ms
    worlds = [side.first.header.world for side in (before, after)]
    if within is not None and worlds[0] != worlds[1]:
        return f"it counts answers within {within:g} ms, which are not those of another world ({' and '.join(worlds)})"
    return ""


def _tallies(objective: str, side: Side) -> list[EpisodeTally]:
    every = (tally(slo) for result in side.counted for slo in result.slos if slo.name == objective)
    return [one for one in every if one is not None]


def _time(
    name: str, of: Callable[[Times], float | None], before: Side, after: Side, margin: float, whole: str
) -> Iterator[_Pair | ComparedRow]:
    """The row of one time; none where neither side ever has it, as without an outage."""
    values = [[of(result.times) for result in side.counted] for side in (before, after)]
    if not any(value is not None for side in values for value in side):
        return
    known = [[value for value in side if value is not None] for side in values]
    why = whole or _why_not_time(before, after) or _unknown(before, known[0]) or _unknown(after, known[1])
    if why:
        # An impact of which AFTER knows no end, or that no alert saw, may be the worst of all.
        unseen = sum(of(result.times) is None and result.times.impact_start_s is not None for result in after.counted)
        yield _not_comparable(name, "time", why, hides=unseen > 0)
        return
    one, two = known
    yield _Pair(name, "time", fmean(one), fmean(two), margin * fmean(one), lambda confidence: welch(one, two, confidence))


def _why_not_time(before: Side, after: Side) -> str:
    headers = [side.first.header for side in (before, after)]
    if headers[0].world != headers[1].world:
        return f"times of worlds {headers[0].world} and {headers[1].world} are not alike"
    if headers[0].clock_rate != headers[1].clock_rate and headers[0].world != SIMULATION:
        return "the rates of the clocks differ, and time-outs are real time"
    if not _is_about_systems(before, after):
        return f"times need {EPISODES_LEAST} episodes that count on both sides"
    return ""


def _unknown(side: Side, known: Sequence[float]) -> str:
    missing = len(side.counted) - len(known)
    return f"in {missing} of {len(side.counted)} episodes of {side.name} it is not known" if missing else ""


def _not_comparable(name: str, kind: Literal["share", "time"], reason: str, *, hides: bool = True) -> ComparedRow:
    return ComparedRow(
        name=name,
        kind=kind,
        before=None,
        after=None,
        verdict="not comparable",
        reason=reason,
        may_hide_regression=hides,
    )


def _judged(pair: _Pair, confidence: float) -> ComparedRow:
    bounds = pair.bounds(confidence)
    return ComparedRow(
        name=pair.name,
        kind=pair.kind,
        before=pair.before,
        after=pair.after,
        difference=pair.after - pair.before,
        low=bounds.low,
        high=bounds.high,
        allowed=pair.allowed,
        verdict=_verdict(bounds),
        may_hide_regression=bounds.high > pair.allowed,
    )


def _verdict(bounds: Bounds) -> RowVerdict:
    if bounds.low > 0:
        return "worse"
    return "better" if bounds.high < 0 else "no difference seen"


def _overall(
    rows: Sequence[ComparedRow],
) -> tuple[Literal["no regression", "regression", "inconclusive"], tuple[str, ...]]:
    worse = [row for row in rows if row.verdict == "worse"]
    if worse:
        return "regression", tuple(f"{row.name} is worse" for row in worse)
    doubts = tuple(_doubts(rows))
    if doubts:
        return "inconclusive", doubts
    return "no regression", ("no objective and no time is worse by more than the margin",)


def _doubts(rows: Sequence[ComparedRow]) -> Iterator[str]:
    for row in rows:
        if row.may_hide_regression:
            unknown = row.verdict == "not comparable"
            yield f"{row.name} {f'cannot be compared: {row.reason}' if unknown else 'may be worse by more than the margin'}"


def _notes(before: Side, after: Side) -> Iterator[str]:
    """What a reader must know to take the rows for what they are."""
    if not _is_about_systems(before, after):
        yield (
            f"About these runs alone, not about the system: that needs {EPISODES_LEAST} episodes that count on both sides. "
            "Another run of the same system may differ by more."
        )
    worlds = {side.first.header.world for side in (before, after)}
    limits = [slo for slo in before.experiment.slos if slo.indicator.ratioMetric.good.within_ms is not None]
    if limits and worlds != {SIMULATION}:
        names = ", ".join(slo.name for slo in limits)
        yield f"{names} count answers within some milliseconds: compare runs of one machine only."
    versions = [side.first.header.versions.get("brownout", "") for side in (before, after)]
    if versions[0] != versions[1]:
        yield f"The sides were judged by versions {versions[0]} and {versions[1]}; `brownout report` judges a folder again."

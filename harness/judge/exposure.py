"""Which requests met what a step broke: a fault that no judged request met, or would have needed, tested nothing.

Theory. A step's *reach* (record/reach.py) says what stands for its carriers in a trail. While it is in place, a judged request

- *met* it when its trail shows the reach, or when it failed and what it would have needed includes the reach;
- *was spared* when it was answered another way: from a cache or a replica that was filled over the reach, or by other nodes.

A failed request has a short trail or none, and a cached answer shows only the cache. What they would have needed is known
from others: from the latest request of the same machine that shows the way behind its caches (priming included), and from
the baseline's requests, and those that met it between the baseline and the step, of the same cohort, operation and home. A
step that no request met, and none needed in the baseline either, was *not exercised*. One that the baseline needed and no
request met was *spared*: caches or another way protected every request, and that is why an objective held.

Method. One pass sorts the requests into segments of time, between which steps and phases change, and counts equal ones
together; trails name no request, so there are few different ones. Everything else is sums over these counts.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from brownout.harness.base.stats import percent
from brownout.harness.experiment.model import Experiment, Slo, Step
from brownout.harness.experiment.phase_windows import PhaseWindow, phase_windows
from brownout.harness.judge.routes import NOWHERE, Route, route_of, routes_of
from brownout.harness.judge.steps import RELEASED, Life, lives
from brownout.harness.judge.subject.ways import SubjectWays
from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.reach import Reach
from brownout.harness.record.result import CohortExposure, Exposure, ExposureState
from brownout.harness.record.selection import matcher

_ASKED = ("cohort", "operation", "region", "home", "machine", "trail", "outcome")
_asked = itemgetter(*map(RequestRecord._fields.index, _ASKED))


class _Kind(NamedTuple):
    """What equal requests have in common. `machine` is "" where no step concerns single machines."""

    cohort: str
    operation: str
    region: str
    home: str
    machine: str
    trail: str
    behind: str
    happened: bool

    @property
    def peers(self) -> tuple[str, str, str, str]:
        """Whose baseline says what it would have needed."""
        return self.cohort, self.operation, self.region, self.home


@dataclass(frozen=True, slots=True)
class _Segment:
    """A stretch of time in which the same steps are in place and one phase is on, and the requests intended in it."""

    start_s: float
    phase: str
    counts: Counter[_Kind] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _InPlace:
    """A step while it was in place, [start_s, end_s), and whom it concerns."""

    step: Step
    reach: Reach
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Exposures:
    """The exposure of each step that was in place at some time, and whether each objective's requests met a fault.

    `objectives` is empty when no fault was in place.
    """

    steps: Mapping[str, Exposure]
    objectives: Mapping[str, AtRisk]


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Whether an objective's requests met a fault, and how many met one or would have needed what it broke, at most."""

    state: ExposureState
    requests: int

    @classmethod
    def of(cls, met: Iterable[Exposure]) -> AtRisk:
        """From the objective's exposure to each fault. Requests at risk from two faults count twice: it is an upper bound."""
        every = tuple(met)
        return cls(_strongest(one.state for one in every), sum(_at_risk(cohort) for one in every for cohort in one.cohorts))


def _at_risk(cohort: CohortExposure) -> int:
    """Those known to be, and of the others as large a share as in the baseline."""
    known = cohort.met + cohort.from_cache
    share = cohort.baseline_needed / cohort.baseline_total if cohort.baseline_total else 0.0
    return known + math.ceil(share * (cohort.total - known))


def exposures(experiment: Experiment, history: History) -> Exposures:
    """All exposures of a run, by the names of its steps and objectives."""
    found = tuple(_in_place(experiment, lives(history.events)))
    segments = _segments(experiment, history, found)
    faults = [one for one in found if one.step.role == "fault"]
    return Exposures(
        steps={one.step.name: _exposure(one, segments, _judged_by(experiment.slos)) for one in found},
        objectives={
            slo.name: AtRisk.of(_exposure(one, segments, _judged_by([slo])) for one in faults)
            for slo in experiment.slos
            if faults
        },
    )


def _strongest(states: Iterable[ExposureState]) -> ExposureState:
    """Met if anything was, else spared if anything was."""
    known = frozenset(states)
    return "met" if "met" in known else "spared" if "spared" in known else "not-exercised"


def _in_place(experiment: Experiment, known: Mapping[str, Life]) -> Iterable[_InPlace]:
    end_s = phase_windows(experiment.timeline)[-1].end_s
    for step in experiment.schedule:
        life = known.get(step.name, Life(()))
        applied_s, reach = life.first_s("applied"), _reach(life.acts)
        if applied_s is not None and reach is not None:
            released_s = life.first_s(*RELEASED)
            yield _InPlace(step, reach, applied_s, end_s if released_s is None else released_s)


def _reach(acts: Iterable[Event]) -> Reach | None:
    """The recorded reach; that of the carriers in a record that has none yet, None when it has neither."""
    details = [act.detail for act in acts]
    told = next((detail["reach"] for detail in details if "reach" in detail), None)
    if told is not None:
        return Reach.from_json(told)
    carriers = next((detail["carriers"] for detail in details if detail.get("carriers")), None)
    return None if carriers is None else Reach.of_carriers(map(str, carriers))


def _segments(experiment: Experiment, history: History, found: Sequence[_InPlace]) -> tuple[_Segment, ...]:
    windows = phase_windows(experiment.timeline)
    borders = {window.start_s for window in windows} | {at_s for one in found for at_s in (one.start_s, one.end_s)}
    starts_s = sorted(at_s for at_s in borders if windows[0].start_s <= at_s < windows[-1].end_s)
    segments = tuple(_Segment(start_s, _phase_at(windows, start_s)) for start_s in starts_s)
    names_machines, hidden = any(one.reach.machines for one in found), _BehindCaches(_primed(history.events))
    counts = [Counter[tuple[tuple[str, ...], str]]() for _ in segments]
    subject, end_s = SubjectWays.of(experiment, history.events), windows[-1].end_s
    for logged in history.requests:
        request = subject.shown(logged) if subject.cohorts else logged
        behind = subject.behind(logged) if request is not logged else hidden.behind(request)
        index = bisect_right(starts_s, request.intended_s) - 1
        if index >= 0 and request.intended_s < end_s:
            counts[index][_asked(request), behind] += 1
    for segment, counted in zip(segments, counts, strict=True):
        for (asked, behind), number in counted.items():
            segment.counts[_kind(asked, behind, named=names_machines)] += number
    return segments


@dataclass(slots=True)
class _BehindCaches:
    """What answers from caches hide: by machine, the trail of its latest request that went all the way.

    Asked request by request, in order. Clients that never look into a cache have nothing behind one.
    """

    filled: dict[str, str]
    askers: set[tuple[str, str]] = field(default_factory=set)

    def behind(self, request: RequestRecord) -> str:
        """The trail behind this request's answer, "" where it shows everything itself."""
        if not request.machine:
            return ""
        known = self.filled.get(request.machine, "")
        if route_of(request.trail).asks_caches:
            self.askers.add((request.cohort, request.operation))
            hops = request.trail.count(">")
            if hops and hops >= known.count(">"):
                self.filled[request.machine] = request.trail
                return ""
        return known if (request.cohort, request.operation) in self.askers else ""


def _phase_at(windows: Sequence[PhaseWindow], at_s: float) -> str:
    return next(window.name for window in windows if window.start_s <= at_s < window.end_s)


def _primed(events: Iterable[Event]) -> dict[str, str]:
    """By machine, the trail over which its caches were filled before the load."""
    notes = (event.detail.get("routes", {}) for event in events if (event.kind, event.what) == ("note", "primed"))
    return {str(machine): str(trail) for routes in notes for trail, machines in routes.items() for machine in machines}


def _kind(asked: tuple[str, ...], behind: str, *, named: bool) -> _Kind:
    """The kind of the requests with these `_ASKED`."""
    cohort, operation, region, home, machine, trail, outcome = asked
    return _Kind(cohort, operation, region, home, machine if named else "", trail, behind, outcome == "happened")


_Judged = Callable[[_Kind, str], bool]


def _judged_by(slos: Iterable[Slo]) -> _Judged:
    """Whether an objective is about requests of a kind in a phase; the phase "" asks about any phase."""
    rules = [(matcher(slo.indicator.ratioMetric.total), frozenset(slo.phases)) for slo in slos]

    def is_judged(kind: _Kind, phase: str) -> bool:
        return any((not phase or phase in phases) and matches(kind) for matches, phases in rules)

    return is_judged


@dataclass(slots=True)
class _Tally:
    """What became of a cohort's judged requests around one step."""

    total: int = 0
    met: int = 0
    failed: int = 0
    kept: int = 0
    before: int = 0
    needed_before: int = 0


def _exposure(one: _InPlace, segments: Iterable[_Segment], judged: _Judged) -> Exposure:
    tallies: dict[str, _Tally] = {}
    needy: set[tuple[str, str, str, str]] = set()
    every = tuple(segments)
    for kind, number in _counts(every, lambda each: each.phase == "baseline" and not one.start_s <= each.start_s < one.end_s):
        if judged(kind, ""):
            tally = tallies.setdefault(kind.cohort, _Tally())
            tally.before += number
            if _concerns(one.reach, kind) and _needs(one.reach, kind):
                tally.needed_before += number
                needy.add(kind.peers)
    # A fail-over before the step may have sent its requests over what it broke, though the baseline's went elsewhere.
    for kind, _ in _counts(every, lambda each: each.phase != "baseline" and each.start_s < one.start_s):
        if judged(kind, "") and kind.happened and _concerns(one.reach, kind) and routes_of(kind.trail).meets(one.reach):
            needy.add(kind.peers)
    for segment in every:
        if one.start_s <= segment.start_s < one.end_s:
            for kind, number in segment.counts.items():
                if judged(kind, segment.phase):
                    _count(tallies.setdefault(kind.cohort, _Tally()), one.reach, kind, number, needy)
    return _told(one, {cohort: tally for cohort, tally in tallies.items() if tally.total})


def _counts(segments: Iterable[_Segment], wanted: Callable[[_Segment], bool]) -> Iterable[tuple[_Kind, int]]:
    return (item for segment in segments if wanted(segment) for item in segment.counts.items())


def _count(tally: _Tally, reach: Reach, kind: _Kind, number: int, needy: set[tuple[str, str, str, str]]) -> None:
    tally.total += number
    if not _concerns(reach, kind):
        return
    if routes_of(kind.trail).meets(reach):
        tally.met += number
    elif not kind.happened and (kind.peers in needy or _needs(reach, kind)):
        tally.failed += number
    elif kind.happened and _needs(reach, kind):
        tally.kept += number


def _concerns(reach: Reach, kind: _Kind) -> bool:
    return not reach.machines or kind.machine in reach.machines


def _needs(reach: Reach, kind: _Kind) -> bool:
    own, behind = routes_of(kind.trail), _behind(kind)
    return own.meets(reach) or behind.meets(reach) or own.rests_on_replica(reach) or behind.rests_on_replica(reach)


def _behind(kind: _Kind) -> Route:
    return routes_of(kind.behind) if kind.behind else NOWHERE


def _told(one: _InPlace, tallies: Mapping[str, _Tally]) -> Exposure:
    cohorts = tuple(_cohort(name, tally) for name, tally in sorted(tallies.items()))
    state = _strongest(cohort.state for cohort in cohorts)
    return Exposure(state=state, text=_text(one.reach, state, cohorts), cohorts=cohorts)


def _cohort(name: str, tally: _Tally) -> CohortExposure:
    needed = tally.met + tally.failed
    state: ExposureState = "met" if needed else "spared" if tally.kept or tally.needed_before else "not-exercised"
    return CohortExposure(
        cohort=name,
        state=state,
        total=tally.total,
        met=needed,
        from_cache=tally.kept,
        baseline_total=tally.before,
        baseline_needed=tally.needed_before,
    )


def _text(reach: Reach, state: ExposureState, cohorts: Sequence[CohortExposure]) -> str:
    total = sum(cohort.total for cohort in cohorts)
    if not total:
        return "no judged request was sent while it was in place"
    if not (reach.links or reach.nodes or reach.replicas):
        return f"it concerns {reach}"
    if state == "met":
        return f"{sum(cohort.met for cohort in cohorts):,} of {total:,} judged requests met {reach}"
    if state == "not-exercised":
        return f"none of {total:,} judged requests met {reach} or would have needed it, in the baseline neither"
    needed, before = (sum(getattr(each, name) for each in cohorts) for name in ("baseline_needed", "baseline_total"))
    cached = sum(cohort.from_cache for cohort in cohorts)
    share = f"{percent(needed / before if before else 0.0)} of {before:,} requests needed it in the baseline"
    what = "replicas that it feeds" if reach.replicas else "caches filled over it"
    rest = ", the others another way" if cached < total else ""
    how = f"{cached:,} were answered from {what}{rest}" if cached else "they were answered another way"
    return f"none of {total:,} judged requests met {reach}: {share}, and {how}"

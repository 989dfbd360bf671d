"""Ends a run early whose system is broken where no fault explains it: in the baseline, or after its faults where a file asks.

Law: as in the conductor, nothing is awaited here; requests are read from the log as it grows, in every world alike. Only those
count whose deadline has passed, for failures that take long would else be missing, and only those that left in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.experiment.phase_windows import PhaseWindow, phase_windows
from brownout.harness.experiment.steps import ScheduleMoment, StepStart
from brownout.harness.judge.early.rules import BaselineRule, OutageRule
from brownout.harness.judge.selection import good_by
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.selection import Lateness, matcher
from brownout.harness.run.journal import Journal
from brownout.harness.run.prepare import PreparedRun
from brownout.harness.world import World

LOOKS, LOOK_S = 60, 1.0  # of one stretch at most; network time between two at least
LOG_S = 1.0  # network time in which what has ended is in the log


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time in which no fault is in place by the schedule, of a phase: emulated seconds, [start_s, end_s)."""

    phase: str
    start_s: float
    end_s: float


class StopWatch:
    """Looks at the log now and then; `reason` says why the run is to end, "" while it goes on."""

    def __init__(self, run: PreparedRun, world: World, journal: Journal) -> None:
        experiment, self._world, self._journal = run.experiment, world, journal
        self._stretches = tuple(stretches(experiment, run.moments))
        self._objectives = tuple(map(_Objective, experiment.slos))
        self._settled_s = (experiment.load.deadline_s + LOG_S) * world.rate
        self._lateness = Lateness.of(experiment.gates.lag_p99_s, world.rate)
        self._pending: list[RequestRecord] = []
        self.reason = ""
        self._at: int  # which stretch is watched
        self._next_s: float
        self._rules(experiment)
        self._begin(0)

    def next_s(self) -> float:
        """When to look again, in emulated time; infinity where nothing is to be watched any more."""
        return self._next_s

    def look_due(self) -> None:
        """Looks at what has ended since the last look, where it is time to."""
        now_s = self._world.now()
        if now_s < self._next_s or self.reason:
            return
        stretch = self._stretches[self._at]
        settled_s = min(now_s - self._settled_s, stretch.end_s)
        self._next_s = now_s + max(LOOK_S * self._world.rate, (stretch.end_s - stretch.start_s) / LOOKS)
        self._read(stretch, settled_s)
        if settled_s > stretch.start_s:
            self.reason = next(self._broken(stretch, settled_s), "")
        if self.reason:
            self._journal.event("run", "stopped", detail={"reason": self.reason})
        elif settled_s == stretch.end_s:
            self._begin(self._at + 1)

    def _rules(self, experiment: Experiment) -> None:
        stop, baseline = experiment.stop, phase_windows(experiment.timeline)[0]
        length_s, many = baseline.end_s - baseline.start_s, len(experiment.slos)
        for_s = stop.for_s * self._world.rate
        self._in_baseline = [
            BaselineRule(slo.name, slo.objectives[0].target, length_s, many)
            for slo in experiment.slos
            if stop.baseline and experiment.gates.steady_state
        ]
        self._outages = [OutageRule(slo.name, stop.bad_share, for_s) for slo in experiment.slos]
        self._outage_phases = stop.phases_of(steady_state=experiment.gates.steady_state)

    def _begin(self, number: int) -> None:
        self._at, over = number, number >= len(self._stretches)
        self._next_s = math.inf if over else self._stretches[number].start_s
        for rule in self._outages:
            rule.restart()

    def _read(self, stretch: Stretch, settled_s: float) -> None:
        """Adds the requests of the stretch whose deadline has passed, in the order in which they were meant to be sent."""
        self._pending += self._journal.new_requests()
        ended = [one for one in self._pending if one.intended_s < settled_s]
        self._pending = [one for one in self._pending if one.intended_s >= settled_s]
        for request in sorted(ended, key=lambda one: one.intended_s):
            if request.intended_s >= stretch.start_s:
                self._add(request)

    def _add(self, request: RequestRecord) -> None:
        for number, objective in enumerate(self._objectives):
            if not objective.is_about(request):
                continue
            good = objective.is_good(request)
            if self._lateness.is_doubtful(request, good=good):
                continue
            if self._in_baseline and self._stretches[self._at].phase == "baseline":
                self._in_baseline[number].add(good=good)
            self._outages[number].add(request.intended_s, good=good)

    def _broken(self, stretch: Stretch, settled_s: float) -> Iterator[str]:
        if stretch.phase == "baseline":
            yield from filter(None, (rule.broken(settled_s - stretch.start_s) for rule in self._in_baseline))
        if stretch.phase in self._outage_phases:
            yield from filter(None, (rule.broken(stretch.start_s, settled_s) for rule in self._outages))


class _Objective:
    """Which requests an objective is about, and which of them are good."""

    def __init__(self, slo: Slo) -> None:
        metric = slo.indicator.ratioMetric
        self.is_about, self.is_good = matcher(metric.total), good_by(metric.good)


def stretches(experiment: Experiment, moments: tuple[ScheduleMoment, ...]) -> Iterator[Stretch]:
    """The time to be watched, in order: the phases of the stop rule, less the time in which a step of role fault is planned."""
    stop, steady = experiment.stop, experiment.gates.steady_state
    phases = {*stop.phases_of(steady_state=steady), *(["baseline"] if stop.baseline and steady else [])}
    faults = [(one.at_s, one.until_s) for one in moments if isinstance(one, StepStart) and one.resolved.step.role == "fault"]
    for window in phase_windows(experiment.timeline):
        if window.name in phases:
            yield from _without(window, faults)


def _without(window: PhaseWindow, faults: list[tuple[float, float]]) -> Iterator[Stretch]:
    """The window's time in which none of the faults is in place; of the baseline only what is before the first."""
    start_s = window.start_s
    for begin_s, until_s in sorted(faults):
        if until_s <= start_s or begin_s >= window.end_s:
            continue
        if begin_s > start_s:
            yield Stretch(window.name, start_s, begin_s)
        start_s = until_s
        if window.name == "baseline":
            return
    if start_s < window.end_s:
        yield Stretch(window.name, start_s, window.end_s)

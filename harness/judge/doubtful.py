"""Requests that the generator did not send as planned: late, unsent or unlogged. They count against both verdicts.

Theory. Such a request says nothing of the service: sent in time, it might have ended either way, whatever came of it when it
was sent late. So an objective is met only if it would be met with all of them bad, and breached only if it would be breached
with all of them good. A request is

- *late* when it left later than the limit of the gate `generator-lag`, of which a file may not make what it likes (`Lateness`);
- *held up* when it was under way, and bad, while the generator stood still, which late requests show: its answer was not read;
- *unsent* when the generator logged that it could not send it;
- *unlogged* when it is in the plan and not in the log. The seed decides the plan, so each is known by cohort, time and
  operation; its home region is not, and it counts for every objective of the cohort whatever its homes.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from brownout.harness.experiment.model import Experiment, Selector
from brownout.harness.load.arrivals import LoadPlan, arrivals, planned_count
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.selection import Lateness, matcher


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Which requests are doubtful: those that left too late, those under way in a stall of the generator, and the `unlogged`.

    `stalls` are stretches of emulated time in order, none overlapping. The unlogged have no outcome. `suspects` are the ids of
    the logged requests of which one may be doubtful, depending on what came of it: nearly always none is. None: any may be.
    """

    lateness: Lateness = field(default_factory=Lateness)
    stalls: tuple[tuple[float, float], ...] = ()
    unlogged: tuple[RequestRecord, ...] = ()
    suspects: frozenset[str] | None = None

    def has(self, request: RequestRecord, *, good: bool) -> bool:
        """Whether a logged request might have ended the other way, had the generator done its part."""
        return self.lateness.is_doubtful(request, good=good) or (not good and self._held_up(request))

    def _held_up(self, request: RequestRecord) -> bool:
        last = bisect_left(self.stalls, (request.done_s, -math.inf)) - 1  # of those that began before its end
        return last >= 0 and self.stalls[last][1] > request.sent_s

    def logged(self, requests: Iterable[RequestRecord], is_good: Callable[[RequestRecord], bool]) -> frozenset[str]:
        """The ids of the late and unsent ones, where `is_good` says what was good."""
        return frozenset(one.id for one in self.among(requests, is_good))

    def among(self, requests: Iterable[RequestRecord], is_good: Callable[[RequestRecord], bool]) -> Iterator[RequestRecord]:
        """Those of the requests that are late or unsent."""
        if self.suspects is not None:
            requests = (one for one in requests if one.id in self.suspects) if self.suspects else ()
        return (one for one in requests if self.has(one, good=is_good(one)))

    def unlogged_of(self, selector: Selector) -> Iterator[RequestRecord]:
        """The unlogged requests that the selector may mean."""
        return filter(matcher(selector.model_copy(update={"homes": ()})), self.unlogged)


NOTHING_DOUBTFUL = Doubtful()


def doubtful(
    experiment: Experiment, requests: Iterable[RequestRecord], *, seed: int, clock_rate: float, is_finished: bool = True
) -> Doubtful:
    """What is doubtful in a run's log, `clock_rate` emulated seconds per real second.

    Nothing is unlogged in a run that did not come to its end: it lacks what was still to come, and its verdict says nothing
    anyway.
    """
    every = tuple(requests)
    lateness = Lateness.of(experiment.gates.lag_p99_s, clock_rate)
    unlogged = tuple(_unlogged(plan_of(experiment, seed), every)) if is_finished else ()
    found = Doubtful(lateness, tuple(_stalls(every, lateness.bad_s)), unlogged)
    # A bad request is doubtful wherever a good one is: it may be less late, and may have been held up.
    return replace(found, suspects=frozenset(one.id for one in every if found.has(one, good=False)))


def _stalls(requests: tuple[RequestRecord, ...], late_s: float) -> list[tuple[float, float]]:
    """When the generator did not send what was due: from the intended to the actual sending of each late request, merged."""
    waits = sorted((one.intended_s, one.sent_s) for one in requests if one.sent_s - one.intended_s > late_s)
    stalls: list[tuple[float, float]] = []
    for intended_s, sent_s in waits:
        if stalls and intended_s <= stalls[-1][1]:
            stalls[-1] = stalls[-1][0], max(stalls[-1][1], sent_s)
        else:
            stalls.append((intended_s, sent_s))
    return stalls


def plan_of(experiment: Experiment, seed: int) -> LoadPlan:
    """The plan's arrivals with their times and operations. Machines and homes may be others, which needs the stack to know."""
    midnight_s = experiment.timeline.epoch_s()
    return LoadPlan(
        seed=seed,
        start_s=midnight_s + experiment.timeline.baseline,
        end_s=midnight_s + experiment.timeline.end,
        cohorts=experiment.load.cohorts,
    )


def planned_total(experiment: Experiment) -> int:
    """How many arrivals a whole run has."""
    plan = plan_of(experiment, 0)
    return sum(planned_count(plan, cohort) for cohort in plan.cohorts)


def _unlogged(plan: LoadPlan, requests: tuple[RequestRecord, ...]) -> Iterator[RequestRecord]:
    logged = Counter(request.cohort for request in requests)
    # Nearly every run has logged everything. The plan is computed only for cohorts that lack something.
    short = tuple(cohort for cohort in plan.cohorts if logged[cohort.name] < planned_count(plan, cohort))
    known = {request.id for request in requests} if short else set()
    for arrival in arrivals(plan.model_copy(update={"cohorts": short})):
        if arrival.id not in known:
            yield RequestRecord(
                id=arrival.id,
                cohort=arrival.cohort,
                operation=arrival.operation,
                region=arrival.region,
                home="",
                machine="",
                intended_s=arrival.at_s,
                sent_s=float("inf"),
                done_s=float("inf"),
                latency_ms=float("inf"),
                status=0,
                outcome="unknown",
                error="unlogged",
            )

"""Static stability: a region that gets no changes goes on, for 24 hours, letting in whom it let in before.

Theory. A fault may keep replicas from being fed (its reach names them). Who was let in before by such a replica, over a way
that has nothing of the fault's own, needs nothing that is broken: an answer that refuses it is the replica's failure. What had
not been served before the fault, such as a role just made, is promised nothing. Nor is what needs something that another fault
broke. A request without an answer is no evidence here: its objective counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from brownout.harness.judge.invariants.facts import Facts, StepInPlace, credentials
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.judge.routes import Route, route_of
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.reach import Reach

PROMISED_S = 24 * 3600.0
_Asker = tuple[str, str, str, str, tuple[str, ...]]
_Ways = Mapping[_Asker, set[Route]]


def _stable(facts: Facts, seen: Occasions) -> None:
    requests, longest_s = tuple(facts.requests), 0.0
    for step in facts.steps:
        if step.reach is not None and step.reach.replicas:
            others = [each for each in facts.steps if each is not step]
            for request in _promised(requests, step, step.reach, others):
                age_s = request.sent_s - step.start_s
                longest_s = max(longest_s, age_s)
                refused = request.outcome == "refused" and request.status > 0
                what = f"refused ({request.status} {request.error}), {_hours(age_s)} into {step.name}"
                seen.judge(request, what if refused else "")
    if longest_s:
        seen.note = f"the longest without changes was {_hours(longest_s)} of 24 h"


def _promised(
    requests: Sequence[RequestRecord], step: StepInPlace, reach: Reach, others: Sequence[StepInPlace]
) -> Iterator[RequestRecord]:
    """The requests that were answered during the step, by whom it could not touch."""
    ways_before = _ways_before(requests, step.start_s)
    end_s = min(step.end_s, step.start_s + PROMISED_S)
    for request in requests:
        if request.outcome == "unknown" or not (step.start_s <= request.sent_s and request.done_s < end_s):
            continue
        ways = ways_before.get(_asker(request), set())
        if not ways or not all(_needs_replica_alone(way, reach) for way in ways):
            continue
        beside = (each.reach for each in others if each.was(request.sent_s, request.done_s))
        if not any(other is None or way.meets(other) for other in beside for way in ways):
            yield request


def _hours(span_s: float) -> str:
    return f"{span_s / 3600:.1f} h"


def _asker(request: RequestRecord) -> _Asker:
    """Who asked for what: a role by its name, an access key, a machine."""
    named = tuple(each.name for each in credentials(request, "wanted") if each.name)
    return (request.cohort, request.operation, request.region, request.machine, named)


def _ways_before(requests: Sequence[RequestRecord], start_s: float) -> _Ways:
    """The ways of each asker that was served before the fault."""
    found: dict[_Asker, set[Route]] = {}
    for request in requests:
        if request.done_s < start_s and request.outcome == "happened":
            found.setdefault(_asker(request), set()).add(route_of(request.trail))
    return found


def _needs_replica_alone(way: Route, reach: Reach) -> bool:
    return way.rests_on_replica(reach) and not way.meets(reach)


INVARIANTS = (
    Invariant(
        "static-stability",
        "Whom a region let in before it was cut off from changes, it lets in for 24 hours without them.",
        "each fault's reach and each request's trail; counted: a request that rests on a replica which is not fed",
        _stable,
    ),
)

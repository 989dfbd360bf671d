"""Availability where nothing is broken: requests are served, clients need few attempts, and no herd is left.

Theory. Objectives count what a fault costs. These ask what is true without one: before the first fault, and again three rounds
of publication after the last (three rounds are what changes need to arrive). A *well* time is such a stretch, up to the next
fault or operation. A refusal that tells the client what is wrong with its request (a status from 400 on but 408 and 429) is no
lack of availability; no answer, an error of the server and a refusal for lack of room are. A herd is told by what reaches the
region's token nodes in a minute beside the most that did before the first fault: caches that all ended in the fault may ask at
once when it ends, and must not go on asking.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from brownout.harness.judge.invariants.facts import ACCOUNT, REPLICA, Facts, StepInPlace, nodes_of
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.judge.invariants.replicas import bound_s
from brownout.harness.judge.steps import clock
from brownout.harness.record.history import RequestRecord
from brownout.identity.core.topology import TOKEN

WINDOW, SERVED_LEAST = 50, 45  # requests of one operation in one region, in the order in which they were sent
ARRIVALS_LEAST, ATTEMPTS_MOST = 20, 1.5  # of one cohort in one region; attempts per arrival
MINUTE_S, MINUTES_LEAST, HERD, CHANCE = 60.0, 2, 3, 20  # times the most before, and this many more by chance
NO_ROOM = frozenset({408, 429})
_Kind = tuple[str, str]


class WellTime(NamedTuple):
    """Nothing was broken in [start_s, end_s), nor for three rounds before."""

    start_s: float
    end_s: float


def _served(facts: Facts, seen: Occasions) -> None:
    """Each window of so many requests that lies in one well time."""
    well = tuple(_well_times(facts))
    starts_s = [each.start_s for each in well]
    windows: dict[tuple[int, str, str], deque[RequestRecord]] = {}
    for request in facts.requests:
        index = bisect_right(starts_s, request.sent_s) - 1
        if index < 0 or request.done_s >= well[index].end_s:
            continue
        window = windows.setdefault((index, request.operation, request.region), deque(maxlen=WINDOW))
        window.append(request)
        if len(window) == WINDOW:
            _judge_window((request.operation, request.region), window, seen)


def _judge_window(kind: _Kind, window: Sequence[RequestRecord], seen: Occasions) -> None:
    served = sum(map(_is_available, window))
    if served >= SERVED_LEAST:
        seen.held()
        return
    first_s, last_s = window[0].sent_s, window[-1].sent_s
    told = f"{served} of {WINDOW} requests of {kind[0]} in {kind[1]} were served from {clock(first_s)} to {clock(last_s)}"
    seen.broken(last_s, f"{told}, and no fault was in place")


def _is_available(request: RequestRecord) -> bool:
    if request.outcome == "refused":
        return 400 <= request.status < 500 and request.status not in NO_ROOM
    return request.outcome == "happened"


def _well_times(facts: Facts) -> Iterator[WellTime]:
    """In order; the last is empty where a step was in place to the end."""
    if facts.promises is None:
        return
    since_s = float("-inf")
    for step in sorted(_disturbances(facts), key=lambda one: one.start_s):
        if since_s < step.start_s:
            yield WellTime(since_s, step.start_s)
        since_s = max(since_s, step.end_s + _settled_after_s(facts))
    yield WellTime(since_s, float("inf"))


def _disturbances(facts: Facts) -> Iterator[StepInPlace]:
    """Faults and operations. A mitigation that stays in place is how a system is well."""
    return (step for step in facts.steps if step.life.said("role") != "mitigation")


def _settled_after_s(facts: Facts) -> float:
    assert facts.promises is not None, "only asked where the record says what was promised"
    return max(bound_s(facts.promises, kind) for kind in (REPLICA, ACCOUNT))


def _settled_s(facts: Facts) -> float | None:
    """Three rounds after the last fault or operation; None where the record has none, or does not say what was promised."""
    ends_s = [step.end_s for step in _disturbances(facts)]
    return max(ends_s) + _settled_after_s(facts) if ends_s and facts.promises else None


def _few_attempts(facts: Facts, seen: Occasions) -> None:
    due_s = _settled_s(facts)
    if due_s is None or not facts.history.attempts:
        return
    arrivals: dict[_Kind, Counter[str]] = {}
    for attempt in facts.history.attempts:
        arrivals.setdefault((attempt.cohort, attempt.region), Counter())[_arrival(attempt)] += 1
    sent_s = {request.id: request.sent_s for request in facts.requests}
    for (cohort, region), attempts in sorted(arrivals.items()):
        later = [number for arrival, number in attempts.items() if sent_s.get(arrival, due_s - 1) >= due_s]
        if len(later) < ARRIVALS_LEAST:
            continue
        if sum(later) <= ATTEMPTS_MOST * len(later):
            seen.held(len(later))
        else:
            what = f"{cohort} in {region} sent {sum(later)} attempts for {len(later)} requests"
            seen.broken(due_s, f"{what} after {clock(due_s)}, and no fault was in place")


def _arrival(attempt: RequestRecord) -> str:
    return attempt.id.rpartition("/")[0]


def _no_herd(facts: Facts, seen: Occasions) -> None:
    due_s, starts_s = _settled_s(facts), [step.start_s for step in _disturbances(facts)]
    if due_s is None or not facts.requests:
        return
    begin_s, start_s = facts.requests[0].sent_s, min(starts_s)
    if start_s - begin_s < MINUTES_LEAST * MINUTE_S:
        return  # what is normal is not known
    reached = _at_token_nodes(facts)
    before, after = _by_minute(reached, begin_s, start_s, begin_s), _by_minute(reached, due_s, float("inf"), due_s)
    for region, minutes in sorted(after.items()):
        most = HERD * max(before.get(region, Counter()).values(), default=0) + CHANCE
        for minute, asked in sorted(minutes.items()):
            if asked <= most:
                seen.held()
            else:
                at_s = due_s + minute * MINUTE_S
                what = f"{asked} requests reached the token nodes of {region} in the minute from {clock(at_s)}"
                seen.broken(at_s, f"{what}, and {most} is the most that what was normal before the first fault explains")


def _at_token_nodes(facts: Facts) -> list[RequestRecord]:
    """What reached token nodes. Of a request that was tried more than once the attempts are in its place."""
    tried = {_arrival(attempt) for attempt in facts.history.attempts}
    requests = (one for alike in facts.alike if nodes_of(alike[0], TOKEN) for one in alike if one.id not in tried)
    return [*requests, *(attempt for attempt in facts.history.attempts if nodes_of(attempt, TOKEN))]


def _by_minute(reached: Iterable[RequestRecord], start_s: float, end_s: float, origin_s: float) -> Mapping[str, Counter[int]]:
    """How many there were in each minute from `origin_s` on, by the client's region."""
    found: dict[str, Counter[int]] = {}
    for request in reached:
        if start_s <= request.sent_s < end_s:
            found.setdefault(request.region, Counter())[int((request.sent_s - origin_s) // MINUTE_S)] += 1
    return found


INVARIANTS = (
    Invariant(
        "served-where-nothing-is-broken",
        "Without a fault, of fifty requests of an operation in a region in a row 45 at least are served or told what is wrong.",
        "each step's time and all requests; counted: fifty requests in a row before the first fault, or three rounds after one",
        _served,
    ),
    Invariant(
        "retries-settle",
        "Three rounds after the last fault, clients that try again need at most three attempts for two requests.",
        "each step's time and all attempts; counted: a request of clients that try again and sent twenty since",
        _few_attempts,
    ),
    Invariant(
        "no-herd-stays",
        "Three rounds after the last fault, token nodes are asked at most three times as often as before the first, "
        "and twenty times more.",
        "each step's time and the token nodes in trails; counted: a minute of a region in which its token nodes were asked",
        _no_herd,
    ),
)

"""Coming back: once the last fault has ended, every client that was served before it is served again.

Theory. A fault that is over may leave damage behind: a cache that is never renewed, a replica that never catches up, a herd
that keeps a node down. Objectives over the phase of recovery count that; this asks the least of it, which is that some request
of each kind happens again, three rounds of publication after the last fault was undone. A kind is a cohort's operation in a
region. Mitigations and operations may stay in place. A fault that stays is the experiment's own, and nothing is promised then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from brownout.harness.judge.invariants.facts import ACCOUNT, REPLICA, Facts
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.judge.invariants.replicas import bound_s
from brownout.harness.judge.steps import clock
from brownout.harness.record.history import RequestRecord

ASKED_LEAST = 5
_Kind = tuple[str, str, str]


def _comes_back(facts: Facts, seen: Occasions) -> None:
    faults = [step for step in facts.steps if step.life.said("role") == "fault"]
    if facts.promises is None or not faults:
        return
    start_s, end_s = min(step.start_s for step in facts.steps), max(step.end_s for step in faults)
    due_s = end_s + max(bound_s(facts.promises, kind) for kind in (REPLICA, ACCOUNT))
    before = _by_kind(one for one in facts.requests if one.done_s < start_s)
    after = _by_kind(one for one in facts.requests if one.sent_s >= due_s)
    for kind, asked in sorted(after.items()):
        if len(asked) < ASKED_LEAST or not _any_happened(before.get(kind, ())):
            continue
        if _any_happened(asked):
            seen.held()
        else:
            cohort, operation, region = kind
            what = f"{operation} of {cohort} in {region} never happened again: {len(asked)} requests after {clock(due_s)}"
            seen.broken(due_s, what)


def _by_kind(requests: Iterable[RequestRecord]) -> Mapping[_Kind, list[RequestRecord]]:
    found: dict[_Kind, list[RequestRecord]] = {}
    for request in requests:
        found.setdefault((request.cohort, request.operation, request.region), []).append(request)
    return found


def _any_happened(requests: Iterable[RequestRecord]) -> bool:
    return any(request.outcome == "happened" for request in requests)


INVARIANTS = (
    Invariant(
        "service-comes-back",
        "What was served before the first step is served again three rounds after the last fault was undone.",
        "each fault's end and all requests; counted: an operation of a cohort in a region that was asked five times since",
        _comes_back,
    ),
)

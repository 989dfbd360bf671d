"""Mixed builds: while nodes of one role run different builds, everything holds that holds without.

Theory. A rollout goes region by region, and one region may stay behind for months: safety must not rest on all being alike. A
trail names the build of each node that has one, so what runs where is known from answers alone. The safety invariants are
judged again by what happened in such times, so that their count says whether mixed builds have exercised them. Availability is
not promised: a build that cannot use a key fails, in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from brownout.harness.judge.invariants import (
    durability,
    fail_closed,
    isolation,
    keys,
    lifetimes,
    replicas,
    sessions,
    withdrawals,
)
from brownout.harness.judge.invariants.facts import REMEMBERED, Facts
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.record.history import RequestRecord
from brownout.identity.core import trail
from brownout.identity.core.topology import NodeName

SAFETY: tuple[Invariant, ...] = (
    *withdrawals.INVARIANTS,
    *keys.INVARIANTS,
    *isolation.INVARIANTS,
    *lifetimes.INVARIANTS,
    *replicas.INVARIANTS,
    *sessions.INVARIANTS,
    *durability.INVARIANTS,
    *fail_closed.INVARIANTS,
)


class MixedTime(NamedTuple):
    """Nodes of one role ran different builds in [start_s, end_s)."""

    start_s: float
    end_s: float


class _Meanwhile(Occasions):
    """The occasions in mixed times alone. One that holds and is of no request has no time, and is left out."""

    def __init__(self, mixed: Sequence[MixedTime]) -> None:
        super().__init__()
        self._mixed, self._starts_s = mixed, [each.start_s for each in mixed]

    def held(self, number: int = 1) -> None:
        return

    def broken(self, at_s: float, evidence: str) -> None:
        if self._is_mixed(at_s):
            super().broken(at_s, evidence)

    def judge(self, request: RequestRecord, evidence: str) -> None:
        if self._is_mixed(request.sent_s):
            if not evidence:
                super().held()
            super().judge(request, evidence)

    def judge_alike(self, requests: Sequence[RequestRecord], evidence: str) -> None:
        for request in requests:  # each has its own time
            self.judge(request, evidence)

    def _is_mixed(self, at_s: float) -> bool:
        index = bisect_right(self._starts_s, at_s) - 1
        return index >= 0 and at_s < self._mixed[index].end_s


def _holds_mixed(facts: Facts, seen: Occasions) -> None:
    mixed = tuple(_mixed_times(facts))
    if not mixed:
        return
    exercised = 0
    for invariant in SAFETY:
        meanwhile = _Meanwhile(mixed)
        invariant.check(facts, meanwhile)
        exercised += bool(meanwhile.exercised)
        seen.add(meanwhile, f"with mixed builds {invariant.name} does not hold")
    if exercised:
        seen.note = f"{exercised} of {len(SAFETY)} safety invariants were exercised with mixed builds"


def _mixed_times(facts: Facts) -> Iterator[MixedTime]:
    """From the answer that showed a second build to the one after which there was one again, or to the end."""
    told_at_all = (item for each in facts.alike for item in _builds_in(each[0].trail).items())
    if not _are_mixed(told_at_all):
        return  # as in most runs: there is but one build
    builds: dict[str, str] = {}  # by node, as its last answer told
    since_s: float | None = None
    for request in sorted(facts.requests, key=lambda one: one.done_s):
        told = _builds_in(request.trail)
        if all(builds.get(node) == build for node, build in told.items()):
            continue
        builds |= told
        if _are_mixed(builds.items()):
            since_s = request.done_s if since_s is None else since_s
        elif since_s is not None:
            yield MixedTime(since_s, request.done_s)
            since_s = None
    if since_s is not None:
        yield MixedTime(since_s, float("inf"))


@lru_cache(maxsize=REMEMBERED)
def _builds_in(text: str) -> Mapping[str, str]:
    """The build of each node that a trail names one of."""
    return {hop.node: hop.build for hop in trail.parse(text) if hop.build}


def _are_mixed(builds: Iterable[tuple[str, str]]) -> bool:
    """Whether nodes of one role, each with its build, have several."""
    by_role: dict[str, set[str]] = {}
    for node, build in builds:
        by_role.setdefault(NodeName.parse(node).role, set()).add(build)
    return any(len(each) > 1 for each in by_role.values())


INVARIANTS = (
    Invariant(
        "mixed-builds-keep-every-promise",
        "While nodes of one role run different builds, nothing happens that must never happen.",
        "builds in trails, and what the safety invariants are judged by; counted: an occasion of any of them in such a time",
        _holds_mixed,
    ),
)

"""What a session sees of AWS's account: its own changes, at once where they were made and later elsewhere, and nothing older.

Theory. A session is a cohort, whose clients act for one program or person. Its answers name the account's version by which each
node answered, and the control plane's the version that a change made. IAM itself promises no more than that changes arrive
(docs/reference/aws-wire.md#propagation-of-changes). The emulated control plane is one directory, which acknowledges what is
durable and describes nothing older. Regions hear of a change within the bound of `changes-arrive`, unless a fault keeps it
away. A region is not sent every change: only one that the directory published, as a look tells, can be missing there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from brownout.harness.judge.invariants.facts import ACCOUNT, Facts, hops_of
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.judge.invariants.replicas import bound_s, concerns
from brownout.harness.record.history import RequestRecord
from brownout.identity.core.topology import DIRECTORY, NodeName

MADE = "+"


class OwnChange(NamedTuple):
    """A change of the account: when it was acknowledged, and the version that has it."""

    done_s: float
    version: int


def _sees_own_changes(facts: Facts, seen: Occasions) -> None:
    at_home = 0
    for requests in facts.sessions:
        changes = own_changes(requests)
        times_s = [change.done_s for change in changes]
        for request in requests if changes else ():
            for node, version in _observed(request):
                if NodeName.parse(node).role == DIRECTORY:
                    due = _before(changes, times_s, request.sent_s)
                    at_home += due is not None
                    _judge(seen, request, node, version, due)
                else:
                    _judge(seen, request, node, version, _due(facts, changes, times_s, request, node, version))
    if seen.exercised:
        seen.note = f"{at_home} times at the control plane, {seen.exercised - at_home} in regions"


def _judge(seen: Occasions, request: RequestRecord, node: str, version: int, due: OwnChange | None) -> None:
    if due is not None:
        what = f"{node} answered by version {version} of the account, {request.sent_s - due.done_s:.0f} s after the same"
        seen.judge(request, f"{what} session's change made version {due.version}" if version < due.version else "")


def own_changes(requests: Sequence[RequestRecord]) -> list[OwnChange]:
    """The acknowledged changes, by time, each with the newest version that was acknowledged by then."""
    found: list[OwnChange] = []
    for request in sorted(requests, key=lambda one: one.done_s):
        for hop in hops_of(request) if request.outcome == "happened" else ():
            if hop.version.startswith(MADE):
                newest = found[-1].version if found else 0
                found.append(OwnChange(request.done_s, max(int(hop.version), newest)))
    return found


def _observed(request: RequestRecord) -> Iterator[tuple[str, int]]:
    """The nodes that answered by a version that they held, with the version."""
    return ((hop.node, int(hop.version)) for hop in hops_of(request) if hop.version and not hop.version.startswith(MADE))


def _before(changes: Sequence[OwnChange], times_s: Sequence[float], at_s: float) -> OwnChange | None:
    """The last change that was acknowledged before a time."""
    index = bisect_left(times_s, at_s) - 1
    return changes[index] if index >= 0 else None


def _due(
    facts: Facts, changes: Sequence[OwnChange], times_s: Sequence[float], request: RequestRecord, node: str, version: int
) -> OwnChange | None:
    """The last change that a region's node should have heard of, if nothing kept it away."""
    if facts.promises is None:
        return None
    due = _before(changes, times_s, request.sent_s - bound_s(facts.promises, ACCOUNT))
    if due is None:
        return None
    reaches = (step.reach for step in facts.steps if step.was(due.done_s, request.done_s))
    if any(reach is None or concerns(reach, node) for reach in reaches):
        return None
    return due if version >= due.version or _was_sent(facts, due, request, node) else None


def _was_sent(facts: Facts, due: OwnChange, request: RequestRecord, node: str) -> bool:
    """Whether a look before the request found that the node's region is sent an account that has the change."""
    publication = f"{ACCOUNT}:{NodeName.parse(node).region}"
    return any(look.at_s < request.sent_s and look.sent.get(publication, 0) >= due.version for look in facts.looks)


def _never_older(facts: Facts, seen: Occasions) -> None:
    """Replicas have their own lag, so answers of several nodes may alternate: each node is compared with itself."""
    for requests in facts.sessions:
        newest: dict[str, tuple[float, int]] = {}
        pending: list[tuple[float, str, int]] = []  # answers that had not come when the request before was sent
        for request in requests:
            known = [one for one in pending if one[0] < request.sent_s]
            pending = [one for one in pending if one[0] >= request.sent_s]
            for done_s, node, version in known:
                newest[node] = max(newest.get(node, (0.0, 0)), (done_s, version), key=lambda one: one[1])
            for node, version in _observed(request):
                if not version:
                    continue  # a node that lost its disk begins again
                before_s, before = newest.get(node, (0.0, 0))
                if before:
                    what = f"{node} answered by version {version} of the account, {request.sent_s - before_s:.0f} s after it"
                    seen.judge(request, f"{what} had told the same session version {before}" if version < before else "")
                pending.append((request.done_s, node, version))


INVARIANTS = (
    Invariant(
        "read-your-writes",
        "Who changed AWS's account sees the change: at once at the control plane, and in regions three rounds later.",
        "versions of the account in trails; counted: an answer to a session that had changed something",
        _sees_own_changes,
    ),
    Invariant(
        "monotonic-reads",
        "Who was answered by one version of AWS's account is never answered by an older one at the same node.",
        "versions of the account in trails; counted: an answer of a node that had answered the same session before",
        _never_older,
    ),
)

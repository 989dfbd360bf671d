"""Invariants of replication: nothing goes back, everything arrives, what was deleted stays deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from brownout.harness.judge.invariants.facts import ACCOUNT, REPLICA, Facts, Promises, StateLook, Versions
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.judge.steps import clock
from brownout.harness.record.reach import Reach
from brownout.identity.core.topology import DIRECTORY, NodeName

ROUNDS, ALLOWED_S, REAL_S = 3.0, 30.0, 5.0  # of publication; emulated; of a machine that is busy with other things
FOR_GOOD = ("identity:", "role:", "user:")  # an access key may be made active again


def _never_back(facts: Facts, seen: Occasions) -> None:
    """A version of 0 is none: a node that lost its disk begins again."""
    newest: dict[tuple[str, str], int] = {}
    same: Mapping[str, Versions] | None = None  # what the look before told
    known = 0  # versions in it
    for look in facts.looks:
        if look.held is same:  # as nearly every look: each version is beside the same one
            seen.held(known)
            continue
        same, known = look.held, sum(version != 0 for versions in look.held.values() for version in versions.values())
        for node, versions in look.held.items():
            for kind, version in versions.items():
                before = newest.get((node, kind), 0)
                if 0 < version < before:
                    seen.broken(look.at_s, f"{node} held {kind} version {before}, and {version} at {clock(look.at_s)}")
                elif before:
                    seen.held()
                newest[node, kind] = version


def bound_s(promises: Promises, kind: str) -> float:
    """How long a change may be under way to a replica, at most."""
    interval_s = promises.publish_interval_s if kind == REPLICA else promises.iam_publish_interval_s
    return ROUNDS * interval_s + ALLOWED_S + REAL_S * promises.clock_rate


def _due(told: Sequence[StateLook], look: StateLook, within_s: float) -> StateLook | None:
    """The latest look so long before this one that what the directory sent then is due."""
    return next((one for one in reversed(told) if one.at_s <= look.began_s - within_s), None)


def _is_kept(node: str, reaches: Iterable[Reach | None]) -> bool:
    """Whether one of the faults may have kept the node from hearing of changes."""
    return any(reach is None or concerns(reach, node) for reach in reaches)


def concerns(reach: Reach, node: str) -> bool:
    """Whether the fault may keep the node from hearing of changes."""
    return node in (*reach.replicas, *reach.nodes) or any(NodeName.parse(one).role == DIRECTORY for one in reach.nodes)


def _arrives(facts: Facts, seen: Occasions) -> None:
    told = [look for look in facts.looks if look.is_told]
    if not told or facts.promises is None:
        return
    first = told[0].sent
    for look in facts.looks:
        for kind in (REPLICA, ACCOUNT):
            due = _due(told, look, bound_s(facts.promises, kind))
            if due is None or due.sent == first:
                continue  # nothing was published since the run began
            reaches = [step.reach for step in facts.steps if step.was(due.began_s, look.at_s)]
            for node, version, wanted in _compared(look, due, kind):
                if wanted <= first.get(_publication(node, kind), 0) or _is_kept(node, reaches):
                    continue
                if version < wanted:
                    late_s = look.began_s - due.at_s
                    what = f"{node} holds {kind} version {version} at {clock(look.at_s)}"
                    seen.broken(look.at_s, f"{what}, though {wanted} was sent {late_s:.0f} s before and no fault kept it away")
                else:
                    seen.held()


def _publication(node: str, kind: str) -> str:
    return kind if kind == REPLICA else f"{ACCOUNT}:{NodeName.parse(node).region}"


def _compared(look: StateLook, due: StateLook, kind: str) -> Iterator[tuple[str, int, int]]:
    """Each node with the version that it holds and the one that was due."""
    for node, versions in look.held.items():
        publication = _publication(node, kind)
        if kind in versions and publication in due.sent:
            yield node, versions[kind], due.sent[publication]


def _deletions_stay(facts: Facts, seen: Occasions) -> None:
    told = [look for look in facts.looks if look.is_told]
    for before, after in pairwise(told):
        for subject in before.withdrawn:
            if not subject.startswith(FOR_GOOD):
                continue
            if subject in after.returned:
                seen.broken(after.at_s, f"{subject} ({before.withdrawn[subject].name}) is back at {clock(after.at_s)}")
            else:
                seen.held()


INVARIANTS = (
    Invariant(
        "replicas-never-go-back",
        "No node's replica goes back to an older version, whatever restarts.",
        "looks at each node's versions; counted: a version beside the one before",
        _never_back,
    ),
    Invariant(
        "changes-arrive",
        "Every change is on every replica three rounds of publication after it was made, where no fault keeps it away.",
        "looks at the directory's and each node's versions; counted: a replica for which a change was due",
        _arrives,
    ),
    Invariant(
        "deletions-stay",
        "An identity, role or user that was deleted does not come back.",
        "looks at the directory; counted: a deletion at a later look",
        _deletions_stay,
    ),
)

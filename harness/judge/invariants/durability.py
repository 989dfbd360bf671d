"""Durability: what was acknowledged is still there when everything is well again.

Theory. An acknowledged change of AWS's account has a version, and every later account that the directory sends has it or a
newer one. A directory that loses its disk takes over what regions were sent, so it may lose what was not yet published: a
change is promised to last once no fault concerned the directory for as long as publishing takes. From then on it must outlive
anything, a wiped disk and a restored older copy among them. It is looked for when no fault is in place and three rounds have
passed.
"""

from __future__ import annotations

from collections.abc import Iterator

from brownout.harness.judge.invariants.facts import ACCOUNT, Facts, StateLook, StepInPlace
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.judge.invariants.replicas import bound_s
from brownout.harness.judge.invariants.sessions import OwnChange, own_changes
from brownout.harness.judge.steps import clock
from brownout.identity.core.topology import DIRECTORY, NodeName


def _lasts(facts: Facts, seen: Occasions) -> None:
    if facts.promises is None:
        return
    within_s = bound_s(facts.promises, ACCOUNT)
    look = _last_well(facts, within_s)
    if look is None:
        return
    for change in _promised(facts, look, within_s):
        for publication, version in sorted(look.sent.items()):
            if not publication.startswith(f"{ACCOUNT}:"):
                continue
            if version < change.version:
                told = f"version {change.version} of the account was acknowledged at {clock(change.done_s)}"
                seen.broken(look.at_s, f"{told}, and {publication} was sent version {version} at {clock(look.at_s)}")
            else:
                seen.held()


def _last_well(facts: Facts, within_s: float) -> StateLook | None:
    """The last look that the directory answered so long after the last step that nothing of it is left."""
    well = (
        look
        for look in reversed(facts.looks)
        if look.is_told and not any(step.was(look.began_s - within_s, look.at_s) for step in facts.steps)
    )
    return next(well, None)


def _promised(facts: Facts, look: StateLook, within_s: float) -> Iterator[OwnChange]:
    """The changes that were published before anything could lose them, so long before the look that they are due."""
    for requests in facts.sessions:
        for change in own_changes(requests):
            until_s = change.done_s + within_s
            early = (step for step in facts.steps if step.was(change.done_s, until_s))
            if until_s <= look.began_s and not any(map(_may_lose, early)):
                yield change


def _may_lose(step: StepInPlace) -> bool:
    return step.reach is None or any(NodeName.parse(node).role == DIRECTORY for node in step.reach.nodes)


INVARIANTS = (
    Invariant(
        "acknowledged-changes-last",
        "A change of AWS's account that was acknowledged and published is never lost, whatever breaks.",
        "versions in trails, looks at what the directory sends; counted: a change at the last look without a fault, by region",
        _lasts,
    ),
)

"""Every invariant, in the order of reports. Adding one is an entry in a file's INVARIANTS, or a file and an entry here."""

from __future__ import annotations

from brownout.harness.judge.invariants import (
    availability,
    builds,
    comeback,
    durability,
    fail_closed,
    isolation,
    keys,
    lifetimes,
    replicas,
    sessions,
    stability,
    withdrawals,
)
from brownout.harness.judge.invariants.facts import Facts
from brownout.harness.judge.invariants.invariant import Invariant
from brownout.harness.record.history import History
from brownout.harness.record.result import InvariantResult

INVARIANTS: tuple[Invariant, ...] = (
    *withdrawals.INVARIANTS,
    *keys.INVARIANTS,
    *isolation.INVARIANTS,
    *lifetimes.INVARIANTS,
    *replicas.INVARIANTS,
    *sessions.INVARIANTS,
    *durability.INVARIANTS,
    *fail_closed.INVARIANTS,
    *stability.INVARIANTS,
    *comeback.INVARIANTS,
    *availability.INVARIANTS,
    *builds.INVARIANTS,
)


def invariant_results(history: History) -> tuple[InvariantResult, ...]:
    """What a history says of each invariant."""
    facts = Facts.of(history)
    return tuple(invariant.result(facts) for invariant in INVARIANTS)


def violated_invariants(history: History) -> tuple[InvariantResult, ...]:
    """The results of the invariants that the history violates, and of no other."""
    facts = Facts.of(history)
    found = ((invariant, invariant.seen(facts)) for invariant in INVARIANTS)
    return tuple(invariant.told(seen) for invariant, seen in found if seen.violations)

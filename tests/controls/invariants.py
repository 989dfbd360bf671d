"""Each invariant is violated by its control's history, and held by the one that differs in one thing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from brownout.harness.judge.invariants.facts import Facts
from brownout.harness.judge.invariants.invariant import Invariant
from brownout.harness.judge.invariants.table import INVARIANTS
from controls.control import Control, Outcome
from support.invariant_controls import CONTROLS, Pair


def shipped() -> set[str]:
    return {invariant.name for invariant in INVARIANTS}


def controls() -> Iterator[Control]:
    for invariant in INVARIANTS:
        if invariant.name in CONTROLS:
            run = partial(_judge, invariant, CONTROLS[invariant.name])
            yield Control("invariant", invariant.name, "a history that violates it", run)


def _judge(invariant: Invariant, pair: Pair) -> Outcome:
    violated, held = invariant.result(Facts.of(pair.violated)), invariant.result(Facts.of(pair.held))
    seen = violated.evidence or f"{violated.status}, exercised {violated.exercised} times"
    return Outcome(violated.status == "violated", held.status == "held", seen)

"""When it is asked whether what was acknowledged is still there: once nothing of a fault can be left."""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.table import invariant_results
from support.invariant_histories import call, look, of, promises
from support.slo_builders import act

BOUND_S = 3 * 60 + 30 + 5  # three rounds of publication, what is allowed, and a second of a busy machine at rate 1
ENDED_S = 2000
CUT = [act(1900, "intended", "cut"), act(1900, "applied", "cut"), act(ENDED_S, "reverted", "cut")]


@pytest.mark.parametrize(
    ("at_s", "told"),
    [
        (1899, ("violated", 1)),
        (1900, ("held", 1)),
        (ENDED_S + 1, ("held", 1)),
        (ENDED_S + BOUND_S, ("held", 1)),
        (ENDED_S + BOUND_S + 1, ("violated", 1)),
    ],
)
def test_a_look_counts_once_nothing_of_a_fault_is_left(at_s: float, told: tuple[str, int]) -> None:
    """The later look is asked, in which the change is gone, unless a fault may still be felt: then the earlier one."""
    events = [promises(), look(0, 7), look(1500, 8), *CUT, look(at_s, 7)]
    found = next(one for one in invariant_results(of(events, call(100, 7, "+8"))) if one.name == "acknowledged-changes-last")
    assert (found.status, found.exercised) == told


@pytest.mark.parametrize(("acknowledged_s", "exercised"), [(4000 - BOUND_S, 1), (4000 - BOUND_S + 1, 0)])
def test_a_change_is_asked_for_once_it_is_due(acknowledged_s: float, exercised: int) -> None:
    """So long after its answer that it was published."""
    found = next(
        one
        for one in invariant_results(of([promises(), look(0, 7), look(4000, 8)], call(acknowledged_s, 7, "+8")))
        if one.name == "acknowledged-changes-last"
    )
    assert found.exercised == exercised

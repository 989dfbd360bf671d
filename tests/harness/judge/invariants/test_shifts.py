"""Every border of every invariant is where it was when it was reviewed.

A difference is to be reviewed and not to be renewed blindly (`support.invariant_shifts` says how).
"""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.invariant import Invariant
from brownout.harness.judge.invariants.table import INVARIANTS
from support.invariant_shifts import APPROVED, approved, rows


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.name)
def test_an_invariant_has_its_borders_where_they_were_approved(invariant: Invariant) -> None:
    """Row by row: what is exercised, violated and told when one thing of its histories is another."""
    found = rows(invariant)
    assert found == approved(invariant.name)
    assert len(found) > 10, "so few changes matter that the histories are not about it"


def test_every_invariant_has_its_approvals_and_no_other_has() -> None:
    """One that is forgotten would approve nothing."""
    assert {path.stem for path in APPROVED.glob("*.json")} == {invariant.name for invariant in INVARIANTS}

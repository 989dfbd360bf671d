"""What series and comparisons say of many made-up episodes is what was reviewed.

A difference is to be reviewed and not to be renewed blindly (`support.approved_series` says how).
"""

from __future__ import annotations

import pytest

from support.approved_series import APPROVED, ROWS, approved


@pytest.mark.parametrize("what", ROWS)
def test_a_claim_is_as_it_was_approved(what: str) -> None:
    """Row by row, with every bound."""
    found = list(ROWS[what]())
    assert dict(found) == approved(what)
    assert len(dict(found)) == len(found), "each row has a name of its own"


def test_nothing_else_is_approved() -> None:
    """Each file is held against something."""
    assert {path.stem for path in APPROVED.glob("*.json")} == set(ROWS)

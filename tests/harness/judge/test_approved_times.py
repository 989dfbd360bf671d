"""Times, alerts and effects of many small outages are those that were reviewed.

A difference is to be reviewed and not to be renewed blindly (`support.approved_times` says how).
"""

from __future__ import annotations

import pytest

from support.approved_times import approved, named, outages, rows


@pytest.mark.parametrize(("start_s", "end_s"), outages())
def test_the_times_of_an_outage_are_as_they_were_approved(start_s: int, end_s: int) -> None:
    """Alone, with a relapse and after noise, by each alert."""
    assert dict(rows(start_s, end_s)) == approved()[named(start_s, end_s)]


def test_every_outage_has_its_approvals_and_no_other_has() -> None:
    """One that is forgotten would approve nothing."""
    assert set(approved()) == {named(*outage) for outage in outages()}

"""Whole judgements of recorded runs are those that were reviewed: what no test of a part would have noticed shows as a row.

A difference is to be reviewed and not to be renewed blindly (`support.approvals` says how). The tests of each part say what is
right; these say that all of it is still as it was.
"""

from __future__ import annotations

import pytest

from support.approvals import APPROVED, approved, judged, kept
from support.approved_runs import PLAIN, cases, names


@pytest.mark.parametrize(("name", "twist"), cases())
def test_a_recorded_run_is_judged_as_it_was_approved(name: str, twist: str) -> None:
    """Row by row; every number of the Result is in one."""
    assert judged(name, twist) == approved(name, twist)


def test_every_recording_has_its_approvals_and_no_other_has() -> None:
    """One that is forgotten would approve nothing."""
    assert {(name, twist) for name in names() for twist in kept(name)} == set(cases())
    assert {path.stem for path in APPROVED.glob("*.json")} == set(names())


def test_a_twist_changes_the_judgement_of_a_recording() -> None:
    """Of one at least: a twist without any effect on three runs is none."""
    felt = {twist for name, twist in cases() if twist != PLAIN and kept(name)[twist]}
    assert felt == {twist for _, twist in cases()} - {PLAIN}

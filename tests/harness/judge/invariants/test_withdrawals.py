"""Who was deleted, by the name that a request asked for."""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.record.credentials import Credential
from support.invariant_controls import LATER
from support.invariant_histories import ACCOUNT, ROLE, TOKEN, asked, of, withdrawn


@pytest.mark.parametrize(
    ("subject", "asked_for", "exercised"),
    [
        ("role:AROA1", ROLE, 1),
        ("role:AROA1", "app", 1),
        ("role:AROA1", f"arn:aws:iam::{ACCOUNT}:role/other", 0),
        ("role:AROA1", "", 0),
        ("user:AIDA1", ROLE, 0),
    ],
)
def test_a_deleted_role_is_known_by_the_name_that_a_refused_request_asked_for(
    subject: str, asked_for: str, exercised: int
) -> None:
    """By its last part; other roles and other kinds of subjects are no occasion."""
    request = asked(LATER, False, Credential("wanted", name=asked_for), trail=TOKEN)
    found = next(
        one for one in invariant_results(of(withdrawn(subject, ROLE), request)) if one.name == "no-token-for-a-deleted-identity"
    )
    assert (found.exercised, found.violations) == (exercised, 0)

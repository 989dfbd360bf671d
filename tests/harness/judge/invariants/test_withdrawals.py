"""Who was deleted, by the name that a request asked for."""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.record.credentials import Credential
from support.invariant_controls import LATER
from support.invariant_histories import (
    ACCOUNT,
    END,
    KNOWN_AT,
    ROLE,
    TOKEN,
    VAULT,
    WITHDRAWN_AT,
    asked,
    look,
    of,
    promises,
    withdrawn,
)


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


@pytest.mark.parametrize(("deaf", "exercised"), [(VAULT, 1), ("melbourne.token.z1", 1), (TOKEN, 0)])
def test_a_request_that_met_no_node_is_one_of_the_regions_token_nodes(deaf: str, exercised: int) -> None:
    """They alone must have heard of the deletion: it is they that would have given a token."""
    events = [
        promises(),
        look(WITHDRAWN_AT, 2, held={VAULT: 1, TOKEN: 1}, withdrawn={"role:AROA1": ROLE}),
        *(look(at_s, 2, held={deaf: 1}) for at_s in (KNOWN_AT, END)),
    ]
    request = asked(LATER, False, Credential("wanted", name=ROLE), trail="sydney.host")
    found = next(one for one in invariant_results(of(events, request)) if one.name == "no-token-for-a-deleted-identity")
    assert (found.exercised, found.violations) == (exercised, 0)

"""Who was deleted, by the name that a request asked for."""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.record.credentials import Credential
from brownout.harness.record.history import Event, RequestRecord
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
    token,
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


def _counts(name: str, events: list[Event], request: RequestRecord) -> tuple[int, int]:
    return next((one.exercised, one.violations) for one in invariant_results(of(events, request)) if one.name == name)


def test_of_several_that_were_deleted_only_the_one_that_was_meant_counts() -> None:
    """A request for one is no occasion of another; a role whose name is not known is not meant by one that names none."""
    both = {"role:AROA1": ROLE, "role:AROA2": f"arn:aws:iam::{ACCOUNT}:role/other", "role:AROA3": ""}
    events = [promises(), look(WITHDRAWN_AT, 2, withdrawn=both), look(KNOWN_AT, 2), look(END, 2)]
    for asked_for, exercised in ((ROLE, 1), ("", 0)):
        request = asked(LATER, False, Credential("wanted", name=asked_for, audience="sts"), trail=TOKEN)
        assert _counts("no-token-for-a-deleted-identity", events, request) == (exercised, 0)


def test_a_token_node_that_came_later_is_not_the_one_that_was_asked() -> None:
    """Which nodes there were is what the look before the request tells."""
    new = look(END, 2, held={"sydney.token.z2": 1})
    request = asked(LATER, False, Credential("wanted", name=ROLE), trail="sydney.host")
    assert _counts("no-token-for-a-deleted-identity", [*withdrawn("role:AROA1", ROLE)[:-1], new], request) == (1, 0)


@pytest.mark.parametrize(("trusted", "exercised"), [(["k1"], 1), ([], 0)])
def test_a_vault_that_trusts_no_key_at_all_tells_of_no_withdrawal(trusted: list[str], exercised: int) -> None:
    """It started anew and has fetched none yet."""
    events = [promises(), *(look(at_s, accepted_keys={VAULT: trusted}) for at_s in (0, KNOWN_AT, END))]
    found = _counts("no-withdrawn-signing-key", events, asked(LATER, False, token("shown", key_id="k0")))
    assert found == (exercised, 0)

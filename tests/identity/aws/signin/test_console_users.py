"""Users of the console that the harness has made: they can sign in, and do nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.auth.totp import code_of, period_of, seed_bytes
from brownout.identity.aws.records.credentials import Secret
from brownout.identity.aws.signin.authenticator import assertion_for
from brownout.identity.core.messages import Request, Response

from .conftest import MELBOURNE, SYDNEY, Console, asserted, facts_of

REGIONAL, GLOBAL, HOME = f"/console?region={MELBOURNE}", "/console", f"/console?region={SYDNEY}"


def made(console: Console, count: Any, groups: Any = ("console",)) -> Response:
    """The answer to the order of so many users in each group."""
    request = Request(
        "PUT",
        "/admin/aws/console-users",
        body={"groups": list(groups) if isinstance(groups, tuple) else groups, "count": count},
    )
    return console.world.run(console.world.control("sydney.directory", request))


def users(console: Console, count: int) -> list[dict[str, str]]:
    answer = made(console, count)
    assert answer.status == 200, answer
    assert answer.body is not None
    return list(answer.body["users"])


def typed(console: Console, user: dict[str, str], **changes: str) -> dict[str, str]:
    """What the user types now."""
    code = code_of(seed_bytes(user["mfa_seed"]), period_of(console.world.now()))
    return {"username": user["user_name"], "password": user["password"], "mfa_code": code} | changes


def test_they_sign_in_at_once_in_every_region_with_their_own_code(console: Console) -> None:
    """No round of publication has to pass; a code that is missing or another user's lets nobody in."""
    one, two = users(console, 2)
    for target in (REGIONAL, GLOBAL, HOME):
        answer = console.sign_in(target, **typed(console, one))
        assert facts_of(answer)["arn"] == f"arn:aws:iam::{console.account_id}:user/console-0"
        console.sleep(30)
    assert console.sign_in(REGIONAL, **typed(console, two, mfa_code="")).status == 401
    assert console.sign_in(REGIONAL, **typed(console, two, mfa_code=typed(console, one)["mfa_code"])).status == 401
    assert console.sign_in(REGIONAL, **typed(console, two, password=one["password"])).status == 401


def test_who_asks_again_is_told_the_same(console: Console) -> None:
    """More users are added to those that there are; what is there is not touched, and no password is kept as it is."""
    first = users(console, 2)
    version = console.directory.account.durable.version
    assert users(console, 2) == first
    assert console.directory.account.durable.version == version
    assert users(console, 3)[:2] == first
    secrets = console.directory.account.durable.tables.table(Secret)
    assert not any(first[0]["password"] in secret.value for secret in secrets.values())


def test_groups_have_users_of_their_own(console: Console) -> None:
    """Two people of different groups sign in at one node in one and the same half minute, each with a code of their own."""
    answer = made(console, 2, ("night", "day"))
    assert answer.body is not None
    names = [user["user_name"] for user in answer.body["users"]]
    assert names == ["night-0", "night-1", "day-0", "day-1"]
    for user in answer.body["users"][::2]:
        assert console.sign_in(GLOBAL, **typed(console, user)).status == 200


@pytest.mark.parametrize(
    ("count", "groups"),
    [
        (0, ("console",)),
        (501, ("console",)),
        (251, ("night", "day")),
        ("many", ("console",)),
        (None, ("console",)),
        (1, ()),
        (1, ("a/b",)),
        (1, ("",)),
        (1, "console"),
        (1, None),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(console: Console, count: Any, groups: Any) -> None:
    """400, and no user is made."""
    before = console.directory.account.durable.version
    assert made(console, count, groups).status == 400
    assert console.directory.account.durable.version == before


def test_each_has_a_security_key_of_its_own(console: Console) -> None:
    """What the page asks to be signed lets its owner in by every address, and another user's key nobody."""
    one, two = users(console, 2)
    for target in (REGIONAL, GLOBAL, HOME):
        asked = console.sign_in(target, **typed(console, one, mfa_code=""))
        challenge = console.challenge_for(asked)
        for user, status in ((two, 401), (one, 200)):
            signed = asserted(assertion_for(challenge, user["security_key"]))
            answer = console.sign_in(target, **typed(console, one, mfa_code="", assertion=signed))
            assert answer.status == status
            challenge = console.challenge_for(answer) if status == 401 else ""

"""Sessions and callers as values: their JSON forms, and what is no such record."""

from __future__ import annotations

import json

import pytest

from brownout.identity.aws.auth.caller import Caller, Credentials, Session
from support.aws_signing import ACCOUNT_ID, NOW_S, SYDNEY, session_of

FULL = session_of(
    session_policies=("{}",),
    policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    tags={"Project": "x"},
    transitive_tag_keys=("Project",),
    source_identity="alice",
    mfa_s=0.0,
    chained=True,
    facts={"ec2:SourceInstanceARN": ("arn:aws:ec2:x",)},
)
USER = Caller(ACCOUNT_ID, "user", "arn:aws:iam::1:user/a", "AIDA", "arn:aws:iam::1:user/a", "AKIA", None, SYDNEY, NOW_S)


@pytest.mark.parametrize("session", [session_of(), FULL], ids=["plain", "full"])
def test_a_session_survives_its_json_form(session: Session) -> None:
    """Nothing is lost, and nothing that is at its default is written."""
    raw = json.loads(json.dumps(session.to_json()))
    assert Session.from_json(raw) == session
    assert len(raw) == (18 if session is FULL else 10)


@pytest.mark.parametrize("session", [None, FULL], ids=["long-term", "temporary"])
def test_a_caller_survives_its_json_form(session: Session | None) -> None:
    """All but the secret of its session, which no other node needs."""
    caller = USER if session is None else Caller.of_session(session, SYDNEY, NOW_S)
    raw = json.loads(json.dumps(caller.to_json()))
    assert FULL.secret_access_key not in json.dumps(raw)
    back = Caller.from_json(raw)
    assert back.to_json() == raw
    assert (back.arn, back.session is None, back.signed_s) == (caller.arn, session is None, NOW_S)


@pytest.mark.parametrize("change", [{"kind": "other"}, {"issued": "x"}, {"tags": 3}, {"key": None, "expires": None}])
def test_what_is_no_session_is_refused(change: dict[str, object]) -> None:
    """KeyError, TypeError or ValueError, as for all records."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        Session.from_json({**session_of().to_json(), **change})
    with pytest.raises((KeyError, TypeError, ValueError)):
        Caller.from_json({**USER.to_json(), "kind": "other"})


def test_secrets_are_not_shown() -> None:
    """Not in a log line or an assertion's message either."""
    shown = f"{Credentials('AKIA', 'the-secret', 'the-token')!r} {FULL!r} {Caller.of_session(FULL, SYDNEY, NOW_S)!r}"
    assert not [text for text in ("the-secret", "the-token", FULL.secret_access_key) if text in shown]

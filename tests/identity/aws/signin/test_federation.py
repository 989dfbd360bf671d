"""The federation endpoint: credentials of STS become a session of the console, in the region alone."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.sts.issuing import SessionWish, issue
from brownout.identity.core.messages import Response

from .conftest import MELBOURNE, Console, cookie_in, facts_of

NODE = "melbourne.token.z1"
DESTINATION = "https://console.aws.amazon.com/ec2"
HOUR_S = 3600


def credentials(
    console: Console, kind: Any = "assumed-role", duration_s: int = HOUR_S, *, chained: bool = False
) -> Credentials:
    """Credentials as STS of the region would have made them."""
    annex = console.node(NODE).annexes["aws"]
    account = annex.index.account
    if kind == "assumed-role":
        role = account.roles["app"]
        wish = SessionWish(kind, role.arn, role.role_id, "job", duration_s, chained=chained)
    else:
        user: User = account.users["alice"]
        wish = SessionWish(kind, user.arn, user.user_id, "visitor" if kind == "federated-user" else "", duration_s)
    return issue(annex, wish)[1]


def ask(console: Console, **fields: str) -> Response:
    return console.get(f"/federation?{urlencode(fields)}", NODE)


def session_text(found: Credentials, **changed: str) -> str:
    raw = {"sessionId": found.access_key_id, "sessionKey": found.secret_access_key, "sessionToken": found.session_token}
    return json.dumps(raw | changed)


def token_for(console: Console, found: Credentials, **fields: str) -> str:
    answer = ask(console, Action="getSigninToken", Session=session_text(found), **fields)
    assert answer.status == 200, answer
    assert answer.body is not None
    return str(answer.body["SigninToken"])


@pytest.mark.parametrize(
    ("kind", "arn"), [("assumed-role", "assumed-role/app/job"), ("federated-user", "federated-user/visitor")]
)
def test_credentials_of_a_session_sign_in(console: Console, kind: str, arn: str) -> None:
    """A token for the credentials, a redirect with a cookie for the token, and the console knows the session; through a cut."""
    console.cut()
    token = token_for(console, credentials(console, kind))
    answer = ask(console, Action="login", Issuer="me", Destination=DESTINATION, SigninToken=token)
    assert (answer.status, answer.headers["location"]) == (302, DESTINATION)
    page = console.get(f"/console?region={MELBOURNE}", NODE, cookie=f"aws-creds={cookie_in(answer)}")
    assert facts_of(page)["arn"].endswith(arn)


def test_a_console_session_lasts_as_long_as_was_asked_for(console: Console) -> None:
    """SessionDuration may be longer than the credentials, up to twelve hours; without it the credentials' end counts."""
    longer = token_for(console, credentials(console), SessionDuration="7200")
    usual = token_for(console, credentials(console))
    cookies = [cookie_in(ask(console, Action="login", Destination=DESTINATION, SigninToken=token)) for token in (longer, usual)]
    console.sleep(HOUR_S + 60)
    known = [
        "arn" in facts_of(console.get(f"/console?region={MELBOURNE}", NODE, cookie=f"aws-creds={each}")) for each in cookies
    ]
    assert known == [True, False]


def test_a_token_is_good_for_a_quarter_of_an_hour_and_is_no_cookie(console: Console) -> None:
    """Later it is refused; and neither can stand in for the other."""
    token = token_for(console, credentials(console))
    assert "arn" not in facts_of(console.get(f"/console?region={MELBOURNE}", NODE, cookie=f"aws-creds={token}"))
    cookie = cookie_in(ask(console, Action="login", Destination=DESTINATION, SigninToken=token))
    assert ask(console, Action="login", Destination=DESTINATION, SigninToken=cookie).status == 400
    console.sleep(15 * 60)
    assert ask(console, Action="login", Destination=DESTINATION, SigninToken=token).status == 400


def test_credentials_that_are_not_a_session_s_are_refused(console: Console) -> None:
    """A wrong secret, another's token, an ended session, a user's own session: 403."""
    found, other = credentials(console), credentials(console)
    ended = credentials(console, duration_s=900)
    own = credentials(console, "user")
    console.sleep(901)
    texts = (
        session_text(found, sessionKey="wrong"),
        session_text(found, sessionToken=other.session_token),
        session_text(found, sessionToken="made up"),
        session_text(ended),
        session_text(own),
    )
    assert [ask(console, Action="getSigninToken", Session=text).status for text in texts] == [403] * 5


@pytest.mark.parametrize("duration", ["899", "43201", "many", "1" * 30])
def test_a_duration_out_of_bounds_is_refused(console: Console, duration: str) -> None:
    """400 for what is no number from 900 to 43,200."""
    text = session_text(credentials(console))
    assert ask(console, Action="getSigninToken", Session=text, SessionDuration=duration).status == 400


def test_a_chained_session_cannot_be_prolonged(console: Console) -> None:
    """SessionDuration is for roles that were assumed with long-term credentials."""
    for found in (credentials(console, chained=True), credentials(console, "federated-user")):
        text = session_text(found)
        assert ask(console, Action="getSigninToken", Session=text, SessionDuration="3600").status == 400


@pytest.mark.parametrize("session", ["", "{", "[]", "{}", "null", '{"sessionId": 1}'])
def test_what_is_no_session_is_refused(console: Console, session: str) -> None:
    """400, whatever it is."""
    assert ask(console, Action="getSigninToken", Session=session).status == 400


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "http://console.aws.amazon.com/",
        "https://evil.example/",
        "https://evil.example\\.aws.amazon.com/",
        "https://aws.amazon.com.evil.example/",
        "javascript:x",
        "https://console.aws.amazon.com/\r\nx: y",
        "https://[",
        "//console.aws.amazon.com",
    ],
)
def test_nobody_is_sent_elsewhere(console: Console, destination: str) -> None:
    """Only pages of AWS over TLS are destinations."""
    token = token_for(console, credentials(console))
    assert ask(console, Action="login", Destination=destination, SigninToken=token).status == 400


@pytest.mark.parametrize("action", ["", "logout", "getsignintoken"])
def test_other_actions_are_refused(console: Console, action: str) -> None:
    """400 for any action but the two."""
    assert ask(console, Action=action).status == 400

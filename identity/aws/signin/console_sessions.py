"""Sessions of the console: temporary credentials that only the service sees, sealed into a cookie.

They are sealed with the keys that seal the tokens of STS, so each region knows a cookie of any other, and a region that is
cut off signs users in for as long as it has a valid key. A sign-in token, which the federation endpoint gives for credentials
of STS, is the same thing with a short life of its own. Wire facts: docs/reference/aws-wire.md#console-sign-in.
"""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Session
from brownout.identity.aws.auth.sealing import UnreadableToken, newest_key, open_token, seal
from brownout.identity.aws.errors import AwsError, service_unavailable
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.aws.sts.issuing import SessionWish, issue

CONSOLE_S = 43_200
SHORTEST_S = 900
SIGNIN_TOKEN_S = 900.0  # how long a sign-in token can be used
_UNTIL = "signin:TokenUntil"  # the fact that makes a sealed session a sign-in token


def begin(annex: TokenAnnex, user: User, *, mfa: bool) -> tuple[Session, str]:
    """A session of a user and the cookie that holds it; raises AwsError ServiceUnavailable without a key to seal it with."""
    now_s = annex.node.ports.now()
    wish = SessionWish("user", user.arn, user.user_id, "", CONSOLE_S, mfa_s=now_s if mfa else None)
    session, credentials = issue(annex, wish)
    return session, credentials.session_token


def opened(annex: TokenAnnex, token: str) -> Session | None:
    """The session in a cookie; None for one that has ended or is no console's."""
    session = _unsealed(annex, token)
    return None if session is None or _UNTIL in session.facts else session


def _unsealed(annex: TokenAnnex, token: str) -> Session | None:
    try:
        session = open_token(token, annex.index.account)
    except UnreadableToken:
        return None
    return session if annex.node.ports.now() < session.expires_s else None


def signin_token(annex: TokenAnnex, credentials: tuple[str, str, str], duration_s: int | None) -> str:
    """A sign-in token for credentials of STS: their key id, secret and session token.

    Raises AwsError: AccessDenied for what are no valid credentials of a role's or federated user's session, ValidationError
    for a duration that they cannot have.
    """
    key_id, secret, token = credentials
    session = _unsealed(annex, token)
    if session is None or _UNTIL in session.facts or (session.access_key_id, session.secret_access_key) != (key_id, secret):
        raise AwsError.of("AccessDenied", "The credentials are not valid.")
    if session.kind not in ("assumed-role", "federated-user"):
        raise AwsError.of("AccessDenied", "Only sessions of roles and of federated users can sign in to the console.")
    now_s = annex.node.ports.now()
    ends_s = session.expires_s
    if duration_s is not None:
        if session.kind != "assumed-role" or session.chained or not SHORTEST_S <= duration_s <= CONSOLE_S:
            raise AwsError.of("ValidationError", "SessionDuration is not allowed for these credentials, or out of bounds.")
        ends_s = now_s + duration_s
    until_s = now_s + SIGNIN_TOKEN_S
    return _sealed(annex, session._replace(expires_s=ends_s, facts={**session.facts, _UNTIL: (repr(until_s),)}))


def begin_with(annex: TokenAnnex, token: str) -> tuple[Session, str] | None:
    """The session of a sign-in token and its cookie; None for a token that is none or is too old."""
    session = _unsealed(annex, token)
    if session is None or _UNTIL not in session.facts or annex.node.ports.now() >= float(session.facts[_UNTIL][0]):
        return None
    kept = session._replace(facts={name: values for name, values in session.facts.items() if name != _UNTIL})
    return kept, _sealed(annex, kept)


def _sealed(annex: TokenAnnex, session: Session) -> str:
    key = newest_key(annex.index.account.sealing_keys.values(), annex.node.ports.now())
    if key is None:
        raise service_unavailable()
    return seal(session, key, annex.node.ports.new_id)

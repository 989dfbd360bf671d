"""From a signed request to its caller, with what one region knows and nothing else.

The order of the checks is that of the real service, so that a request with several faults gets the error that it would
get there: form of the signature, date, scope, key, signature, session. Wire facts: docs/reference/aws-wire.md#signature-errors.
"""

from __future__ import annotations

from collections.abc import Collection

from brownout.identity.aws.auth.account import AccessKeyView, AccountView
from brownout.identity.aws.auth.authorization import Claim, CredentialScope, headers_of, read_claim, read_scope, time_text
from brownout.identity.aws.auth.caller import Caller, Session
from brownout.identity.aws.auth.known_signers import KnownSigners
from brownout.identity.aws.auth.region_keys import TERMINATOR, day_of, key_of_day
from brownout.identity.aws.auth.sealing import UnreadableToken, open_token
from brownout.identity.aws.auth.sigv4 import check_signature, session_region_key
from brownout.identity.aws.errors import expired_token, invalid_client_token_id, signature_does_not_match
from brownout.identity.aws.records.credentials import ACTIVE
from brownout.identity.core.messages import Request

SKEW_MIN, SKEW_MIN_ELSEWHERE = 15, 5
_WIDE_SERVICES = ("sts", "iam")


def authenticate(
    request: Request,
    service: str,
    regions: Collection[str],
    account: AccountView,
    now_s: float,
    client_now_s: float | None = None,
    known: KnownSigners | None = None,
) -> Caller:
    """Who signed `request` to `service` ("sts") for a scope in one of `regions` (AWS names, such as "us-east-1").

    `now_s` decides about the end of a session. The signature's date must be within 15 minutes (5 for services but STS and
    IAM) of `now_s`, or of `client_now_s` where real clients have a clock of their own. `known` are the signers of just this
    `account` that were verified before. Raises AwsError: MissingAuthenticationToken, IncompleteSignature,
    SignatureDoesNotMatch, InvalidClientTokenId, ExpiredToken, MalformedQueryString.
    """
    headers = headers_of(request)
    clocks_s = (now_s,) if client_now_s is None else (now_s, client_now_s)
    minutes = SKEW_MIN if service in _WIDE_SERVICES else SKEW_MIN_ELSEWHERE
    if known is not None and (caller := known.find(request, headers, service, regions, clocks_s, minutes * 60)) is not None:
        return caller
    claim = read_claim(request, headers)
    _check_date(claim, minutes, clocks_s)
    scope = read_scope(claim.credential)
    _check_scope(scope, claim, service, regions)
    if claim.session_token:
        session = _session(scope.access_key_id, claim.session_token, account)
        key_of_region = session_region_key(session.secret_access_key, day_of(claim.date_s), scope.region)
        check_signature(request, headers, claim, scope, key_of_region)
        if session.expires_s <= now_s:
            raise expired_token()
        return Caller.of_session(session, scope.region, claim.date_s)
    key = account.access_key(scope.access_key_id)
    if key is None:
        raise invalid_client_token_id()
    key_of_region = _published_key(key, scope.region, claim.date_s)
    check_signature(request, headers, claim, scope, key_of_region)
    caller = _long_term_caller(key, account, scope.region, claim.date_s)
    if known is not None:
        known.note(headers, claim, scope, key_of_region, caller)
    return caller


def _check_date(claim: Claim, minutes: int, clocks_s: tuple[float, ...]) -> None:
    off_s = claim.date_s - clocks_s[0]
    if len(clocks_s) > 1:
        off_s = min((claim.date_s - clock_s for clock_s in clocks_s), key=abs)
    if abs(off_s) <= minutes * 60:
        return
    server_s = claim.date_s - off_s
    now = time_text(server_s)
    if off_s < 0:
        limit = time_text(server_s - minutes * 60)
        told = f"Signature expired: {claim.date} is now earlier than {limit} ({now} - {minutes} min.)"
    else:
        limit = time_text(server_s + minutes * 60)
        told = f"Signature not yet current: {claim.date} is still later than {limit} ({now} + {minutes} min.)"
    raise signature_does_not_match(told)


def _check_scope(scope: CredentialScope, claim: Claim, service: str, regions: Collection[str]) -> None:
    wrong = []
    if scope.region not in regions:
        wrong.append(f"Credential should be scoped to a valid region, not '{scope.region}'. ")
    if scope.service != service:
        wrong.append(f"Credential should be scoped to correct service: '{service}'. ")
    if scope.terminator != TERMINATOR:
        wrong.append(f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{scope.terminator}'. ")
    day = claim.date[:8]
    if scope.day != day:
        wrong.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
            f" '{scope.day}' != '{day}', from '{claim.date}'."
        )
    if wrong:
        raise signature_does_not_match("".join(wrong))


def _session(access_key_id: str, token: str, account: AccountView) -> Session:
    try:
        session = open_token(token, account)
    except UnreadableToken:
        raise invalid_client_token_id() from None
    if session.access_key_id != access_key_id or session.account_id != account.account_id:
        raise invalid_client_token_id()
    return session


def _published_key(key: AccessKeyView, region: str, date_s: float) -> bytes:
    """The region's key for the day of the signature; refuses a key that is not active, or beyond its horizon."""
    day = day_of(date_s)
    found = key_of_day(key.region_keys.get(region, b""), key.first_day, day)
    if found is None:
        found = key_of_day(key.client_keys.get(region, b""), key.client_first_day, day)
    if found is None or key.status != ACTIVE or key.revoked:
        raise invalid_client_token_id()
    return found


def _long_term_caller(key: AccessKeyView, account: AccountView, region: str, signed_s: float) -> Caller:
    number = account.account_id
    if not key.user_name:
        arn = f"arn:aws:iam::{number}:root"
        return Caller(number, "root", arn, number, arn, key.access_key_id, None, region, signed_s)
    user = account.user(key.user_name)
    if user is None:
        raise invalid_client_token_id()
    return Caller(number, "user", user.arn, user.user_id, user.arn, key.access_key_id, None, region, signed_s)

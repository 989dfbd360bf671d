"""Signers that were verified before: the same callers and the same refusals as without a memory, whatever is sent."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import pytest

from brownout.identity.aws.auth import known_signers
from brownout.identity.aws.auth.authenticate import authenticate
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.auth.known_signers import KnownSigners
from brownout.identity.aws.auth.region_keys import DAY_S
from brownout.identity.aws.errors import AwsError
from brownout.identity.core.messages import Request
from support.aws_signing import (
    ACCOUNT_ID,
    ALICE,
    MELBOURNE,
    NOW_S,
    SYDNEY,
    KeptAccount,
    account_of,
    by_botocore,
    credentials_of,
    session_of,
)

CLIENT_NOW_S = NOW_S + 3 * DAY_S
DATE = b"20260314T150926Z"


def outcome(request: Request, known: KnownSigners | None, account: KeptAccount, now_s: float = NOW_S) -> Caller | str:
    """The caller, or the refusal in words."""
    try:
        return authenticate(request, "sts", (SYDNEY,), account, now_s, CLIENT_NOW_S, known)
    except AwsError as refused:
        return f"{refused.code}: {refused.message}"


@pytest.fixture
def account() -> KeptAccount:
    return account_of()


@pytest.fixture
def known(account: KeptAccount) -> KnownSigners:
    """Knows who signs as botocore does."""
    made = KnownSigners()
    assert isinstance(outcome(by_botocore(), made, account), Caller)
    return made


def found(request: Request, known: KnownSigners, now_s: float = NOW_S) -> Caller | None:
    """What the memory alone says."""
    headers = {name.lower(): value for name, value in request.raw_headers}
    return known.find(request, headers, "sts", (SYDNEY,), (now_s,), 900)


def test_the_next_request_of_a_signer_is_known(known: KnownSigners) -> None:
    """With another payload, at another second of the day: the caller is the same but for the date of the signature."""
    later = by_botocore(payload=b"Action=GetSessionToken&Version=2011-06-15", now_s=NOW_S + 60)
    caller = found(later, known)
    assert caller is not None
    assert (caller.arn, caller.signed_s, caller.session) == (f"arn:aws:iam::{ACCOUNT_ID}:user/alice", NOW_S + 60, None)
    assert len(known) == 1


def changed(request: Request, draw: random.Random) -> Request:
    """The request with one thing changed: a byte of a line or of the payload, a line gone, doubled or new, method or target."""
    lines, payload = list(request.raw_headers), request.payload
    at = draw.randrange(len(lines))
    name, value = lines[at]
    kind = draw.choice(["byte", "byte", "gone", "twice", "new", "payload", "method", "target", "blank"])
    if kind == "byte":
        place = draw.randrange(len(value))
        lines[at] = (name, value[:place] + bytes([draw.choice(b" ,=/a0Z;%")]) + value[place + 1 :])
    elif kind == "gone":
        del lines[at]
    elif kind == "twice":
        lines.insert(draw.randrange(len(lines)), draw.choice([(name, value), (name.upper(), b"x")]))
    elif kind == "new":
        lines.append(draw.choice([(b"X-Amz-Meta", b"1"), (b"x-amz-security-token", b"t"), (b"Date", b"x"), (b"x-other", b"1")]))
    elif kind == "payload":
        payload += b"&X=1"
    elif kind == "blank":
        lines[at] = (name, draw.choice([b" " + value, value + b"  ", value.replace(b" ", b"   ")]))
    method = "GET" if kind == "method" else request.method
    target = draw.choice(["/?a=b", "//", "/x", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256"]) if kind == "target" else request.target
    return Request.raw(method, target, lines, payload)


def good_requests() -> Iterator[Request]:
    yield by_botocore()
    yield by_botocore(headers=[("Content-Type", "text/plain"), ("X-Amz-Meta-A", "1"), ("X-Odd-%b%s", "a  b")])
    yield by_botocore(payload=b"")
    yield by_botocore(now_s=CLIENT_NOW_S)
    yield by_botocore(credentials=credentials_of(session_of()))


def test_a_memory_changes_no_outcome(account: KeptAccount) -> None:
    """Thousands of requests that differ from a good one in one thing: let in or refused in the same words with and without."""
    draw, known, let_in, refused = random.Random(5), KnownSigners(), 0, 0
    requests = list(good_requests())
    for request in requests:
        assert isinstance(outcome(request, known, account), Caller)
    for _ in range(3000):
        request = changed(draw.choice(requests), draw)
        now_s = NOW_S + draw.choice([0, 0, 899, 901, -901])
        plain = outcome(request, None, account, now_s)
        assert outcome(request, known, account, now_s) == plain, request
        let_in, refused = let_in + isinstance(plain, Caller), refused + isinstance(plain, str)
    assert let_in > 200, "some changes change nothing that is signed"
    assert refused > 1000


def test_requests_of_one_second_are_told_apart(known: KnownSigners, account: KeptAccount) -> None:
    """What is remembered of a second lets in what was signed in it, and nothing with another payload, method or header."""
    good, other = by_botocore(), by_botocore(payload=b"Action=GetSessionToken&Version=2011-06-15")
    for request in (good, other, good):
        assert found(request, known) is not None
    assert found(good.with_headers({"authorization": other.headers["authorization"]}), known) is None
    assert found(Request.raw("POST", "/", good.raw_headers, other.payload), known) is None
    assert found(Request.raw("PUT", "/", good.raw_headers, good.payload), known) is None
    assert found(good.with_headers({"host": "127.0.0.1:1"}), known) is None
    assert found(good.with_headers({"x-amz-date": by_botocore(now_s=NOW_S + 1).headers["x-amz-date"]}), known) is None
    assert found(good, known, NOW_S + 901) is None, "its second is as far from the clock as any other"
    assert found(good, KnownSigners()) is None, "another version of the account knows nothing of it"
    assert outcome(by_botocore(region=MELBOURNE), known, account) != outcome(good, known, account)


def test_so_many_seconds_are_remembered_and_no_more(
    known: KnownSigners, account: KeptAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of refused requests are not: their values are any that a client makes up."""
    monkeypatch.setattr(known_signers, "MOMENTS_MAX", 4)
    for number in range(9):
        good = by_botocore(now_s=NOW_S + number)
        assert found(Request.raw("POST", "/", good.raw_headers, b"x"), known) is None
        before = len(known._moments)
        assert found(good, known) is not None
        assert len(known._moments) in (before + 1, 1)
        assert len(known._moments) <= 4
    before = len(known._moments)
    assert isinstance(outcome(by_botocore(headers=[("X-Amz-Meta", "1" * 600)]), known, account), Caller)
    assert found(by_botocore(headers=[("X-Amz-Meta", "1" * 600)]), known) is not None
    assert len(known._moments) == before, "values that are longer than clients write them are not kept"


def test_a_header_of_aws_that_is_not_signed_is_not_known(known: KnownSigners, account: KeptAccount) -> None:
    """Nor is it let in: what was signed does not cover it."""
    request = by_botocore()
    more = Request.raw("POST", "/", (*request.raw_headers, (b"X-Amz-Meta", b"1")), request.payload)
    assert found(more, known) is None
    assert "must be a 'SignedHeader'" in str(outcome(more, known, account))


def test_names_that_are_listed_twice_hide_no_header(account: KeptAccount) -> None:
    """One that is signed twice does not make room for one that is not signed."""
    known = KnownSigners()
    request = by_botocore()
    lines = dict(request.raw_headers)
    names = b"SignedHeaders=content-type;host;x-amz-date"
    doubled = lines[b"Authorization"].replace(names, names + b";x-amz-date")
    assert outcome(request.with_headers({"authorization": doubled.decode()}), known, account) != "", "refused or not"
    for written in known._known.values():
        assert written.amz_headers == len({name for name in written.names if name.startswith(b"x-amz-")})


def test_a_signer_is_known_for_one_day_near_one_clock(known: KnownSigners) -> None:
    """A date of another day is not in the scope; one that is far from the clock is no date to be let in by."""
    assert found(by_botocore(), known, NOW_S + 899) is not None
    assert found(by_botocore(), known, NOW_S + 901) is None
    request = by_botocore()
    tomorrow = request.with_headers({"x-amz-date": "20260315T000000Z"})
    assert found(tomorrow, known, NOW_S + DAY_S) is None


def test_a_signer_is_known_for_its_service_and_region(known: KnownSigners) -> None:
    """What is signed for one is good for no other."""
    request = by_botocore()
    headers = {name.lower(): value for name, value in request.raw_headers}
    assert known.find(request, headers, "iam", (SYDNEY,), (NOW_S,), 900) is None
    assert known.find(request, headers, "sts", (MELBOURNE,), (NOW_S,), 900) is None


def test_sessions_and_presigned_urls_are_not_remembered(account: KeptAccount) -> None:
    """A session ends; a presigned URL is its own header."""
    known = KnownSigners()
    url = f"http://sts.{SYDNEY}.amazonaws.com/?Action=GetCallerIdentity"
    for request in (by_botocore(credentials=credentials_of(session_of())), by_botocore("GET", url, b"", (), presigned=True)):
        assert isinstance(outcome(request, known, account), Caller)
    assert len(known) == 0


def test_refused_signers_are_not_remembered(account: KeptAccount) -> None:
    """A wrong secret, a key that is not active."""
    known = KnownSigners()
    assert isinstance(outcome(by_botocore(credentials=ALICE._replace(secret_access_key="x")), known, account), str)
    inactive = dataclasses.replace(account.keys[ALICE.access_key_id], status="Inactive")
    account.keys[ALICE.access_key_id] = inactive
    assert isinstance(outcome(by_botocore(), known, account), str)
    assert len(known) == 0


def test_so_many_are_remembered_and_no_more(account: KeptAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a header that is longer than clients write it."""
    monkeypatch.setattr(known_signers, "SIGNERS_MAX", 4)
    known = KnownSigners()
    for number in range(9):
        request = by_botocore(headers=[("X-Amz-Meta", "1"), (f"X-Own-{number}", "1")])
        assert isinstance(outcome(request, known, account), Caller)
        assert 1 <= len(known) <= 4
    before = len(known)
    assert isinstance(outcome(by_botocore(headers=[(f"X-{'a' * 500}", "1")]), known, account), Caller)
    assert len(known) == before

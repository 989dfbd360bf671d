"""Signature Version 4 against botocore's signer and AWS's published example, and against every change of a signed request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from brownout.identity.aws.auth.authenticate import authenticate
from brownout.identity.aws.auth.authorization import headers_of, scope_text, signed_names, time_text
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.region_keys import day_of, region_key
from brownout.identity.aws.auth.sigv4 import (
    _signed_step_by_step,
    canonical_path,
    canonical_query,
    canonical_request,
    keyed_hashes,
    sign,
)
from brownout.identity.aws.errors import AwsError
from brownout.identity.core.messages import HeaderLines, Request
from support.aws_signed_requests import TEMPORARY, Generator, generated
from support.aws_signing import (
    ALICE,
    FORM_TYPE,
    MELBOURNE,
    NOW_S,
    SYDNEY,
    account_of,
    by_botocore,
)

ACCOUNTS = {region: account_of(region) for region in (SYDNEY, MELBOURNE, "us-east-1")}


def verified(request: Request, service: str = "sts", region: str = SYDNEY) -> str:
    """The ARN of the caller; raises AwsError."""
    return authenticate(request, service, (region,), ACCOUNTS[region], NOW_S).arn


def refused(request: Request) -> str:
    """The code of the refusal."""
    with pytest.raises(AwsError) as error:
        verified(request)
    return error.value.code


@pytest.mark.parametrize("seed", range(20))
def test_what_botocore_signs_is_verified(seed: int) -> None:
    """Any method, path, query, spacing of headers and payload, with long-term keys and sessions."""
    for request, service, region in generated(seed):
        arn = verified(request, service, region)
        assert arn.endswith((":user/alice", ":assumed-role/app/job-7")), request


@pytest.mark.parametrize("seed", range(5))
def test_what_botocore_presigns_is_verified(seed: int) -> None:
    """Presigned URLs, with long-term keys and sessions, whatever else stands in the query."""
    made = Generator(seed)
    for _ in range(100):
        query = made.query()
        credentials = made.chance.choice([ALICE, TEMPORARY])
        url = f"http://sts.{SYDNEY}.amazonaws.com{made.path()}?{query}"
        request = by_botocore("GET", url, b"", (), credentials=credentials, presigned=True)
        assert verified(request)


@pytest.mark.parametrize("seed", range(5))
def test_what_our_own_clients_sign_is_what_botocore_signs(seed: int) -> None:
    """The same authorization for the same request: same headers signed, same signature."""
    made = Generator(seed)
    for _ in range(100):
        query, payload = made.query(), made.chance.randbytes(made.chance.choice([0, 90]))
        target = made.path() + (f"?{query}" if query else "")
        credentials = made.chance.choice([ALICE, TEMPORARY])
        headers = [("Content-Type", FORM_TYPE)] if payload else []
        theirs = by_botocore("POST", f"http://host.example:8080{target}", payload, headers, credentials=credentials)
        plain = Request.raw("POST", target, [(name.encode(), value.encode()) for name, value in headers], payload)
        ours = sign(plain, credentials, service="sts", region=SYDNEY, now_s=NOW_S, host="host.example:8080")
        assert ours.headers["authorization"] == theirs.headers["authorization"]
        assert verified(ours)


@pytest.mark.parametrize(
    "lines",
    [
        ((b"content-type", FORM_TYPE.encode()),),
        ((b"content-type", b"application/x-amz-json-1.1"), (b"x-amz-target", b"secretsmanager.GetSecretValue")),
        ((b"content-type", b"  a   b%b  c %s "), (b"user-agent", b"100%"), (b"x-amz-meta", b"%%")),
        ((b"x-amz-%s", b"a"), (b"content-type", b"a")),
        ((b"Content-Type", b"a"), (b"X-Amz-Target", b"b")),
        ((b"content-type", b"a"), (b"x-amz-target", b"b"), (b"x-amz-target", b"c")),
        ((b"content-type", b"a"), (b"Host", b"other")),
        ((b"content-type", b"a"), (b"x-amz-date", b"20000101T000000Z"), (b"authorization", b"AWS4-x")),
        ((b"content-type", b"a"), (b"x-amz-security-token", b"old")),
        (),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("credentials", [ALICE, TEMPORARY], ids=["long-term", "session"])
def test_a_request_to_the_root_is_signed_as_any_other(lines: HeaderLines, credentials: Credentials) -> None:
    """What clients' requests have in common is signed by a form; the lines, in their order, and the signature are the same."""
    for payload in (b"Action=A", b"Action=B", b"") if b"content-type" in {name.lower() for name, _ in lines} else (b"",):
        for now_s in (NOW_S, NOW_S + 1):
            plain = Request.raw("POST", "/", lines, payload)
            ours = sign(plain, credentials, service="sts", region=SYDNEY, now_s=now_s, host="sts.amazonaws.com")
            date = time_text(now_s)
            scope = scope_text(date[:8], SYDNEY, "sts")
            key = region_key(credentials.secret_access_key, day_of(now_s), SYDNEY)
            head = f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, SignedHeaders="
            keyed = keyed_hashes(key, "sts")
            slow = _signed_step_by_step(plain, credentials, date, scope, keyed, host="sts.amazonaws.com", head=head)
            assert ours == slow


def test_a_request_made_from_values_can_be_signed() -> None:
    """Its JSON payload, its type and its query are signed as they will stand on the wire."""
    plain = Request("POST", "/a b/é", {"x": "1 2"}, {"x-amz-target": "secretsmanager.GetSecretValue"}, {"SecretId": "é"})
    signed = sign(plain, TEMPORARY, service="secretsmanager", region=SYDNEY, now_s=NOW_S, host="h")
    wire = Request.raw(signed.method, signed.target, signed.raw_headers, signed.payload)
    assert verified(wire, "secretsmanager").endswith("assumed-role/app/job-7")
    assert b"content-type" in dict(wire.raw_headers)


def test_the_published_example_is_verified() -> None:
    """AWS's worked example of August 2015: ListUsers, with its canonical request's hash and its signature."""
    target = "/?Action=ListUsers&Version=2010-05-08"
    lines = [
        (b"Host", b"iam.amazonaws.com"),
        (b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),
        (b"X-Amz-Date", b"20150830T123600Z"),
    ]
    names = "content-type;host;x-amz-date"
    request = Request.raw("GET", target, lines)
    canonical = canonical_request(request, headers_of(request), signed_names(names))
    assert canonical.startswith(b"GET\n/\nAction=ListUsers&Version=2010-05-08\ncontent-type:application/x-www-form")
    signature = b"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    credential = b"AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request"
    authorization = b"AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=%b, Signature=%b" % (credential, names.encode(), signature)
    now_s = datetime(2015, 8, 30, 12, 40, tzinfo=UTC).timestamp()
    key = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    account = account_of("us-east-1", credentials=key, now_s=now_s)
    signed = Request.raw("GET", target, [*lines, (b"Authorization", authorization)])
    assert authenticate(signed, "iam", ("us-east-1",), account, now_s).access_key_id == "AKIDEXAMPLE"


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("/.", "/"),
        ("/..", "/"),
        ("/../..", "/"),
        ("/a/", "/a/"),
        ("/a//b", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a"),
        ("/a/b/../", "/a/"),
        ("/a%20b", "/a%2520b"),
        ("/%2E%2E/a", "/%252E%252E/a"),
        ("/~a-b_c.d", "/~a-b_c.d"),
        ("/a:b@c;d=e", "/a%3Ab%40c%3Bd%3De"),
        ("/\xe9", "/%E9"),
    ],
)
def test_paths_are_normalised_and_escaped_once_more(path: str, canonical: str) -> None:
    """Each path has its canonical form (docs/reference/aws-wire.md#signature-version-4)."""
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1", "a=1&a=2"),
        ("a=2&a=10", "a=10&a=2"),
        ("a", "a="),
        ("a&b", "a=&b="),
        ("&a=1&&", "a=1"),
        ("a=b=c", "a=b%3Dc"),
        ("a=b+c", "a=b%20c"),
        ("a=b%20c", "a=b%20c"),
        ("a=%2f", "a=%2F"),
        ("a=%7E~", "a=~~"),
        ("a=*!()", "a=%2A%21%28%29"),
        ("A=1&a=1&B=1&-=1", "-=1&A=1&B=1&a=1"),
        ("a%20b=1&a=1", "a=1&a%20b=1"),
        ("a=\xe9", "a=%E9"),
        ("X-Amz-Signature=0&a=1", "X-Amz-Signature=0&a=1"),
    ],
)
def test_queries_are_escaped_in_one_way_and_sorted(query: str, canonical: str) -> None:
    """Each query has its canonical form (docs/reference/aws-wire.md#signature-version-4)."""
    assert canonical_query(query, presigned=False) == canonical


def test_a_presigned_query_goes_without_its_signature() -> None:
    """A second one is a field as any other, and so makes the signature wrong."""
    assert canonical_query("b=1&X-Amz-Signature=2&a=3", presigned=True) == "a=3&b=1"
    assert canonical_query("X-Amz-Signature=2&X-Amz-Signature=3", presigned=True) == "X-Amz-Signature=3"


SIGNED = by_botocore(
    "POST",
    f"http://sts.{SYDNEY}.amazonaws.com/some/path?one=1&two=a%20b",
    headers=[("Content-Type", FORM_TYPE), ("X-Amz-Target", "a  b")],
    credentials=TEMPORARY,
)
PRESIGNED = by_botocore("GET", f"http://sts.{SYDNEY}.amazonaws.com/?Action=GetCallerIdentity", b"", (), presigned=True)
MISMATCH, INCOMPLETE, UNKNOWN, MISSING = (
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
)


def changed(text: bytes, at: int) -> bytes:
    """The text with another letter or digit at one place."""
    other = b"y" if text[at : at + 1] in (b"x", b"X") else b"x"
    return text[:at] + other + text[at + 1 :]


def with_line(request: Request, name: bytes, value: bytes) -> Request:
    lines = [(known, value if known.lower() == name else old) for known, old in request.raw_headers]
    return Request.raw(request.method, request.target, lines, request.payload)


def test_the_requests_that_are_changed_below_are_good() -> None:
    """Otherwise a refusal would prove nothing."""
    assert verified(SIGNED)
    assert verified(PRESIGNED)


def test_every_byte_of_the_payload_is_signed() -> None:
    """Changed, taken away or added."""
    payload = SIGNED.payload
    others = [changed(payload, at) for at in range(len(payload))]
    others += [payload[:at] + payload[at + 1 :] for at in range(len(payload))]
    others += [payload + b"&", b"", b" " + payload]
    for other in others:
        assert refused(Request.raw(SIGNED.method, SIGNED.target, SIGNED.raw_headers, other)) == MISMATCH


def test_every_byte_of_the_target_is_signed() -> None:
    """In path and query. A broken escape is said to be one."""
    target = SIGNED.target.encode()
    for at in range(len(target)):
        request = Request.raw(SIGNED.method, changed(target, at).decode(), SIGNED.raw_headers, SIGNED.payload)
        assert refused(request) in (MISMATCH, "MalformedQueryString"), request.target


def test_the_method_is_signed() -> None:
    """Also its case."""
    for method in ("GET", "PUT", "post", "POST "):
        assert refused(Request.raw(method, SIGNED.target, SIGNED.raw_headers, SIGNED.payload)) == MISMATCH


@pytest.mark.parametrize("name", [b"content-type", b"host", b"x-amz-target"])
def test_every_byte_of_a_signed_header_is_signed(name: bytes) -> None:
    """Content, length, and that it is there."""
    value = {known.lower(): value for known, value in SIGNED.raw_headers}[name]
    solid = [at for at in range(len(value)) if value[at : at + 1] != b" "]
    for other in [*(changed(value, at) for at in solid), value + b"x", value[:-1], b""]:
        assert refused(with_line(SIGNED, name, other)) == MISMATCH
    fewer = [line for line in SIGNED.raw_headers if line[0].lower() != name]
    assert refused(Request.raw(SIGNED.method, SIGNED.target, fewer, SIGNED.payload)) == MISMATCH
    doubled = [*SIGNED.raw_headers, (name, value)]
    assert refused(Request.raw(SIGNED.method, SIGNED.target, doubled, SIGNED.payload)) == MISMATCH


def test_every_character_of_the_date_is_signed() -> None:
    """Another second is another signature; what is no date is said to be none."""
    date = b"20260314T150926Z"
    for at in range(len(date)):
        assert refused(with_line(SIGNED, b"x-amz-date", changed(date, at))) == INCOMPLETE
        if date[at : at + 1].isdigit():
            digit = b"%d" % ((int(date[at : at + 1]) + 1) % 10)
            other = date[:at] + digit + date[at + 1 :]
            assert refused(with_line(SIGNED, b"x-amz-date", other)) in (MISMATCH, INCOMPLETE)


def test_every_character_of_the_session_token_counts() -> None:
    """A token that was changed belongs to nobody."""
    token = TEMPORARY.session_token.encode()
    for at in range(0, len(token), 7):
        assert refused(with_line(SIGNED, b"x-amz-security-token", changed(token, at))) == UNKNOWN


def test_every_character_of_the_authorization_counts() -> None:
    """Scope, key, names and signature: none can be changed without a refusal."""
    lines = {name.lower(): value for name, value in SIGNED.raw_headers}
    value = lines[b"authorization"]
    seen = {refused(with_line(SIGNED, b"authorization", changed(value, at))) for at in range(len(value))}
    assert seen == {MISMATCH, INCOMPLETE, UNKNOWN, MISSING}
    shorter = {refused(with_line(SIGNED, b"authorization", value[:end])) for end in range(len(value))}
    assert shorter == {MISMATCH, INCOMPLETE, MISSING}


def test_every_character_of_a_presigned_url_counts() -> None:
    """Its fields, the parts of its signature, and its end."""
    target = PRESIGNED.target.encode()
    for at in range(len(target)):
        request = Request.raw("GET", changed(target, at).decode(), PRESIGNED.raw_headers)
        assert refused(request) in (MISMATCH, INCOMPLETE, UNKNOWN, MISSING, "MalformedQueryString"), request.target
    for end in range(len(target)):
        request = Request.raw("GET", target[:end].decode(), PRESIGNED.raw_headers)
        assert refused(request) in (MISMATCH, INCOMPLETE, MISSING, "MalformedQueryString"), request.target


@pytest.mark.parametrize("field", ["X-Amz-Signature=00", "X-Amz-Expires=9", "X-Amz-Security-Token=x", "other=1"])
def test_nothing_can_be_added_to_a_presigned_url(field: str) -> None:
    """Not even a second signature."""
    request = Request.raw("GET", f"{PRESIGNED.target}&{field}", PRESIGNED.raw_headers)
    assert refused(request) in (MISMATCH, UNKNOWN)


@pytest.mark.parametrize("name", [b"x-amz-target", b"X-Amz-Security-Token", b"x-amz-anything"])
def test_headers_of_aws_must_be_signed(name: bytes) -> None:
    """An x-amz- header that was added on the way is refused, and named."""
    plain = by_botocore()
    request = Request.raw(plain.method, plain.target, [*plain.raw_headers, (name, b"x")], plain.payload)
    with pytest.raises(AwsError) as error:
        verified(request)
    assert error.value.code == (UNKNOWN if name == b"X-Amz-Security-Token" else MISMATCH)
    assert error.value.code == UNKNOWN or f"'{name.decode()}' must be a 'SignedHeader'" in error.value.message


def test_what_means_the_same_is_verified() -> None:
    """Case of names, blanks around and within values, order of query fields, the way of escaping, unsigned headers."""
    spaced = (b"content-type", b"x-amz-target")
    lines = [(b"User-Agent", b"another")]
    for name, value in reversed(SIGNED.raw_headers):
        same = b"  " + value.replace(b" ", b" \t  ") + b" " if name.lower() in spaced else value
        lines.append((name.swapcase(), same))
    assert verified(Request.raw("POST", "/some/./other/..//path?two=a+b&one=%31", lines, SIGNED.payload))


@pytest.mark.parametrize("value", [b"UNSIGNED-PAYLOAD", b"0" * 64, b""])
def test_the_payloads_hash_is_not_taken_from_the_client(value: bytes) -> None:
    """A signed x-amz-content-sha256 that is not the hash of what came makes the signature wrong; the true one does not."""
    header = ("X-Amz-Content-SHA256", value.decode())
    assert refused(by_botocore(headers=[("Content-Type", FORM_TYPE), header])) == MISMATCH
    true_hash = "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843"
    good = by_botocore(headers=[("X-Amz-Content-SHA256", true_hash)])
    assert verified(good)

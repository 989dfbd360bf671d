"""Malformed authorizations: each is refused with the real service's code and words, and nothing raises anything else."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from brownout.identity.aws.auth.authenticate import authenticate
from brownout.identity.aws.auth.authorization import headers_of
from brownout.identity.aws.errors import AwsError
from brownout.identity.core.messages import Request
from support.aws_signing import IDENTITY_PAYLOAD, NOW_S, SYDNEY, account_of, by_botocore

ACCOUNT = account_of()
GOOD = by_botocore()
HEADERS: Mapping[bytes, bytes] = {name.lower(): value for name, value in GOOD.raw_headers}
AUTHORIZATION = HEADERS[b"authorization"].decode()
CREDENTIAL = f"AKIAIOSFODNN7EXAMPLE/20260314/{SYDNEY}/sts/aws4_request"
HASHED = "(Hashed with SHA-256 and encoded with Base64) Authorization="


def refusal(request: Request) -> AwsError:
    with pytest.raises(AwsError) as error:
        authenticate(request, "sts", (SYDNEY,), ACCOUNT, NOW_S)
    return error.value


def with_authorization(value: str | None, *, date: bytes | None = HEADERS[b"x-amz-date"]) -> Request:
    """The good request with another authorization, and with its date or without."""
    lines = [line for line in GOOD.raw_headers if line[0].lower() not in (b"authorization", b"x-amz-date")]
    lines += [(b"X-Amz-Date", date)] if date is not None else []
    lines += [(b"Authorization", value.encode("latin-1"))] if value is not None else []
    return Request.raw("POST", "/", lines, IDENTITY_PAYLOAD)


def test_the_request_that_is_changed_below_is_good() -> None:
    """Otherwise a refusal would prove nothing."""
    assert authenticate(with_authorization(AUTHORIZATION), "sts", (SYDNEY,), ACCOUNT, NOW_S).kind == "user"


@pytest.mark.parametrize(
    "value", [None, "", "Basic dXNlcjpwYXNz", "Bearer eyJ0eXAi", "AWS AKIA:sig", "aws4-hmac-sha256 x", "AWS4"]
)
def test_a_request_without_a_signature_lacks_its_token(value: str | None) -> None:
    """No header, or one of another scheme (docs/reference/aws-wire.md#signature-errors)."""
    error = refusal(with_authorization(value))
    assert (error.code, error.status) == ("MissingAuthenticationToken", 403)
    assert error.message == "Request is missing Authentication Token"


@pytest.mark.parametrize("algorithm", ["AWS4-HMAC-SHA1", "AWS4-ECDSA-P256-SHA256", "AWS4-", "AWS4-HMAC-SHA256,"])
def test_another_algorithm_is_named(algorithm: str) -> None:
    """IncompleteSignature, with the algorithm that was given."""
    error = refusal(with_authorization(AUTHORIZATION.replace("AWS4-HMAC-SHA256", algorithm)))
    assert (error.code, error.status) == ("IncompleteSignature", 400)
    assert error.message == f"Unsupported AWS 'algorithm': '{algorithm}'."


@pytest.mark.parametrize(
    ("value", "missing"),
    [
        ("AWS4-HMAC-SHA256", ("Credential", "Signature", "SignedHeaders")),
        ("AWS4-HMAC-SHA256 ", ("Credential", "Signature", "SignedHeaders")),
        ("AWS4-HMAC-SHA256 Credential=a", ("Signature", "SignedHeaders")),
        ("AWS4-HMAC-SHA256 Credential=, Signature=, SignedHeaders=", ("Credential", "Signature", "SignedHeaders")),
        ("AWS4-HMAC-SHA256 Signature=a, SignedHeaders=host", ("Credential",)),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host", ("Signature",)),
        ("AWS4-HMAC-SHA256 Credential=a, Signature=b, Other=c", ("SignedHeaders",)),
        ("AWS4-HMAC-SHA256 credential=a, signature=b, signedheaders=c", ("Credential", "Signature", "SignedHeaders")),
    ],
)
def test_every_missing_parameter_is_named(value: str, missing: tuple[str, ...]) -> None:
    """One sentence for each, and the header's hash instead of the header."""
    error = refusal(with_authorization(value))
    told = "".join(f"Authorization header requires '{name}' parameter. " for name in missing)
    assert error.code == "IncompleteSignature"
    assert error.message.startswith(told + HASHED)
    assert "Credential=a" not in error.message


def test_a_missing_date_is_named() -> None:
    """Beside the other things that are missing."""
    no_date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    error = refusal(with_authorization(AUTHORIZATION, date=None))
    assert (error.code, error.message.startswith(no_date + HASHED)) == ("IncompleteSignature", True)
    error = refusal(with_authorization("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host", date=None))
    assert error.message.startswith(f"Authorization header requires 'Signature' parameter. {no_date}")


@pytest.mark.parametrize("value", ["FooBar", "Credential=not valid/2018/x, Signature=a", "Credential=a, , b"])
def test_a_parameter_without_an_equals_sign_is_refused(value: str) -> None:
    """Blanks separate parameters as commas do."""
    error = refusal(with_authorization(f"AWS4-HMAC-SHA256 {value}"))
    assert error.code == "IncompleteSignature"
    assert error.message.startswith("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with")


@pytest.mark.parametrize("separator", [",", ", ", " ", ",,  "])
def test_commas_and_blanks_separate_parameters(separator: str) -> None:
    """In any order, too."""
    algorithm, *parts = AUTHORIZATION.replace(",", "").split()
    value = f"{algorithm} {separator.join(reversed(parts))}"
    assert authenticate(with_authorization(value), "sts", (SYDNEY,), ACCOUNT, NOW_S).kind == "user"


@pytest.mark.parametrize("names", ["x-amz-date", "content-type;x-amz-date", "hosts;x-amz-date", ";"])
def test_the_host_must_be_signed(names: str) -> None:
    """SignatureDoesNotMatch, before the signature is looked at."""
    value = AUTHORIZATION.replace("content-type;host;x-amz-date", names)
    error = refusal(with_authorization(value))
    text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    assert (error.code, error.status, error.message) == ("SignatureDoesNotMatch", 403, text)


@pytest.mark.parametrize(
    "date",
    [
        "2026-03-14T15:09:26Z",
        "20260314T150926",
        "20260314 150926Z",
        "20260314T150926z",
        "20260314T150966Z",
        "20261314T150926Z",
        "20260230T150926Z",
        "2026031 T150926Z",
        "+0260314T150926Z",
        "20260314T15 926Z",
        "20260314T150926Z, 20260314T150926Z",
        "\xb20260314T150926Z"[:16],
        "00000000T000000Z",
        "zzzzzzzzz",
        "1",
        "Sat, 14 Mar 2026 15:09:26",
        "Sat, 14 Mar 99999 15:09:26 GMT",
        "GMT",
    ],
)
def test_what_is_no_date_is_refused(date: str) -> None:
    """IncompleteSignature, with what was given."""
    error = refusal(with_authorization(AUTHORIZATION, date=date.encode("latin-1")))
    assert error.code == "IncompleteSignature"
    text = f"Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    assert error.message == text


def test_a_date_header_is_taken_where_there_is_no_other() -> None:
    """Botocore signs so when it is given a Date header; what is signed is the same moment in the basic form."""
    request = by_botocore(headers=[("Date", "any")])
    lines = {name.lower(): value for name, value in request.raw_headers}
    assert b"x-amz-date" not in lines
    assert lines[b"date"].startswith(b"Sat, 14 Mar 2026 15:09:26 ")
    assert authenticate(request, "sts", (SYDNEY,), ACCOUNT, NOW_S).signed_s == NOW_S


@pytest.mark.parametrize("credential", ["AKID", "a/b/c/d", "a/b/c/d/e/f", CREDENTIAL + "/", "////////", "/"])
def test_a_credential_has_five_parts(credential: str) -> None:
    """IncompleteSignature, with the credential, which is no secret."""
    error = refusal(with_authorization(AUTHORIZATION.replace(CREDENTIAL, credential)))
    told = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got"
    assert (error.code, error.message) == ("IncompleteSignature", f"{told} '{credential}'")


FIELDS = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Signature=s&X-Amz-SignedHeaders=host&X-Amz-Date=d"


@pytest.mark.parametrize("name", ["X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_presigned_url_has_all_its_fields(name: str, gone: bool) -> None:
    """A missing or empty one is named."""
    fields = [pair for pair in FIELDS.split("&") if not pair.startswith(name)] + ([] if gone else [f"{name}="])
    error = refusal(Request.raw("GET", "/?" + "&".join(fields), [(b"host", b"h")]))
    text = f"AWS query-string parameters must include '{name}'. Re-examine the query-string parameters."
    assert (error.code, error.message) == ("IncompleteSignature", text)


def test_all_missing_fields_of_a_presigned_url_are_named() -> None:
    """One sentence for each."""
    error = refusal(Request.raw("GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256", [(b"host", b"h")]))
    assert error.message.count("AWS query-string parameters must include") == 4


@pytest.mark.parametrize("algorithm", ["", "AWS4-HMAC-SHA1"])
def test_a_presigned_url_of_another_algorithm_is_refused(algorithm: str) -> None:
    """As in the header form."""
    error = refusal(Request.raw("GET", f"/?X-Amz-Algorithm={algorithm}", [(b"host", b"h")]))
    assert (error.code, error.message) == ("IncompleteSignature", f"Unsupported AWS 'algorithm': '{algorithm}'.")


def test_a_request_is_signed_in_one_way() -> None:
    """Header and query at once are refused, whatever they say."""
    request = Request.raw("POST", "/?" + FIELDS, GOOD.raw_headers, IDENTITY_PAYLOAD)
    text = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    error = refusal(request)
    assert (error.code, error.message) == ("SignatureDoesNotMatch", text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("a=%zz", "Illegal hex character in escape % pattern: %zz"),
        ("%=1", "Illegal hex character in escape % pattern: %=1"),
        ("a=1%2", "Incomplete trailing escape % sequence"),
        ("a=%%41", "Incomplete trailing escape % sequence"),
        ("a=%4\xe9", "Illegal hex character in escape % pattern: %4\xe9"),
        ("%+1=%41", "Illegal hex character in escape % pattern: %+1"),
    ],
)
def test_a_broken_escape_is_refused_first(query: str, text: str) -> None:
    """MalformedQueryString, also where there is no signature at all."""
    error = refusal(Request.raw("GET", f"/?{query}", [(b"host", b"h")]))
    assert (error.code, error.message) == ("MalformedQueryString", text)


def test_doubled_headers_are_joined() -> None:
    """In their order, without the blanks around each value."""
    lines = ((b"A", b" 1 "), (b"b", b" 2 "), (b"a", b"3"))
    assert headers_of(Request.raw("GET", "/", lines)) == {b"a": b"1,3", b"b": b"2"}
    assert headers_of(Request.raw("GET", "/", lines[:2])) == {b"a": b" 1 ", b"b": b" 2 "}


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_a_client_sends_raises_anything_else(seed: int) -> None:
    """Random bytes in all places that are read: each request is refused as AwsError, none is served."""
    chance = random.Random(seed)
    pieces = [*AUTHORIZATION.split(), *FIELDS.split("&"), CREDENTIAL, "=", ",", "%", "/", ";", "\xff", "AWS4-HMAC-SHA256 "]
    for _ in range(500):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 8)))
        query = "".join(chance.choices([*FIELDS, "&", "=", "%", "\xff"], k=chance.randint(0, 40)))
        date = chance.choice(["20260314T150926Z", text[:20], "", "1" * 16])
        lines = [(b"host", b"h"), (b"authorization", text.encode("latin-1")), (b"x-amz-date", date.encode("latin-1"))]
        lines += [(b"x-amz-security-token", text[::-1].encode("latin-1"))] * chance.randint(0, 2)
        refusal(Request.raw("GET", f"/{text[:5]}?{FIELDS}{query}", chance.sample(lines, k=chance.randint(0, len(lines)))))
        refusal(Request.raw("POST", f"/?{query}", lines, text.encode("latin-1")))

"""What a request says about its own signature: the header form, and the query form of presigned URLs.

Nothing is believed here. The parts are taken out of the request, and a request that does not have them is refused in the
real service's words. Wire facts: docs/reference/aws-wire.md#signature-errors.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_plus

from brownout.identity.aws.auth.region_keys import TERMINATOR
from brownout.identity.aws.errors import (
    AwsError,
    incomplete_signature,
    missing_authentication_token,
    signature_does_not_match,
)
from brownout.identity.core.messages import Request

ALGORITHM = "AWS4-HMAC-SHA256"
SIGNATURE_FIELD = "X-Amz-Signature"
SIGNATURE_LENGTH = 64
BEFORE_SIGNATURE = ", Signature="
_AS_SDKS_WRITE = re.compile(rf"{ALGORITHM} Credential=([^ ,=]+), SignedHeaders=([^ ,=]+)")
_SHORT = 400  # characters of what is remembered, so that memory is bounded
_FORM = "%Y%m%dT%H%M%SZ"
_DATE_LENGTH = len("YYYYMMDDTHHMMSSZ")
_HEX = frozenset("0123456789abcdefABCDEF")
_QUERY_FIELDS = ("X-Amz-Credential", SIGNATURE_FIELD, "X-Amz-SignedHeaders", "X-Amz-Date")

Headers = Mapping[bytes, bytes]


class SignedNames(NamedTuple):
    """The list of signed headers as the client wrote it, and the names in it as header lines have them."""

    text: str
    names: tuple[bytes, ...]


class Claim(NamedTuple):
    """The parts of a request's signature as the client states them, none of them checked.

    `date` is the signature's date in the form YYYYMMDDTHHMMSSZ and `date_s` the same as epoch seconds. `session_token` is ""
    without one. `presigned` is true for the query form.
    """

    credential: str
    signed_headers: SignedNames
    signature: str
    date: str
    date_s: float
    session_token: str
    presigned: bool


class CredentialScope(NamedTuple):
    """A credential taken apart: whose key, and what the signature is good for."""

    access_key_id: str
    day: str
    region: str
    service: str
    terminator: str

    @property
    def text(self) -> str:
        """The scope as it is signed: the credential without the key's id."""
        return f"{self.day}/{self.region}/{self.service}/{self.terminator}"


def headers_of(request: Request) -> Headers:
    """Values by lower-case name; those of a doubled name are joined by commas, each without the blanks around it."""
    lines = request.raw_headers
    if len(request.raw_by_name) == len(lines):
        return request.raw_by_name
    joined: dict[bytes, bytes] = {}
    for name, value in lines:
        key = name.lower()
        joined[key] = joined[key] + b"," + value.strip() if key in joined else value.strip()
    return joined


def read_claim(request: Request, headers: Headers) -> Claim:
    """The parts of the signature of `request`, whose `headers` are given by name; raises AwsError."""
    authorization = headers.get(b"authorization")
    query = request.target.partition("?")[2]
    if "%" in query:
        _check_escapes(query)
    presigned = _fields(query) if "X-Amz-Algorithm=" in query else {}
    if "X-Amz-Algorithm" in presigned:
        if authorization is not None:
            both = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
            raise signature_does_not_match(both)
        return _from_query(presigned, headers)
    if authorization is None or not authorization.startswith(b"AWS4-"):
        raise missing_authentication_token()
    return _from_header(authorization.decode("latin-1"), headers)


def read_scope(credential: str) -> CredentialScope:
    """The five parts of a credential; raises AwsError for what has more or fewer."""
    return _known_scope(credential) if len(credential) <= _SHORT else _scope(credential)


def signed_names(text: str) -> SignedNames:
    """The names in a list such as `host;x-amz-date`; raises AwsError for a list without the host."""
    return _known_names(text) if len(text) <= _SHORT else _names(text)


def _scope(credential: str) -> CredentialScope:
    parts = credential.split("/")
    if len(parts) != len(CredentialScope._fields):
        raise incomplete_signature(
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        )
    return CredentialScope(*parts)


def _names(text: str) -> SignedNames:
    names = tuple(text.lower().encode("latin-1", "replace").split(b";"))
    if b"host" not in names and b":authority" not in names:
        raise signature_does_not_match("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return SignedNames(text, names)


# Clients repeat both in every request of a day.
_known_scope, _known_names = lru_cache(maxsize=4096)(_scope), lru_cache(maxsize=1024)(_names)


def signature_date(given: bytes) -> tuple[str, float] | None:
    """The date of an `X-Amz-Date` as it is signed, and as epoch seconds; None for what is not of the basic form."""
    try:
        return _basic_date(given.decode("latin-1"))
    except ValueError:
        return None


def time_text(now_s: float) -> str:
    """Epoch seconds in the form of X-Amz-Date."""
    return _second_text(int(now_s))


@lru_cache(maxsize=4096)  # requests share a second, and the runs of a search have all of their seconds in common
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime(_FORM)


def scope_text(day: str, region: str, service: str) -> str:
    return f"{day}/{region}/{service}/{TERMINATOR}"


def _from_header(authorization: str, headers: Headers) -> Claim:
    written, _, signature = authorization.rpartition(BEFORE_SIGNATURE)
    date = headers.get(b"x-amz-date")
    if not date or len(signature) != SIGNATURE_LENGTH or not signature.isalnum() or not 0 < len(written) <= _SHORT:
        return _from_any_header(authorization, headers)
    known = _known_parts(written)
    if known is None:
        return _from_any_header(authorization, headers)
    credential, names = known
    written_date, date_s = _date(date.decode("latin-1"))
    token = headers.get(b"x-amz-security-token", b"").decode("latin-1")
    return Claim(credential, names, signature, written_date, date_s, token, False)  # by name it takes longer


@lru_cache(maxsize=1024)
def _known_parts(written: str) -> tuple[str, SignedNames] | None:
    """Credential and names of a header as SDKs write it, in all but the signature the same for a day; None for any other."""
    form = _AS_SDKS_WRITE.fullmatch(written)
    return None if form is None else (form[1], signed_names(form[2]))


def _from_any_header(authorization: str, headers: Headers) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise incomplete_signature(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    given: dict[str, str] = {}
    for part in rest.replace(",", " ").split():
        name, equals, value = part.partition("=")
        if not equals:
            text = f"in Authorization header (hashed with SHA-256 and encoded with Base64): '{_hashed(authorization)}'."
            raise incomplete_signature(f"Invalid key=value pair (missing equal-sign) {text}")
        given[name] = value
    date = headers.get(b"x-amz-date") or headers.get(b"date")
    try:
        credential, signature, names = given["Credential"], given["Signature"], given["SignedHeaders"]
    except KeyError:
        raise _incomplete_header(given, date, authorization) from None
    if not (credential and signature and date):
        raise _incomplete_header(given, date, authorization)
    token = headers.get(b"x-amz-security-token", b"").decode("latin-1")
    return Claim(credential, signed_names(names), signature, *_date(date.decode("latin-1")), token, presigned=False)


def _incomplete_header(given: Mapping[str, str], date: bytes | None, authorization: str) -> Exception:
    """The refusal that names everything that is missing."""
    told = [
        f"Authorization header requires '{name}' parameter. "
        for name in ("Credential", "Signature", "SignedHeaders")
        if not given.get(name)
    ]
    if not date:
        told.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
    told.append(f"(Hashed with SHA-256 and encoded with Base64) Authorization={_hashed(authorization)}")
    return incomplete_signature("".join(told))


def _from_query(fields: Mapping[str, str], headers: Headers) -> Claim:
    algorithm = fields["X-Amz-Algorithm"]
    if algorithm != ALGORITHM:
        raise incomplete_signature(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    missing = [name for name in _QUERY_FIELDS if not fields.get(name)]
    if missing:
        told = "".join(f"AWS query-string parameters must include '{name}'. " for name in missing)
        raise incomplete_signature(f"{told}Re-examine the query-string parameters.")
    credential, signature, names, date = (fields[name] for name in _QUERY_FIELDS)
    token = fields.get("X-Amz-Security-Token") or headers.get(b"x-amz-security-token", b"").decode("latin-1")
    return Claim(credential, signed_names(names), signature, *_date(date), token, presigned=True)


def _check_escapes(query: str) -> None:
    for part in query.split("%")[1:]:
        if len(part) < 2:
            raise AwsError.of("MalformedQueryString", "Incomplete trailing escape % sequence")
        if not (part[0] in _HEX and part[1] in _HEX):
            raise AwsError.of("MalformedQueryString", f"Illegal hex character in escape % pattern: %{part[:2]}")


def _fields(query: str) -> dict[str, str]:
    """The query's fields unescaped; of a doubled name the first counts."""
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        found.setdefault(unquote_plus(name), unquote_plus(value))
    return found


def _date(given: str) -> tuple[str, float]:
    """The date as it is signed, and as epoch seconds; raises AwsError for what is no date."""
    try:
        return _basic_date(given) if len(given) == _DATE_LENGTH else _http_date(given)
    except (ValueError, OverflowError):
        what = f"Date must be in ISO-8601 'basic format'. Got '{given}'. See http://en.wikipedia.org/wiki/ISO_8601"
        raise incomplete_signature(what) from None


@lru_cache(maxsize=4096)
def _basic_date(given: str) -> tuple[str, float]:
    digits = given[:8] + given[9:15]
    if len(given) != _DATE_LENGTH or not (digits.isascii() and digits.isdigit() and given[8] == "T" and given[15] == "Z"):
        raise ValueError(given)  # strptime takes blanks, signs and small letters
    return given, datetime.strptime(given, _FORM).replace(tzinfo=UTC).timestamp()


def _http_date(given: str) -> tuple[str, float]:
    """The date of a `Date` header: RFC 9110 ends it with GMT, botocore with -0000. The basic form of the moment is signed."""
    if not given.endswith(("GMT", "+0000", "-0000")):
        raise ValueError(given)
    date_s = parsedate_to_datetime(given).replace(tzinfo=UTC).timestamp()
    return time_text(date_s), date_s


def _hashed(authorization: str) -> str:
    return base64.b64encode(hashlib.sha256(authorization.encode("latin-1")).digest()).decode()

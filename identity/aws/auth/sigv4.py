"""Signature Version 4: what is signed of a request, how, and the comparison.

Both sides build the same text from the request, the *canonical request*, and the server compares two HMACs of it. So the
server works on what stood on the wire: raw target, header lines and payload, never on a parsed message. This module is
on the way of every request: it decodes nothing twice and remembers keys, not requests.
Wire facts: docs/reference/aws-wire.md#signature-version-4.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from brownout.identity.aws.auth.authorization import (
    ALGORITHM,
    SIGNATURE_FIELD,
    Claim,
    CredentialScope,
    Headers,
    SignedNames,
    headers_of,
    scope_text,
    signed_names,
    time_text,
)
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.region_keys import day_of, region_key, signing_key
from brownout.identity.aws.errors import signature_does_not_match
from brownout.identity.core.messages import HeaderLines, Request

_UNRESERVED = "-_.~"
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))  # RFC 2104's pads
session_region_key = lru_cache(maxsize=4096)(region_key)  # of temporary credentials, whose secret the region itself derives


def check_signature(request: Request, headers: Headers, claim: Claim, scope: CredentialScope, key_of_region: bytes) -> None:
    """Raises AwsError unless the holder of the key's secret signed exactly this request."""
    _check_signed_headers(headers, claim.signed_headers.names)
    canonical = canonical_request(request, headers, claim.signed_headers, presigned=claim.presigned)
    expected = signature_of(canonical, claim.date, scope.text, keyed_hashes(key_of_region, scope.service))
    if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "replace")):
        raise signature_does_not_match()


def sign(request: Request, credentials: Credentials, *, service: str, region: str, now_s: float, host: str) -> Request:
    """The request with `host`, date, session token and authorization, as an SDK's client would send it.

    `region` is the scope's (an AWS name), `host` the value of the Host header, port included where it is not the scheme's.
    The payload and the target must stay as they are.
    """
    date = time_text(now_s)
    scope = scope_text(date[:8], region, service)
    keyed = keyed_hashes(session_region_key(credentials.secret_access_key, day_of(now_s), region), service)
    head = f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders="
    token = credentials.session_token
    form = _form_of(request, host, with_token=bool(token))
    if form is None:
        return _signed_step_by_step(request, credentials, date, scope, keyed, host=host, head=head)
    dated: tuple[tuple[bytes, bytes], ...] = ((b"x-amz-date", date.encode()),)
    if token:
        dated = (*dated, (b"x-amz-security-token", token.encode("latin-1")))
    canonical = form.before_hash % tuple([b" ".join(value.split()) for _, value in dated])
    signature = signature_of(canonical + sha256(request.payload).hexdigest().encode(), date, scope, keyed)
    authorization = f"{head}{form.signed}, Signature={signature}".encode("latin-1")
    return Request.raw(request.method, "/", (*form.lines, *dated, (b"authorization", authorization)), request.payload)


class _ClientsForm(NamedTuple):
    """What the signed requests of a client have in common that differ in date, session token and payload alone.

    `lines` are the header lines before the date's; `before_hash` is the canonical request up to the payload's hash, with
    places for the date and the token.
    """

    lines: HeaderLines
    signed: str
    before_hash: bytes


def _form_of(request: Request, host: str, *, with_token: bool) -> _ClientsForm | None:
    """The form of such a request; None for one that has to be signed step by step: all but POSTs as SDKs send them."""
    lines = request.__dict__.get("raw_headers")  # as it was made for the wire
    if lines is None or request.target != "/":
        return None
    return _known_form(request.method, lines, host, with_token)


@lru_cache(maxsize=256)  # the load's clients have few
def _known_form(method: str, lines: HeaderLines, host: str, with_token: bool) -> _ClientsForm | None:
    lines = (*lines, (b"host", host.encode("latin-1")))
    values = {name: b" ".join(value.split()).replace(b"%", b"%%") for name, value in lines}
    added = (b"x-amz-date", b"x-amz-security-token") if with_token else (b"x-amz-date",)
    plain = all(name == name.lower() and b"%" not in name for name in values) and len(values) == len(lines)
    if (
        not plain
        or not method.isalpha()
        or b"content-type" not in values
        or b"authorization" in values
        or not values.keys().isdisjoint(added)
    ):
        return None
    values |= dict.fromkeys(added, b"%b")
    names = sorted(filter(_is_signed_by_clients, values))
    signed = b";".join(names)
    head = b"".join([b"%b:%b\n" % (name, values[name]) for name in names])
    before_hash = b"%b\n/\n\n%b\n%b\n" % (method.encode(), head, signed)
    return _ClientsForm(lines, signed.decode("latin-1"), before_hash)


def _signed_step_by_step(
    request: Request, credentials: Credentials, date: str, scope: str, keyed: tuple[Any, Any], *, host: str, head: str
) -> Request:
    """Any request signed: `head` is what its `Authorization` begins with, up to the names of the signed headers."""
    added = {"host": host, "x-amz-date": date}
    if request.payload and "content-type" not in request.headers:
        added["content-type"] = dict(request.raw_headers)[b"content-type"].decode()
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token
    unsigned = request.with_headers(added)
    headers = headers_of(unsigned)
    signed = signed_names(";".join(sorted(name.decode("latin-1") for name in headers if _is_signed_by_clients(name))))
    signature = signature_of(canonical_request(unsigned, headers, signed), date, scope, keyed)
    return unsigned.with_headers({"authorization": f"{head}{signed.text}, Signature={signature}"})


def canonical_request(request: Request, headers: Headers, signed: SignedNames, *, presigned: bool = False) -> bytes:
    """The text that is signed. A signed header that the request lacks has no line in it."""
    if request.target == "/":  # as nearly all requests of the query protocol
        lines = [request.method.encode(), b"/", b""]
    else:
        path, _, query = request.target.partition("?")
        lines = [request.method.encode(), canonical_path(path).encode()]
        lines.append(canonical_query(query, presigned=presigned).encode() if query else b"")
    lines += [b"%b:%b" % (name, b" ".join(headers[name].split())) for name in signed.names if name in headers]
    lines += (b"", signed.text.encode("latin-1", "replace"), sha256(request.payload).hexdigest().encode())
    return b"\n".join(lines)


def canonical_path(path: str) -> str:
    """The escaped path without dot segments and doubled slashes, escaped once more."""
    if path == "/" or not path:
        return "/"
    kept: list[str] = []
    for word in path.split("/"):
        if word == "..":
            del kept[-1:]
        elif word not in ("", "."):
            kept.append(word)
    end = "/" if kept and path.endswith("/") else ""
    return "/" + quote("/".join(kept).encode("latin-1"), safe="/~") + end


def canonical_query(query: str, *, presigned: bool) -> str:
    """The fields escaped in the one right way and sorted; without the (first) signature in a presigned URL."""
    fields = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if presigned and name == SIGNATURE_FIELD:
            presigned = False
        elif pair:
            fields.append((_escaped(name), _escaped(value)))
    return "&".join([f"{name}={value}" for name, value in sorted(fields)])


def _escaped(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return quote(unquote_to_bytes(text.replace("+", " ").encode("latin-1")), safe=_UNRESERVED)


def signed_form(signed: SignedNames) -> bytes:
    """The canonical request of a request to `/` that has all of the signed headers, without the payload's hash at its end.

    It has places (`%b`) for what differs: the method, and the headers' values in the order of the names.
    """
    lines = b"".join(b"%b:%%b\n" % name.replace(b"%", b"%%") for name in signed.names)
    return b"%%b\n/\n\n%b\n%b\n" % (lines, signed.text.encode("latin-1", "replace").replace(b"%", b"%%"))


def signature_of(canonical: bytes, date: str, scope: str, keyed: tuple[Any, Any]) -> str:
    """The signature of a canonical request, from the hashes of `keyed_hashes`."""
    inner, outer = keyed[0].copy(), keyed[1].copy()
    inner.update(f"{text_before_hash(date, scope)}{sha256(canonical).hexdigest()}".encode())
    outer.update(inner.digest())
    return str(outer.hexdigest())


def text_before_hash(date: str, scope: str) -> str:
    """What is signed of a request, without the hash of the canonical request at its end."""
    return f"{ALGORITHM}\n{date}\n{scope}\n"


@lru_cache(maxsize=4096)
def keyed_hashes(key_of_region: bytes, service: str) -> tuple[Any, Any]:
    """HMAC's two hashes (RFC 2104) with the signing key in them: from here on it takes half of what it takes from the key."""
    key = signing_key(key_of_region, service)
    padded = key.ljust(sha256().block_size, b"\0")
    assert len(key) <= len(padded), "a signing key is no longer than a block"
    return sha256(padded.translate(_INNER)), sha256(padded.translate(_OUTER))


def _check_signed_headers(headers: Headers, names: tuple[bytes, ...]) -> None:
    for name in headers:
        if name.startswith(b"x-amz-") and name not in names:
            raise signature_does_not_match(f"'{name.decode('latin-1')}' must be a 'SignedHeader' in the AWS Authorization.")


def _is_signed_by_clients(name: bytes) -> bool:
    return name in (b"host", b"content-type") or name.startswith(b"x-amz-")

"""Requests that are changed a little: words of paths, queries, headers and payloads, by a seed.

Nothing here can be told apart from what a client may send: no line breaks in a header, no octets that a parser refuses.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, quote_plus

from brownout.identity.core.messages import Request
from fuzz.nasty import JSON_VALUES

METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")
FORM_TYPE = "application/x-www-form-urlencoded"
TYPES = (
    "application/json",
    FORM_TYPE,
    "text/plain",
    "application/xml",
    "application/x-amz-json-1.1",
    "multipart/form-data",
    "application/json; charset=utf-16",
    "application/json; charset=nope",
    "",
    "x",
    "application/octet-stream",
)
# As they may stand in a path or a query, escapes included.
WORDS = (
    "",
    ".",
    "..",
    "%2e%2e",
    "%00",
    "%0d%0a",
    "%ff",
    "%",
    "%zz",
    "%25",
    "a" * 300,
    "a" * 8_000,
    "%F0%9F%A6%98",
    "null",
    "-1",
    "0",
    "99999999999999999999",
    "1e400",
    "NaN",
    "2018-02-01",
    "9999-99-99",
    "*",
    "$filter",
    "'",
    "%22",
    "<x>",
    "&amp;",
    ";",
    "=",
    "+",
    "%20",
    "%E2%80%AE",
    "%C3%28",
    "true",
    "https://vault.azure.net",
    "arn:aws:iam::123456789012:role/app",
    "arn:::::",
    "@",
    "{}",
)
VALUES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"x",
    b"true",
    b"True",
    b"Bearer",
    b"Bearer ",
    b"Bearer x",
    b"Bearer a.b.c",
    b"Bearer e30.e30.",
    b"Basic Og==",
    b"Basic x",
    b"Basic " + b"A" * 4_000,
    b"\xff\xfe",
    b"\xc3\xa9",
    b"9" * 400,
    b"-1",
    b"nan",
    b"0",
    b"1e9",
    b"*",
    b"W/",
    b'"',
    b'""',
    b"bytes=0-",
    b"bytes=5-1",
    b"bytes=-0",
    b"bytes=" + b"9" * 400 + b"-",
    b"Thu, 01 Jan 1970 00:00:00 GMT",
    b"Thu, 99 Foo 0000",
    b"a" * 8_000,
    b",,,",
    b";;;",
    b"=",
    b"AWS4-HMAC-SHA256",
    b"AWS4-HMAC-SHA256 Credential=",
    b"AWS4-HMAC-SHA256 Credential=a/b/c",
    b"AWS4-HMAC-SHA256 Credential=A/20250101/us-east-1/sts/aws4_request, SignedHeaders=, Signature=",
    b"20250101T000000Z",
    b"[::1]:99999999",
    b"[",
    b"xn--",
    b"..",
    b"web.localhost",
    b"vault.azure.net:x",
    b"login.microsoftonline.com",
)
HEADERS = (
    "authorization",
    "content-type",
    "host",
    "metadata",
    "x-identity-header",
    "x-ms-version",
    "x-ms-date",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
    "x-amz-content-sha256",
    "secret",
    "x-aws-ec2-metadata-token",
    "x-aws-ec2-metadata-token-ttl-seconds",
    "accept",
    "accept-encoding",
    "cookie",
    "x-forwarded-for",
    "x-ms-range",
    "x-ms-blob-type",
    "x-ms-meta-a",
    "content-md5",
    "x-ms-client-request-id",
    "client-request-id",
    "expect",
    "x-brownout-trail",
    "x-brownout-client-region",
    "origin",
    "referer",
    "x-ms-blob-content-type",
    "transfer-encoding",
)
XMLS: tuple[bytes, ...] = (
    b"<a/>",
    b"<a",
    b"<?xml version='1.0'?>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b"<a>" * 2_000 + b"</a>" * 2_000,
    b"<BlockList><Latest>AA==</Latest></BlockList>",
    b"<BlockList><Latest>!</Latest><Committed/></BlockList>",
    b"\xff\xfe<\x00a\x00",
    b"<?xml version='1.0' encoding='x'?><a/>",
    b"<a xmlns:b='c'><b:d/></a>",
    b"<a>\x00</a>",
    b"<BlockList>x</BlockList>",
    b"<a b='1' b='2'/>",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A request that a node knows. `payload` is a JSON value, a form's fields, or bytes; `sign` is done to what was changed."""

    node: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, bytes] = field(default_factory=dict)
    payload: Any = b""
    is_form: bool = False
    sign: Callable[[Request], Request] | None = None

    def request(self) -> Request:
        """As it stands on the wire."""
        pairs = "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in self.query)
        target = self.path + (f"?{pairs}" if pairs else "")
        headers = dict(self.headers)
        payload = self.payload
        if self.is_form and not isinstance(payload, bytes):
            payload = "&".join(
                f"{quote_plus(name, errors='replace')}={quote_plus(value, errors='replace')}" for name, value in payload
            ).encode()
            headers.setdefault("content-type", FORM_TYPE.encode())
        elif not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
            headers.setdefault("content-type", b"application/json")
        made = Request.raw(self.method, target, tuple((name.encode(), value) for name, value in headers.items()), payload)
        return made if self.sign is None else self.sign(made)


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~%/:@!$'()*+,;")


def shaken(draw: random.Random, sample: Sample) -> Sample:
    """The sample with one to four changes."""
    for _ in range(draw.choice((1, 1, 1, 2, 3, 4))):
        sample = draw.choice(_CHANGES)(draw, sample)
    return sample


def _method(draw: random.Random, sample: Sample) -> Sample:
    return replace(sample, method=draw.choice(METHODS))


def _path(draw: random.Random, sample: Sample) -> Sample:
    words = sample.path.split("/")[1:] or [""]
    at = draw.randrange(len(words))
    match draw.randrange(5):
        case 0:
            words[at] = draw.choice(WORDS)
        case 1:
            words.insert(at, draw.choice(WORDS))
        case 2:
            del words[at]
        case 3:
            words[at] = words[at].swapcase()
        case _:
            words[at] += draw.choice(WORDS)
    return replace(sample, path="/" + "/".join(words))


def _query(draw: random.Random, sample: Sample) -> Sample:
    pairs = list(sample.query) or [("api-version", "2018-02-01")]
    at = draw.randrange(len(pairs))
    name, value = pairs[at]
    match draw.randrange(5):
        case 0:
            pairs[at] = name, draw.choice(WORDS)
        case 1:
            pairs.append((name, draw.choice(WORDS)))
        case 2:
            del pairs[at]
        case 3:
            pairs[at] = draw.choice((draw.choice(WORDS), name.upper())), value
        case _:
            pairs.append(
                (
                    draw.choice(("comp", "restype", "resource", "client_id", "timeout", "maxresults", "$top", "marker")),
                    draw.choice(WORDS),
                )
            )
    return replace(sample, query=tuple(pairs))


def _header(draw: random.Random, sample: Sample) -> Sample:
    headers = dict(sample.headers)
    name = draw.choice((*headers, draw.choice(HEADERS)))
    match draw.randrange(4):
        case 0:
            headers.pop(name, None)
        case 1 if headers.get(name):
            value = bytearray(headers[name])
            value[draw.randrange(len(value))] = draw.choice((0x20, 0x2E, 0x41, 0x7E, 0xFF, 0x80))
            headers[name] = bytes(value)
        case 2 if headers.get(name):
            headers[name] = headers[name][: draw.randrange(len(headers[name]))]
        case _:
            headers[name] = draw.choice(VALUES)
    return replace(sample, headers=headers)


def _type(draw: random.Random, sample: Sample) -> Sample:
    return replace(sample, headers={**sample.headers, "content-type": draw.choice(TYPES).encode()})


def _payload(draw: random.Random, sample: Sample) -> Sample:
    if draw.randrange(6) == 0 or isinstance(sample.payload, bytes):
        return replace(sample, payload=_bytes(draw, sample))
    if sample.is_form:
        return replace(sample, payload=_fields(draw, list(sample.payload)))
    return replace(sample, payload=_value(draw, json.loads(json.dumps(sample.payload))))


def _fields(draw: random.Random, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    at = draw.randrange(len(fields)) if fields else 0
    name, value = fields[at] if fields else ("Action", "GetUser")
    odd = draw.choice((*WORDS, *JSON_VALUES, "\x00", "\ud800", "é" * 100, "member.1", f"{value}.member.1"))
    match draw.randrange(6):
        case 0 if fields:
            del fields[at]
        case 1:
            fields.append((name, odd))
        case 2:
            fields.append(
                (
                    f"{name}.{draw.choice(('member.1', 'member.0', 'member.-1', 'member.999999999', 'entry.1.key', '1', ''))}",
                    odd,
                )
            )
        case 3 if fields:
            fields[at] = draw.choice((name.lower(), f"{name}.", odd)), value
        case _ if fields:
            fields[at] = name, draw.choice((odd, value + odd, value[: len(value) // 2], _shaken_text(draw, value)))
        case _:
            fields.append((name, odd))
    return fields


def _shaken_text(draw: random.Random, text: str) -> str:
    """A JSON document in a field with one value changed; any other text with one character changed."""
    try:
        return json.dumps(_value(draw, json.loads(text)))
    except ValueError:
        at = draw.randrange(len(text) + 1)
        return text[:at] + draw.choice("\0 '\"<>&%{}[],:;=/\\*?\u202e\U0001f998") + text[at + 1 :]


def _value(draw: random.Random, value: Any) -> Any:
    """A JSON value with one place in it changed."""
    if isinstance(value, dict) and value and draw.randrange(5):
        key = draw.choice(sorted(value))
        match draw.randrange(6):
            case 0:
                return {name: one for name, one in value.items() if name != key}
            case 1:
                return {**value, draw.choice((key.upper(), "", "x" * 300, "\0", "properties")): value[key]}
            case _:
                return {**value, key: _value(draw, value[key])}
    if isinstance(value, list) and value and draw.randrange(4):
        at = draw.randrange(len(value))
        return [*value[:at], _value(draw, value[at]), *value[at + 1 :]]
    if isinstance(value, str) and draw.randrange(2):
        return _shaken_text(draw, value) if draw.randrange(2) else value + draw.choice(WORDS)
    return _odd_value(draw)


def _odd_value(draw: random.Random) -> Any:
    while True:
        try:
            return json.loads(draw.choice(JSON_VALUES))
        except (ValueError, RecursionError):
            continue


def _bytes(draw: random.Random, sample: Sample) -> bytes:
    data = sample.payload if isinstance(sample.payload, bytes) else sample.request().payload
    at = draw.randrange(len(data) + 1)
    match draw.randrange(7):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + draw.randbytes(4) + data[at:]
        case 2:
            return data.decode("utf-8", "replace").encode("utf-16")
        case 3:
            return draw.choice(JSON_VALUES).encode("utf-8", "replace")
        case 4:
            return draw.choice(XMLS)
        case 5:
            return b"[" * 100_000
        case _:
            return draw.randbytes(draw.choice((1, 30, 2_000)))


_CHANGES: tuple[Callable[[random.Random, Sample], Sample], ...] = (
    _method,
    _path,
    _path,
    _query,
    _query,
    _header,
    _header,
    _type,
    _payload,
    _payload,
    _payload,
    _payload,
)

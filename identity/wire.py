"""The one codec between messages and HTTP/1.1, used by servers and clients of every kind.

Nothing is lost on the way: the target arrives with the escapes that it was sent with, header lines come in their order
with doubled names, the payload is bytes of any type. What belongs to the connection (`host`, `content-length`) is added
here, because no message knows its connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from http import HTTPStatus

import httptools
import orjson

from brownout.identity.core.messages import OF_THE_CONNECTION, TRAIL, HeaderLines, Request, Response, trail_line
from brownout.identity.core.surface import Served, trail_text
from brownout.identity.core.trail import Hop

WITHOUT_PAYLOAD = (204, 304)
_SENDS_A_LENGTH = ("PUT", "POST", "PATCH")  # also without a payload: RFC 9110 section 8.6
_TEXTS = {str}
_TRAIL = f"{TRAIL}: ".encode()
NO_HTTP = "Invalid HTTP request received."


def target_of(url: bytes) -> str:
    """The path and query, with their escapes, of what stands on a request line; raises ValueError for what has none."""
    if url == b"/":
        return "/"
    if url.startswith(b"/") and url.isascii() and b"#" not in url:  # nearly every request
        path, _, query = url.decode("ascii").partition("?")
    else:
        try:
            parsed = httptools.parse_url(url)
            path, query = parsed.path.decode("ascii"), (parsed.query or b"").decode("ascii")
        except (httptools.HttpParserInvalidURLError, AttributeError, ValueError):  # no URL, one without a path, no ASCII
            raise ValueError(f"{url!r} is no target") from None
    return f"{path}?{query}" if query else path


def response_from(status: int, headers: Iterable[tuple[bytes, bytes]], payload: bytes) -> Response:
    """The answer that was received."""
    return Response.raw(status, headers, payload)


def header_lines(request: Request) -> HeaderLines:
    """The request's header lines without those that each connection writes for itself."""
    return tuple(line for line in request.raw_headers if line[0].lower() not in OF_THE_CONNECTION)


def encode_request(request: Request, host: str, *, prefix: str = "", also: HeaderLines = ()) -> bytes:
    """The whole request in one piece, to be sent to `host`, whose base path is `prefix`, with the header lines `also`.

    A `host` header of the request's own stays, since a signature may cover it. Raises ValueError for what would change
    the message's shape.
    """
    lines, payload = header_lines(request), request.payload
    head = [f"{request.method} {prefix}{request.target} HTTP/1.1".encode("latin-1")]
    if not any(name.lower() == b"host" for name, _ in lines):
        head.append(b"host: " + host.encode("latin-1"))
    if payload or request.method in _SENDS_A_LENGTH:
        head.append(b"content-length: %d" % len(payload))
    head += [b"%b: %b" % line for line in (*lines, *also)]
    if any(b"\r" in line or b"\n" in line for line in head):
        raise ValueError("a header or path holds a line break")
    return b"\r\n".join((*head, b"", payload))


def encode_response(response: Response, also: bytes = b"", *, is_last: bool = False, head_only: bool = False) -> bytes:
    """The whole answer in one piece, with the header lines `also`; raises TypeError or ValueError for one that cannot be sent.

    `is_last` tells the client that the connection ends with it, `head_only` leaves the payload away. An error never leaves
    without a payload, unless it is meant to, because real clients crash on that (docs/reference/azure-wire.md#error-bodies).
    After one that is cut short the connection has to end.
    """
    status, payload = response.status, _payload_of(response)
    if status >= 400 and not payload and not response.may_be_empty:
        phrase = _phrase(status)
        response = failure(status, phrase.replace(" ", ""), phrase).with_headers(response.headers)
        payload = response.payload
    head = _status_line(status) + also + response.header_block
    end = b"connection: close\r\n\r\n" if is_last else b"\r\n"
    if status in WITHOUT_PAYLOAD:
        return head + end
    return b"%bcontent-length: %d\r\n%b%b" % (head, len(payload), end, b"" if head_only else payload[: response.sent_bytes])


def encode_ready(served: Served, also: bytes, *, is_last: bool, head_only: bool) -> bytes:
    """What `encode_response` makes of an answer that was ready, with its trail.

    One that is given again and again is made once for each `also`.
    """
    response, hop, inner = served
    known, how = response.__dict__.get("_encoded"), (also, hop, inner, is_last, head_only)
    if known is None or known[0] != how:
        assert _TRAIL not in response.header_block, "an answer that is ready is a node's own"
        lines = also if hop is None else _common_lines(also, hop, inner)
        known = response.__dict__["_encoded"] = (how, encode_response(response, lines, is_last=is_last, head_only=head_only))
    encoded: bytes = known[1]
    return encoded


@lru_cache(maxsize=64)  # one for each second and hop
def _common_lines(also: bytes, hop: Hop, inner: str) -> bytes:
    return also + trail_line(trail_text(hop, inner))


def failure(status: int, code: str, message: str) -> Response:
    """What the server itself answers where no node does."""
    return Response(status, {"error": {"code": code, "message": message}})


def _payload_of(response: Response) -> bytes:
    """The payload. An object of nothing but text, as every token answer is, goes the short way to the same bytes."""
    known = response.__dict__
    body = known.get("body")
    if body and "payload" not in known and set(map(type, body.values())) == _TEXTS:
        response.payload = orjson.dumps(body if type(body) is dict else dict(body))
    return response.payload


@cache
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {_phrase(status)}\r\n".encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"

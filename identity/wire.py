"""The one codec between messages and HTTP/1.1, used by servers and clients of every kind.

Nothing is lost on the way: the target arrives with the escapes that it was sent with, header lines come in their order
with doubled names, the payload is bytes of any type. What belongs to the connection (`host`, `content-length`) is added
here, because no message knows its connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from brownout.identity.core.messages import HeaderLines, Request, Response

WITHOUT_PAYLOAD = (204, 304)
_SENDS_A_LENGTH = ("PUT", "POST", "PATCH")  # also without a payload: RFC 9110 section 8.6
_OF_THE_CONNECTION = (b"content-length", b"transfer-encoding", b"connection")


def request_from(method: str, path: bytes, query: bytes, headers: Iterable[tuple[bytes, bytes]], payload: bytes) -> Request:
    """The request that was received; `path` and `query` are the target's two parts with their escapes."""
    target = path + b"?" + query if query else path
    return Request.raw(method, target.decode("latin-1"), headers, payload)


def response_from(status: int, headers: Iterable[tuple[bytes, bytes]], payload: bytes) -> Response:
    """The answer that was received."""
    return Response.raw(status, headers, payload)


def header_lines(request: Request) -> HeaderLines:
    """The request's header lines without those that each connection writes for itself."""
    return tuple(line for line in request.raw_headers if line[0].lower() not in _OF_THE_CONNECTION)


def encode_request(request: Request, host: str, *, prefix: str = "") -> bytes:
    """The whole request in one piece, to be sent to `host`, whose base path is `prefix`.

    A `host` header of the request's own stays, since a signature may cover it. Raises ValueError for what would change
    the message's shape.
    """
    lines, payload = header_lines(request), request.payload
    head = [f"{request.method} {prefix}{request.target} HTTP/1.1".encode("latin-1")]
    if not any(name.lower() == b"host" for name, _ in lines):
        head.append(b"host: " + host.encode("latin-1"))
    if payload or request.method in _SENDS_A_LENGTH:
        head.append(b"content-length: %d" % len(payload))
    head += [b"%b: %b" % line for line in lines]
    if any(b"\r" in line or b"\n" in line for line in head):
        raise ValueError("a header or path holds a line break")
    return b"\r\n".join((*head, b"", payload))


def response_parts(response: Response) -> tuple[int, HeaderLines, bytes]:
    """Status, header lines and payload of an answer; raises TypeError or ValueError for one that cannot be sent.

    An error never leaves without a payload, because real clients crash on that (docs/reference/azure-wire.md#error-bodies).
    """
    if response.status >= 400 and not response.payload:
        phrase = _phrase(response.status)
        response = failure(response.status, phrase.replace(" ", ""), phrase).with_headers(response.headers)
    lines = tuple(line for line in response.raw_headers if line[0].lower() not in _OF_THE_CONNECTION)
    if response.status in WITHOUT_PAYLOAD:
        return response.status, lines, b""
    length = (b"content-length", str(len(response.payload)).encode())
    return response.status, (*lines, length), response.payload


def failure(status: int, code: str, message: str) -> Response:
    """What the server itself answers where no node does."""
    return Response(status, {"error": {"code": code, "message": message}})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"

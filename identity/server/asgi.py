"""HTTP in, HTTP out: a raw ASGI application around one node. It moves values and decides nothing about them.

An error never leaves without a body: real clients crash on that (docs/reference/azure-wire.md#error-bodies).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson

from brownout.identity.core.messages import Request, Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT_BYTES = 1_048_576
JSON_TYPE = (b"content-type", b"application/json; charset=utf-8")
FORM_TYPE = "application/x-www-form-urlencoded"
WITHOUT_BODY = (204, 304)
log = logging.getLogger("brownout.identity.server")


class Handler(Protocol):
    """What of a node the application needs."""

    async def handle(self, request: Request) -> Response: ...


class BadRequestError(Exception):
    """What came in is no request that a node could be shown."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class ClientGoneError(Exception):
    """The client went away before it had sent its whole request."""


def application(node: Handler) -> Application:
    """The ASGI application that serves `node`. What the node raises becomes a logged traceback and a 500."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            messages = _messages(await node.handle(await _request(scope, receive)))
        except BadRequestError as bad:
            messages = _messages(_failure(bad.status, bad.code, bad.message))
        except ClientGoneError:
            return
        except Exception:
            log.exception("%s %s was not handled", scope["method"], scope["path"])
            messages = _messages(_failure(500, "InternalServerError", "The server encountered an internal error."))
        for message in messages:
            await send(message)

    return serve


async def _request(scope: Scope, receive: Receive) -> Request:
    """Raises BadRequestError or ClientGoneError."""
    headers = _headers(scope["headers"])
    content = await _content(receive)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    body = _body(headers.get("content-type", ""), content) if content else None
    return Request(scope["method"], scope["path"], query, headers, body)


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Lower-cased names (uvicorn's work); a name that comes twice has its values joined, as RFC 9110 allows."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _content(receive: Receive) -> bytes:
    content = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        content += bytes(message.get("body", b""))
        if len(content) > BODY_LIMIT_BYTES:
            raise BadRequestError(413, "RequestEntityTooLarge", f"The body is larger than {BODY_LIMIT_BYTES} bytes.")
        if not message.get("more_body", False):
            return content


def _body(content_type: str, content: bytes) -> Mapping[str, Any]:
    if content_type.partition(";")[0].strip().lower() == FORM_TYPE:
        return dict(parse_qsl(content.decode("latin-1"), keep_blank_values=True))
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as wrong:
        raise BadRequestError(400, "InvalidRequestContent", f"The request content is not valid JSON: {wrong}.") from None
    if not isinstance(body, dict):
        kind = type(body).__name__
        raise BadRequestError(400, "InvalidRequestContent", f"The request content must be a JSON object, not {kind}.")
    return body


def _failure(status: int, code: str, message: str) -> Response:
    return Response(status, {"error": {"code": code, "message": message}})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _messages(response: Response) -> tuple[Message, Message]:
    """The answer as ASGI's two messages; raises for a response that cannot be put on the wire."""
    body = response.body
    if body is None and response.status >= 400:
        phrase = _phrase(response.status)
        body = _failure(response.status, phrase.replace(" ", ""), phrase).body
    content = b"" if body is None or response.status in WITHOUT_BODY else orjson.dumps(body, default=dict)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if content and "content-type" not in response.headers:
        headers.append(JSON_TYPE)
    if response.status not in WITHOUT_BODY:
        headers.append((b"content-length", str(len(content)).encode()))
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    return start, {"type": "http.response.body", "body": content}

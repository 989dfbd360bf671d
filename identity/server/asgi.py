"""A raw ASGI application around one node. It carries messages between HTTP and the node.

Three answers are its own: to a request that is too large, to a payload of the wrong form, and to an exception in the node.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from brownout.identity import wire
from brownout.identity.core.messages import BadPayload, Request, Response
from brownout.identity.core.surface import Surface, too_large

Scope = MutableMapping[str, Any]
AsgiEvent = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiEvent]]
SendEvent = Callable[[AsgiEvent], Awaitable[None]]
Application = Callable[[Scope, Receive, SendEvent], Awaitable[None]]

PAYLOAD_LIMIT_BYTES = 1_048_576
log = logging.getLogger("brownout.identity.server")


class Handler(Protocol):
    """What of a node the application needs."""

    async def handle(self, request: Request) -> Response: ...


class TooLargeError(Exception):
    """The payload of a request exceeds PAYLOAD_LIMIT_BYTES."""


class ClientGoneError(Exception):
    """The client went away before it had sent its whole request."""


def application(node: Handler, surfaces: Iterable[Surface] = ()) -> Application:
    """The ASGI application that serves `node`. What the node raises becomes a logged traceback and a 500.

    A payload that is too large is refused in the words of that one of `surfaces` whose request it is.
    """

    async def serve(scope: Scope, receive: Receive, send: SendEvent) -> None:
        try:
            messages = _messages(await node.handle(await _request(scope, receive)))
        except ClientGoneError:
            return
        except TooLargeError:
            text = f"The body is larger than {PAYLOAD_LIMIT_BYTES} bytes."
            messages = _messages(too_large(surfaces, _request_with(scope, b""), text))
        except BadPayload as bad:
            messages = _messages(wire.failure(400, "InvalidRequestContent", str(bad)))
        except Exception:
            log.exception("%s %s was not handled", scope["method"], scope["raw_path"])
            messages = _messages(wire.failure(500, "InternalServerError", "The server encountered an internal error."))
        for message in messages:
            await send(message)

    return serve


async def _request(scope: Scope, receive: Receive) -> Request:
    """Raises TooLargeError or ClientGoneError."""
    return _request_with(scope, await _payload(receive))


def _request_with(scope: Scope, payload: bytes) -> Request:
    return wire.request_from(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], payload)


async def _payload(receive: Receive) -> bytes:
    payload = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        payload += bytes(message.get("body", b""))
        if len(payload) > PAYLOAD_LIMIT_BYTES:
            raise TooLargeError
        if not message.get("more_body", False):
            return payload


def _messages(response: Response) -> tuple[AsgiEvent, AsgiEvent]:
    """The answer as ASGI's two messages; raises for a response that cannot be put on the wire."""
    status, lines, payload = wire.response_parts(response)
    return {"type": "http.response.start", "status": status, "headers": lines}, {"type": "http.response.body", "body": payload}

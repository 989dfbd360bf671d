"""From a request that was received to the bytes of its answer: a node's, or the server's own where no node can answer.

Four answers are the server's own: to a request that is too large, to a payload of the wrong form, to an exception in the
node, and to an answer of the node's that cannot be put on the wire.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from brownout.identity import wire
from brownout.identity.core.messages import BadPayload, Request, Response
from brownout.identity.core.surface import OWN, ReadyAnswers, Surface, TakesLarge, too_large
from brownout.identity.core.trail import ClientsSeen

PAYLOAD_LIMIT_BYTES = 1_048_576  # of clients, where a surface does not take more
INTERNAL_LIMIT_BYTES = 268_435_456  # of other nodes: a snapshot is as long as all that a directory publishes
log = logging.getLogger("brownout.identity.server")


class Handler(Protocol):
    """What of a node a server needs."""

    async def handle(self, request: Request) -> Response: ...


class Received(NamedTuple):
    """One request as its connection gave it. `is_last` says that the connection ends with its answer.

    `exceeds_bytes` is the limit for which its payload was too large and was dropped, 0 for one that is whole.
    """

    request: Request
    is_last: bool
    exceeds_bytes: int = 0


class BrokenOff(Exception):
    """An answer that is cut short on purpose: `sent` is what of it goes out before the connection ends."""

    def __init__(self, sent: bytes) -> None:
        super().__init__("an answer that is cut short")
        self.sent = sent


class Answering:
    """The answers of one node. `surfaces` are those whose words are used for a payload that is too large.

    `seen` counts the answers to real clients.
    """

    def __init__(self, node: Handler, surfaces: Iterable[Surface] = (), seen: ClientsSeen | None = None) -> None:
        self._node = node
        self._seen = seen or ClientsSeen()
        self._surfaces = tuple(surfaces)
        self._ready = ReadyAnswers(self._surfaces)

    def at_once(self, received: Received, also: bytes) -> bytes | None:
        """What `answer` would give, where a surface has it ready; None where `answer` has to be asked."""
        request, is_last, exceeds_bytes = received
        if exceeds_bytes:
            return None
        head_only = request.method == "HEAD"
        try:
            served = self._ready.find(request)
            if served is None:
                return None
            if self._seen.on:
                self._seen.note(request, served.sealed())
            return wire.encode_ready(served, also, is_last=is_last, head_only=head_only)
        except Exception:
            return wire.encode_response(_broken(request), also, is_last=is_last, head_only=head_only)

    async def answer(self, received: Received, also: bytes) -> bytes:
        """The whole answer as it goes on the wire, with the header lines `also`. Never raises for what a client can send.

        Raises BrokenOff for an answer of the node's that is cut short.
        """
        request, head_only = received.request, received.request.method == "HEAD"
        try:
            exceeds = received.exceeds_bytes
            response = self._too_large(request, exceeds) if exceeds else await self._node.handle(request)
            if self._seen.on and not request.path.startswith(OWN):
                self._seen.note(request, response)
            encoded = wire.encode_response(response, also, is_last=received.is_last, head_only=head_only)
        except BadPayload as bad:
            response = wire.failure(400, "InvalidRequestContent", str(bad))
        except Exception:
            response = _broken(request)
        else:
            if response.sent_bytes is None:
                return encoded
            raise BrokenOff(encoded if response.sent_bytes >= 0 else b"")
        return wire.encode_response(response, also, is_last=received.is_last, head_only=head_only)

    def payload_limit_bytes(self, request: Request) -> int:
        """How large the payload of a request may be, of which all but that is known."""
        if request.path.startswith(OWN):
            return INTERNAL_LIMIT_BYTES
        surface = next((each for each in self._surfaces if each.takes(request)), None)
        return surface.payload_limit_bytes if isinstance(surface, TakesLarge) else PAYLOAD_LIMIT_BYTES

    def _too_large(self, request: Request, limit_bytes: int) -> Response:
        return too_large(self._surfaces, request, f"The body is larger than {limit_bytes} bytes.")


def _broken(request: Request) -> Response:
    """The answer to a request with which something went wrong, which the log is told."""
    log.exception("%s %s was not handled", request.method, request.target)
    return wire.failure(500, "InternalServerError", "The server encountered an internal error.")

"""The HTTP protocol of a node: uvicorn's over httptools, with two things mended at the edge.

- *Trailers are not headers.* httptools reports the fields of a chunked body's trailer through the same callback as headers, and
  uvicorn appends them to the very list that a request in progress reads its headers from. So a `Metadata: true` or a token in a
  trailer would count or not, by how the packets came. RFC 9110 section 6.5.1 lets a recipient drop trailer fields; we do.
- *What is not HTTP is answered in JSON* like every other error, since clients of an identity service parse what they get.
- *An answer leaves in one piece.* uvicorn writes its head and its body apart, and on loopback each is a packet of its own: two
  calls of the system for the node, and twice the work for a proxy and the client.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from brownout.identity import wire

INTERIM = b"HTTP/1.1 100 "


class WholeAnswers:
    """A transport that keeps the head of an answer back until its body comes, or the answer is complete."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._head and data.startswith(b"HTTP/1.1 ") and not data.startswith(INTERIM):
            self._head = data
        else:
            head, self._head = self._head, b""
            self._transport.write(head + data if head else data)

    def flush(self) -> None:
        """Sends a head that has no body, as one to a HEAD request has none."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()


class NodeProtocol(HttpToolsProtocol):
    """One connection of a client to a node."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._whole = WholeAnswers(transport)
        super().connection_made(self._whole)  # type: ignore[arg-type]  # what uvicorn calls of a transport is there

    def on_response_complete(self) -> None:
        self._whole.flush()
        super().on_response_complete()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # What the parser still reports for this message goes into another list than the one that the request was made with.
        self.headers = []

    def send_400_response(self, msg: str) -> None:
        payload = orjson.dumps(dict(wire.failure(400, "BadRequest", msg).body or {}))
        head = (STATUS_LINE[400], b"content-type: application/json; charset=utf-8\r\n", b"connection: close\r\n")
        self.transport.write(b"".join((*head, b"content-length: %d\r\n\r\n" % len(payload), payload)))
        self.transport.close()

"""The HTTP protocol of a node: uvicorn's over httptools, with two things mended at the edge.

- *Trailers are not headers.* httptools reports the fields of a chunked body's trailer through the same callback as headers, and
  uvicorn appends them to the very list that a request in progress reads its headers from. So a `Metadata: true` or a token in a
  trailer would count or not, by how the packets came. RFC 9110 section 6.5.1 lets a recipient drop trailer fields; we do.
- *What is not HTTP is answered in JSON* like every other error, since clients of an identity service parse what they get.
"""

from __future__ import annotations

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from brownout.identity import wire


class NodeProtocol(HttpToolsProtocol):
    """One connection of a client to a node."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # What the parser still reports for this message goes into another list than the one that the request was made with.
        self.headers = []

    def send_400_response(self, msg: str) -> None:
        payload = orjson.dumps(dict(wire.failure(400, "BadRequest", msg).body or {}))
        head = (STATUS_LINE[400], b"content-type: application/json; charset=utf-8\r\n", b"connection: close\r\n")
        self.transport.write(b"".join((*head, b"content-length: %d\r\n\r\n" % len(payload), payload)))
        self.transport.close()

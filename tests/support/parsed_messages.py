"""Messages of HTTP as an independent parser reads them."""

from __future__ import annotations

import httptools

from brownout.identity.core.messages import Response


class _Callbacks:
    """What the parser told."""

    def __init__(self) -> None:
        self.lines: list[tuple[bytes, bytes]] = []
        self.payload = b""
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.payload += body

    def on_message_complete(self) -> None:
        self.done = True


def parsed_answer(message: bytes) -> Response:
    """The one whole answer that `message` is."""
    told = _Callbacks()
    parser = httptools.HttpResponseParser(told)
    parser.feed_data(message)
    assert told.done, message
    return Response.raw(parser.get_status_code(), told.lines, told.payload)

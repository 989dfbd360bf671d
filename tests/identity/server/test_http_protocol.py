"""The edge of a node: a trailer is no header, errors are JSON, answers leave in one piece, clients write no log records."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from brownout.identity.core.messages import Request, Response
from brownout.identity.server.http_protocol import WholeAnswers
from brownout.identity.server.log_lines import FORMAT, OneRecordLines
from support.http_nodes import Echo, served

HEAD = b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK, END = b"2\r\n{}\r\n", b"0\r\nMetadata: true\r\nAuthorization: Bearer t\r\n\r\n"
PIECES = {
    "at once": (HEAD + CHUNK + END,),
    "trailer apart": (HEAD + CHUNK, END),
    "each apart": (HEAD, CHUNK, END),
    "trailer in two": (HEAD + CHUNK, END[:20], END[20:]),
    "byte by byte": tuple(bytes([byte]) for byte in HEAD + CHUNK + END),
}


class Names:
    """A node that waits a little, as real ones do for each other, before it reads the headers of its request."""

    async def handle(self, request: Request) -> Response:
        await asyncio.sleep(0.02)
        return Response(200, {"names": [name.decode() for name, _ in request.raw_headers]})


async def said(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to a request that is sent in pieces."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_what_a_trailer_says_never_counts(pieces: tuple[bytes, ...]) -> None:
    """Fields behind a chunked body are dropped, however the packets are cut."""

    async def whole() -> tuple[int, bytes]:
        async with served(Names()) as port:
            return await said(port, *pieces)

    status, body = asyncio.run(whole())
    assert (status, json.loads(body)["names"]) == (200, ["host", "connection", "transfer-encoding"])


def test_the_next_request_of_a_connection_has_its_own_headers() -> None:
    """A trailer does not end up in the request that follows on the connection either."""
    first = HEAD.replace(b"connection: close\r\n", b"") + CHUNK + END
    second = b"GET /y HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    async def whole() -> bytes:
        async with served(Names()) as port:
            return (await said(port, first + second))[1]

    assert b'["host","connection"]' in asyncio.run(whole())


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00", b"GET /\xff HTTP/1.1\r\n\r\n", b"GET h:80 HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"]
)
def test_what_is_no_http_is_answered_in_json(raw: bytes) -> None:
    """TLS by mistake, bytes that no path has, and nonsense are 400 in the envelope of every other error."""

    async def whole() -> tuple[int, bytes]:
        async with served(Names()) as port:
            return await said(port, raw)

    status, body = asyncio.run(whole())
    assert (status, json.loads(body)["error"]["code"]) == (400, "BadRequest")


FORGED = "x\n2026-01-01 00:00:00,000 WARNING brownout: all is well"


@pytest.mark.parametrize("breaks", ["\n", "\r\n", "\r", "\x85", "\u2028", "\x1b[2K\r"])
def test_a_log_record_begins_one_line_and_no_other(breaks: str) -> None:
    """What a client chose is escaped or indented, in the message and in the text of an exception."""
    text = FORGED.replace("\n", breaks)
    try:
        raise ValueError(text)
    except ValueError as wrong:
        caught = (ValueError, wrong, wrong.__traceback__)
    record = logging.LogRecord("n", logging.ERROR, "f.py", 1, "%s was not handled", (text,), caught)
    first, *others = OneRecordLines(FORMAT).format(record).splitlines()
    assert "ERROR n: x" in first
    assert others
    assert all(line.startswith("    ") for line in others)


class Written(asyncio.Transport):
    """A transport that keeps what is written to it, and how often."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.pieces.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.pieces


@pytest.mark.parametrize(
    ("writes", "sent"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"body"], [b"HTTP/1.1 200 OK\r\n\r\nbody"]),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"", b"more"], [b"HTTP/1.1 200 OK\r\n\r\n", b"more"]),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], [b"HTTP/1.1 100 Continue\r\n\r\n"]),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 is text"], [b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 is text"]),
    ],
)
def test_head_and_body_are_one_piece(writes: list[bytes], sent: list[bytes]) -> None:
    """A head waits for what comes next and for nothing else; an interim answer does not wait."""
    transport = Written()
    whole = WholeAnswers(transport)
    for data in writes:
        whole.write(data)
    assert transport.pieces == sent
    assert not whole.is_closing()


@pytest.mark.parametrize("end", ["flush", "close"])
def test_a_head_without_a_body_is_sent(end: str) -> None:
    """At the end of the answer and of the connection, once."""
    transport = Written()
    whole = WholeAnswers(transport)
    whole.write(b"HTTP/1.1 200 OK\r\n\r\n")
    getattr(whole, end)()
    whole.flush()
    assert transport.pieces == [b"HTTP/1.1 200 OK\r\n\r\n", *([b"closed"] if end == "close" else [])]


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST"])
@pytest.mark.parametrize("status", [200, 204, 304, 500])
def test_every_answer_leaves_on_a_connection_that_stays(method: str, status: int) -> None:
    """Two requests on one connection get their two answers, with a body or without."""
    raw = f"{method} /x HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    last = raw.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")

    async def whole() -> bytes:
        async with served(Echo(Response.raw(status, (), b"some"))) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            writer.write(last)
            rest = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return first + rest

    answers = asyncio.run(whole())
    assert answers.count(f"HTTP/1.1 {status}".encode()) == 2
    assert answers.count(b"some") == (0 if method == "HEAD" or status in (204, 304) else 2)

"""The edge of a node: a trailer is no header, errors are JSON, answers leave in one piece, clients write no log records."""

from __future__ import annotations

import asyncio
import json
import logging
import re

import pytest

from brownout.harness.base.ports import port_of, reserve
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.surface import Served
from brownout.identity.server import http_protocol
from brownout.identity.server.answering import PAYLOAD_LIMIT_BYTES, Answering, Received
from brownout.identity.server.http_protocol import SpawnedTasks
from brownout.identity.server.http_server import HttpServer
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


class Steps:
    """A node that waits as often as the path says, says where it was, and keeps what became of each request."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def handle(self, request: Request) -> Response:
        try:
            for _ in range(int(request.path[1:])):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append(request.path)
        return Response(200, {"path": request.path, "in_task": asyncio.current_task() is not None})


def asked(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: x", *lines, "", ""]).encode()


async def exchanged(port: int, sent: bytes) -> bytes:
    """All that comes back on one connection until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def one_answer(reader: asyncio.StreamReader) -> bytes:
    """The next answer of a connection, to its last byte."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    (size,) = re.findall(rb"content-length: (\d+)", head.lower())
    return head + await asyncio.wait_for(reader.readexactly(int(size)), 5)


@pytest.mark.parametrize("waits", [(0, 0, 0), (3, 0, 1), (0, 2, 0), (1, 1, 1)])
def test_requests_of_one_connection_are_answered_in_their_order(waits: tuple[int, ...]) -> None:
    """Whether a request waits for something or not, its answer comes after those before it, and only then the end."""
    sent = b"".join(asked(f"/{wait}") for wait in waits[:-1]) + asked(f"/{waits[-1]}", "connection: close")

    async def whole() -> bytes:
        async with served(Steps()) as port:
            return await exchanged(port, sent)

    answers = asyncio.run(whole()).split(b"HTTP/1.1 200 OK")[1:]
    told = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert [each["path"] for each in told] == [f"/{wait}" for wait in waits]
    assert [b"connection: close" in answer for answer in answers] == [False, False, True]


def test_an_answer_that_waits_for_nothing_needs_no_task() -> None:
    """Only a request that waits for something gets a task, and goes on in it."""

    async def whole() -> list[bool]:
        async with served(Steps()) as port:
            answers = [await exchanged(port, asked(path, "connection: close")) for path in ("/0", "/1", "/5")]
            return [json.loads(answer.partition(b"\r\n\r\n")[2])["in_task"] for answer in answers]

    assert asyncio.run(whole()) == [False, True, True]


class Patient:
    """What answers within a time of its own, as no node does."""

    async def handle(self, request: Request) -> Response:
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
            return Response(200, {"path": request.path})


def test_what_is_no_node_has_a_task_from_the_start() -> None:
    """A handler may use what needs a current task, unless its server was told that it waits for ports alone."""

    async def whole(*, at_once: bool) -> int:
        async with served(Patient(), at_once=at_once) as port:
            answer = await exchanged(port, asked("/a") + asked("/b", "connection: close"))
            return answer.count(b"HTTP/1.1 200 OK")

    assert asyncio.run(whole(at_once=False)) == 2
    assert asyncio.run(whole(at_once=True)) == 0


def test_a_server_that_closes_ends_what_it_waits_for() -> None:
    """A request that does not end in time is cancelled, where it waits, and its connection ends."""
    node = Steps()

    async def whole() -> bytes:
        (listener,) = reserve(1)
        server = HttpServer(node, at_once=True)
        await server.open(listener)
        port = port_of(listener)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked("/1000000000"))
        while not server.tasks:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0)
        await server.close(patience_s=0.01)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)
        try:
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    assert asyncio.run(whole()) == b""
    assert node.ended == ["cancelled"]


def test_a_client_is_told_to_send_its_payload() -> None:
    """`Expect: 100-continue` gets its word before the payload comes, and one answer after it."""
    head = b"PUT /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"

    async def whole() -> tuple[bytes, bytes]:
        async with served(Echo()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            word = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            writer.write(b"{}")
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return word, answer

    word, answer = asyncio.run(whole())
    assert word == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("version", "line", "stays"), [("1.0", "", False), ("1.0", "connection: keep-alive", True), ("1.1", "", True)]
)
def test_a_connection_stays_where_the_client_wants_it(version: str, line: str, stays: bool) -> None:
    """HTTP/1.0 closes unless asked to stay, HTTP/1.1 stays unless asked to close."""
    sent = f"GET /0 HTTP/{version}\r\nhost: x\r\n{line}\r\n".encode() + (b"\r\n" if line else b"")

    async def whole() -> bool:
        async with served(Steps()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await one_answer(reader)
            writer.write(asked("/0"))
            again = await asyncio.wait_for(reader.read(1), 5)
            writer.close()
            return again != b""

    assert asyncio.run(whole()) is stays


def test_an_upgrade_is_answered_as_what_it_asks_for_and_ends() -> None:
    """A client that wants another protocol gets an answer in this one, and nothing that it sends after it is read."""
    sent = asked("/0", "connection: upgrade", "upgrade: websocket") + b"\x81\x05hello"

    async def whole() -> bytes:
        async with served(Steps()) as port:
            return await exchanged(port, sent)

    answer = asyncio.run(whole())
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer


def test_an_idle_connection_is_closed_and_a_used_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that says nothing for as long as one is kept is closed by the server."""
    monkeypatch.setattr(http_protocol, "KEEP_ALIVE_S", 0.2)

    async def whole() -> tuple[bytes, bytes]:
        async with served(Steps()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(asked("/0"))
            first = await one_answer(reader)
            rest = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return first, rest

    first, rest = asyncio.run(whole())
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert rest == b""


def test_what_follows_a_payload_that_is_too_large_is_read_as_ever() -> None:
    """The rest of the payload is dropped, and the next request of the connection is answered."""
    size = PAYLOAD_LIMIT_BYTES + 70_000
    sent = b"PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"y" * size + asked("/0", "connection: close")

    async def whole() -> bytes:
        async with served(Steps()) as port:
            return await exchanged(port, sent)

    answer = asyncio.run(whole())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1 200 OK") == 1


class Unread(asyncio.Transport):
    """The way to a client that reads nothing."""

    def write(self, data: object) -> None: ...

    def close(self) -> None: ...

    def resume_reading(self) -> None: ...


def read_by(server: HttpServer, *packets: bytes) -> None:
    """One connection of the server gets these packets."""
    connection = http_protocol.Connection(server)
    connection.connection_made(Unread())
    for packet in packets:
        connection.data_received(packet)
    connection.connection_lost(None)


async def told_apart(node: Echo, *packets: bytes) -> list[bytes]:
    """The answer to each packet of a connection, in which a request is whole; the next is sent once it is there."""
    async with served(node) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for packet in packets:
            writer.write(packet)
            answers.append(await one_answer(reader))
        writer.close()
        return answers


def test_a_request_that_came_before_is_asked_and_answered_again() -> None:
    """The same bytes are the same request from the second time on, and bytes that differ in one place are another."""
    node = Echo()
    one, other = asked("/0", "a: 1"), asked("/0", "a: 2")
    asyncio.run(told_apart(node, one, one, one, other, one))
    assert [request.headers["a"] for request in node.seen] == ["1", "1", "1", "2", "1"]
    assert node.seen[0] is not node.seen[1]
    assert node.seen[1] is node.seen[2] is node.seen[4]


@pytest.mark.parametrize("cut", [1, 17, 30])
def test_bytes_of_a_known_request_inside_another_are_no_request(cut: int) -> None:
    """A packet that looks like a request that came before is the rest of the one that has begun, if one has."""
    known, node = asked("/0"), Echo()
    begun = b"PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (cut + len(known)) + b"y" * cut

    async def whole() -> None:
        read_by(HttpServer(node, at_once=True), known, known, begun, known, known)

    asyncio.run(whole())
    assert [(request.method, len(request.payload)) for request in node.seen] == [
        ("GET", 0),
        ("GET", 0),
        ("PUT", cut + len(known)),
        ("GET", 0),
    ]


@pytest.mark.parametrize(
    ("data", "is_known"),
    [
        (asked("/0"), True),
        (asked("/0", "connection: close"), False),
        (asked("/0", "expect: 100-continue"), False),
        (asked("/0", "content-length: 2") + b"{}", False),
        (asked("/0", f"a: {'1' * http_protocol.KNOWN_BYTES_MAX}"), False),
        (asked("/0") + asked("/1"), False),
        (asked("/0") + b"GET /1", False),
    ],
)
def test_what_is_more_than_one_short_request_is_not_remembered(data: bytes, is_known: bool) -> None:
    """Only a request that is whole, short and without a payload, and after which its connection goes on, is known later."""

    async def whole() -> bool:
        server = HttpServer(Echo(), at_once=True)
        read_by(server, data)
        assert server.known.get(data) is None, "once is not again and again"
        read_by(server, data)
        return server.known.get(data) is not None

    assert asyncio.run(whole()) is is_known


def test_those_of_too_many_known_requests_that_nobody_sends_any_more_are_forgotten() -> None:
    """However many requests repeat themselves, a fixed number is remembered: the newest, and what is asked all the time."""
    known = http_protocol.KnownRequests()
    received, always = Received(Request.raw("GET", "/"), is_last=False), asked("/always")
    packets = [asked(f"/{number}") for number in range(2 * http_protocol.KNOWN_MAX)]
    for packet in (always, *packets):
        known.note(packet, received)
        known.note(packet, received)
        assert known.get(always) is received
        assert len(known) <= http_protocol.KNOWN_MAX
    assert known.get(packets[-1]) is received
    assert known.get(packets[0]) is None


def test_clients_whose_requests_are_new_each_time_push_out_nobody() -> None:
    """Any number of requests that come once leave those that are known where they are."""
    known = http_protocol.KnownRequests()
    received, always = Received(Request.raw("GET", "/"), is_last=False), asked("/always")
    for packet in (always, always, *(asked(f"/{number}") for number in range(2 * http_protocol.ONCE_MAX))):
        known.note(packet, received)
    assert known.get(always) is received
    assert len(known) == 1


def test_a_client_that_reads_nothing_is_answered_when_it_does() -> None:
    """Answers that nobody reads stop the reading of more requests, and none is lost."""
    many = 400
    node = Echo(Response(200, {"text": "x" * 20_000}))

    async def whole() -> tuple[int, bytes]:
        async with served(node) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(asked("/0") * (many - 1) + asked("/0", "connection: close"))
            seen = -1
            while seen != len(node.seen):
                seen = len(node.seen)
                await asyncio.sleep(0.2)
            answer = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            return seen, answer

    seen, answers = asyncio.run(whole())
    assert seen < many
    assert answers.count(b"HTTP/1.1 200 OK") == many


class Ready:
    """A surface that has an answer ready for `/ready`, and fails to have one for `/raise`."""

    def takes(self, request: Request) -> bool:
        return True

    def at_once(self, request: Request) -> Served | None:
        if request.path == "/raise":
            raise RuntimeError("the surface is broken")
        return Served(Response(200, {"ready": request.query.get("n", "")})) if request.path == "/ready" else None

    async def serve(self, request: Request) -> Served:
        raise AssertionError("the node is asked, and not its surface")


def test_answers_that_are_ready_keep_their_place_among_those_that_are_not() -> None:
    """Requests of one connection are answered in their order, whichever of them waits, and the last ends the connection."""
    sent = asked("/ready?n=1") + asked("/x") + asked("/ready?n=2") + asked("/raise") + asked("/ready?n=3", "connection: close")

    async def whole() -> bytes:
        async with served(Names(), (Ready(),)) as port:
            return await exchanged(port, sent)

    answer = asyncio.run(whole())
    places = [answer.index(text) for text in (b'"ready":"1"', b'["host"]', b'"ready":"2"', b'"ready":"3"')]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.count(b"HTTP/1.1 500 ") == 1
    assert answer.count(b"connection: close") == 1


def test_a_ready_answer_is_encoded_for_each_way_it_is_asked_for() -> None:
    """One answer that is given again and again has its head alone for HEAD, and the date of its second."""
    surface, response = Ready(), Response(200, {"a": "b"})
    surface.at_once = lambda request: Served(response)  # type: ignore[method-assign]  # this surface alone
    answering = Answering(Names(), (surface,))
    get, head = (Received(Request.raw(method, "/"), is_last=False) for method in ("GET", "HEAD"))
    for _ in range(2):
        assert (answering.at_once(get, b"date: 1\r\n") or b"").endswith(b'{"a":"b"}')
        assert (answering.at_once(head, b"date: 1\r\n") or b"").endswith(b"\r\n\r\n")
        assert b"date: 2" in (answering.at_once(get, b"date: 2\r\n") or b"")
        last = answering.at_once(Received(get.request, is_last=True), b"")
        assert b"connection: close" in (last or b"")


def test_what_work_raises_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With the words for this kind of work; nothing that failed is still counted."""
    tasks = SpawnedTasks("a parcel was not delivered")

    async def fail() -> None:
        raise RuntimeError("no street")

    async def story() -> None:
        tasks.spawn(fail())
        assert len(tasks) == 1
        await tasks.wait(1.0)
        await asyncio.sleep(0)  # what is done calls back in the loop's next round

    with caplog.at_level(logging.ERROR, logger="brownout.identity.server"):
        asyncio.run(story())
    assert len(tasks) == 0
    assert "a parcel was not delivered" in caplog.text
    assert "no street" in caplog.text


def test_a_wait_ends_with_its_patience_and_what_is_cancelled_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """Work that hangs is left, then cancelled."""
    tasks = SpawnedTasks("a parcel was not delivered")

    async def hang() -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        tasks.spawn(hang())
        await tasks.wait(0.01)
        assert len(tasks) == 1
        tasks.cancel()
        await tasks.wait(1.0)
        await asyncio.sleep(0)

    asyncio.run(story())
    assert len(tasks) == 0
    assert caplog.text == ""

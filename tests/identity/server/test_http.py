"""HTTP at both ends of a node: what the application makes of requests, and what the ports make of broken connections."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from brownout.harness.base.ports import port_of, reserve
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.annex import Annexes
from brownout.identity.core.holds import HoldSet
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.ports import CHANCE_BYTES, Ports
from brownout.identity.core.surface import Served
from brownout.identity.server import serve
from brownout.identity.server.answering import PAYLOAD_LIMIT_BYTES
from brownout.identity.server.clock import Clock
from brownout.identity.server.ports import random_ids
from brownout.identity.server.spec_file import READY, ServedStack
from support.http_nodes import Echo, ports_to, served

Exchange = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def stub(exchange: Exchange) -> AsyncIterator[int]:
    """A server that treats each connection as told."""

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await exchange(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(treat, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """One raw request on a connection of its own: status, headers, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), 3)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


def message(line: str, content: bytes = b"", *headers: str) -> bytes:
    head = [f"{line} HTTP/1.1", "host: x", "connection: close", f"content-length: {len(content)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + content


async def one(node: Echo, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    async with served(node) as port:
        return await ask(port, raw)


def test_query_headers_and_json_arrive_as_values() -> None:
    """Names of headers come in lower case, the query decoded with empty values kept, the body as an object."""
    node = Echo()
    asyncio.run(one(node, message("POST /a%20b?x=1%262&empty=", b'{"k": [1]}', "X-Thing: A", "X-Thing: B")))
    request = node.seen[0]
    assert (request.method, request.path, request.query) == ("POST", "/a b", {"x": "1&2", "empty": ""})
    assert request.headers["x-thing"] == "A, B"
    assert request.body == {"k": [1]}


def test_a_form_arrives_as_an_object_too() -> None:
    """A form post becomes a mapping of its fields."""
    node = Echo()
    form = "content-type: application/x-www-form-urlencoded; charset=utf-8"
    asyncio.run(one(node, message("POST /", b"grant_type=client_credentials&scope=a%2Fb", form)))
    assert node.seen[0].body == {"grant_type": "client_credentials", "scope": "a/b"}


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"{not json", 400, "not valid JSON"),
        (b"[1, 2]", 400, "must be a JSON object, not list"),
        (b"x" * (PAYLOAD_LIMIT_BYTES + 1), 413, "larger than"),
    ],
)
def test_a_bad_body_is_refused(content: bytes, status: int, words: str) -> None:
    """Where a node wants a JSON object, anything else, and whatever is too large, is answered with a clear error."""
    got, headers, body = asyncio.run(one(Echo(), message("PUT /x", content)))
    assert got == status
    assert words in json.loads(body)["error"]["message"]
    assert headers["content-type"] == "application/json; charset=utf-8"


class Sized:
    """A surface that takes what is below /own and has words of its own for what is too large."""

    def takes(self, request: Request) -> bool:
        return request.path.startswith("/own")

    def too_large(self, request: Request, text: str) -> Response:
        assert request.payload == b""
        return Response.raw(413, ((b"content-type", b"text/xml"),), f"<Error>{text}</Error>".encode())

    async def serve(self, request: Request) -> Served:
        raise AssertionError("it is not served")


@pytest.mark.parametrize(("path", "media_type"), [("/own/x", "text/xml"), ("/x", "application/json; charset=utf-8")])
def test_what_is_too_large_is_refused_in_the_surfaces_words(path: str, media_type: str) -> None:
    """The surface whose request it is has the word, and nobody reads the payload."""

    async def large() -> tuple[int, dict[str, str], bytes]:
        async with served(Echo(), (Sized(),)) as port:
            return await ask(port, message(f"PUT {path}", b"x" * (PAYLOAD_LIMIT_BYTES + 1)))

    status, headers, body = asyncio.run(large())
    assert (status, headers["content-type"]) == (413, media_type)
    assert f"The body is larger than {PAYLOAD_LIMIT_BYTES} bytes.".encode() in body


class Large(Sized):
    """A surface that takes more than is usual."""

    payload_limit_bytes = 2 * PAYLOAD_LIMIT_BYTES


@pytest.mark.parametrize(
    ("path", "size", "is_read"),
    [
        ("/own/x", PAYLOAD_LIMIT_BYTES + 1, True),
        ("/own/x", 2 * PAYLOAD_LIMIT_BYTES + 1, False),
        ("/x", PAYLOAD_LIMIT_BYTES + 1, False),
        ("/_brownout/aws/account", 5 * PAYLOAD_LIMIT_BYTES, True),
    ],
)
def test_a_payload_may_be_as_large_as_its_reader_says(path: str, size: int, is_read: bool) -> None:
    """A surface says for its own requests; what other nodes send may be as long as all that they know."""

    async def large() -> tuple[int, int]:
        node = Echo()
        async with served(node, (Large(),)) as port:
            status, _, _ = await ask(port, message(f"PUT {path}", b"x" * size))
        return status, sum(len(request.payload) for request in node.seen)

    status, read = asyncio.run(large())
    assert (status != 413, read) == (is_read, size if is_read else 0)


def test_an_error_never_leaves_without_a_body() -> None:
    """An error that the node gives no body gets one in Azure's envelope, with JSON's content type."""
    status, headers, body = asyncio.run(one(Echo(Response(404)), message("GET /")))
    assert (status, json.loads(body)["error"]["code"]) == (404, "NotFound")
    assert headers["content-type"] == "application/json; charset=utf-8"


def test_what_a_node_raises_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    """A defect of a node is a 500 with a body for the client and a traceback for us."""
    status, _, body = asyncio.run(one(Echo(), message("GET /raise")))
    assert (status, json.loads(body)["error"]["code"]) == (500, "InternalServerError")
    assert "the node is broken" in caplog.text


def test_what_cannot_be_put_on_the_wire_is_a_500_too(caplog: pytest.LogCaptureFixture) -> None:
    """A body that JSON cannot express is a defect of the node like any other."""
    status, _, body = asyncio.run(one(Echo(Response(200, {"a": object()})), message("GET /")))
    assert (status, json.loads(body)["error"]["code"]) == (500, "InternalServerError")
    assert "was not handled" in caplog.text


def test_head_has_the_headers_and_no_body() -> None:
    """HEAD is answered like GET without content."""
    status, headers, body = asyncio.run(one(Echo(Response(200, {"a": 1})), message("HEAD /")))
    assert (status, body) == (200, b"")
    assert headers["content-length"] == "7"


def test_a_204_has_neither_body_nor_length() -> None:
    """An answer without content says so by its status alone."""
    status, headers, body = asyncio.run(one(Echo(Response(204)), message("DELETE /")))
    assert (status, body) == (204, b"")
    assert "content-length" not in headers


def test_a_call_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """Path, query, headers and body of a call between nodes are the same at the other end, and connections are kept."""
    node = Echo(Response(201, {"made": True}, {"x-brownout-trail": "n;b;k"}))
    sent = Request("PUT", "/identities/a b/c", {"id": "/x?y&z"}, {"authorization": "Bearer t"}, {"n": 1.5})

    async def twice() -> Response:
        async with served(node) as port, ports_to(tmp_path, port) as ports:
            await ports.call("sydney.store", sent, timeout_s=2)
            return await ports.call("sydney.store", sent, timeout_s=2)

    answer = asyncio.run(twice())
    seen = node.seen[1]
    assert (seen.method, seen.path, seen.query, seen.body) == (sent.method, sent.path, sent.query, sent.body)
    assert seen.headers["authorization"] == "Bearer t"
    assert (answer.status, answer.body, answer.headers["x-brownout-trail"]) == (201, {"made": True}, "n;b;k")


def test_a_trailer_of_an_answer_is_no_header(tmp_path: Path) -> None:
    """What another end says behind a chunked body does not become a header of its answer."""

    async def chunked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: 1\r\n\r\n2\r\n{}\r\n0\r\nx-brownout-trail: forged\r\n\r\n"
        )

    async def call() -> Response:
        async with stub(chunked) as port, ports_to(tmp_path, port) as ports:
            return await ports.call("sydney.store", Request("GET", "/x"), timeout_s=2)

    assert {name for name, _ in asyncio.run(call()).raw_headers} == {b"transfer-encoding", b"x-a"}


async def _dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def _cut_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK[:-1])


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"this is not HTTP\r\n\r\n")


async def _html(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>")


@pytest.mark.parametrize(
    ("exchange", "failure"),
    [(_dropped, "reset"), (_cut_short, "reset"), (_silent, "timeout"), (_nonsense, "reset"), (_html, "reset")],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_broken_call_fails_as_what_it_was(tmp_path: Path, exchange: Exchange, failure: str, method: str) -> None:
    """A connection that ends or babbles is `reset`, one that stays silent is `timeout`."""

    async def call() -> None:
        async with stub(exchange) as port, ports_to(tmp_path, port) as ports:
            await ports.call("sydney.store", Request(method, "/"), timeout_s=0.3)

    with pytest.raises(CallFailed) as raised:
        asyncio.run(call())
    assert raised.value.failure == failure


def test_a_closed_port_is_refused(tmp_path: Path) -> None:
    """A call to a port without a listener is `refused`: nothing can have happened."""
    (listener,) = reserve(1)

    async def call() -> None:
        async with ports_to(tmp_path, port_of(listener)) as ports:
            await ports.call("sydney.store", Request("GET", "/"), timeout_s=1)

    with listener, pytest.raises(CallFailed) as raised:
        asyncio.run(call())
    assert raised.value.failure == "refused"


def test_a_node_without_files_left_says_so_in_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """To the caller it is refused, as nothing was sent; whose fault that is, only the log can tell."""

    async def call() -> None:
        async with ports_to(tmp_path, 1) as ports:
            full = OSError(errno.EMFILE, "x")
            monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", AsyncMock(side_effect=full), raising=False)
            await ports.call("sydney.store", Request("GET", "/"), timeout_s=1)

    with pytest.raises(CallFailed, match="refused"):
        asyncio.run(call())
    assert "Too many open files" in caplog.text


@pytest.mark.parametrize(("method", "requests", "failure"), [("GET", 3, ""), ("POST", 2, "reset"), ("PUT", 2, "reset")])
def test_only_a_get_is_sent_again_on_a_connection_found_dead(tmp_path: Path, method: str, requests: int, failure: str) -> None:
    """A server that drops a kept connection on its second request sees a GET again, and nothing else twice."""
    seen: list[int] = []

    async def second_request_dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in (1, 2):
            await reader.readuntil(b"\r\n\r\n")
            seen.append(number)
            if number == 1:
                writer.write(OK)

    async def calls() -> str:
        async with stub(second_request_dropped) as port, ports_to(tmp_path, port) as ports:
            await ports.call("sydney.store", Request("GET", "/"), timeout_s=1)
            try:
                await ports.call("sydney.store", Request(method, "/"), timeout_s=1)
            except CallFailed as failed:
                return failed.failure
            return ""

    assert asyncio.run(calls()) == failure
    assert len(seen) == requests


def test_a_call_that_timed_out_does_not_answer_the_next(tmp_path: Path) -> None:
    """The late answer to a call that was given up is never taken for the answer to a later call."""
    first = True

    async def slow_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        while await reader.readuntil(b"\r\n\r\n"):
            late, first = first, False
            await asyncio.sleep(0.3 if late else 0)
            content = b'{"late": true}' if late else b'{"late": false}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))

    async def calls() -> Any:
        async with stub(slow_once) as port, ports_to(tmp_path, port) as ports:
            with pytest.raises(CallFailed):
                await ports.call("sydney.store", Request("POST", "/"), timeout_s=0.1)
            await asyncio.sleep(0.4)
            return (await ports.call("sydney.store", Request("POST", "/"), timeout_s=1)).body

    assert asyncio.run(calls()) == {"late": False}


def test_a_line_break_in_a_header_is_no_second_header(tmp_path: Path) -> None:
    """A value with a line break is refused before anything is sent."""
    node = Echo()

    async def call() -> None:
        async with served(node) as port, ports_to(tmp_path, port) as ports:
            await ports.call("sydney.store", Request("GET", "/", headers={"a": "b\r\nc: d"}), timeout_s=1)

    with pytest.raises(ValueError, match="line break"):
        asyncio.run(call())
    assert node.seen == []


def test_a_new_id_is_a_random_uuid() -> None:
    """Ids have the form and the version that real services' have, all bits but those are random, and none comes twice."""
    found = [uuid.UUID(text) for text in random_ids(200)]
    assert {(each.version, each.variant) for each in found} == {(4, uuid.RFC_4122)}
    assert len(set(found)) == len(found)
    seen = 0
    for one, other in pairwise(found):
        seen |= one.int ^ other.int
    assert seen.bit_count() == 128 - 6


def test_a_nodes_chance_is_random_and_never_given_twice(tmp_path: Path) -> None:
    """More of it than is made at a time: all of its bits differ, and no part of one is in another."""

    async def taken() -> list[bytes]:
        async with ports_to(tmp_path, 1) as ports:
            return [ports.chance() for _ in range(200)]

    found = asyncio.run(taken())
    assert {len(each) for each in found} == {CHANCE_BYTES}
    assert len({each[at : at + 8] for each in found for at in range(0, CHANCE_BYTES, 8)}) == 200 * CHANCE_BYTES // 8
    seen = 0
    for one, other in pairwise(found):
        seen |= int.from_bytes(one) ^ int.from_bytes(other)
    assert seen.bit_count() == 8 * CHANCE_BYTES


def test_emulated_time_passes_at_the_clocks_rate(tmp_path: Path) -> None:
    """At rate 200 a sleep of ten emulated seconds takes 50 ms and the clock shows ten seconds more."""

    async def sleep() -> tuple[float, float]:
        async with ports_to(tmp_path, 1, rate=200.0) as ports:
            started_s, real_s = ports.now(), time.perf_counter()
            await ports.sleep(10.0)
            return ports.now() - started_s, time.perf_counter() - real_s

    emulated_s, real_s = asyncio.run(sleep())
    assert 0.05 <= real_s < 0.5
    assert emulated_s == pytest.approx(real_s * 200, rel=0.05)


class Tiring(Echo):
    """A node whose background work ends, which it never should."""

    annexes = Annexes(HoldSet(cast(Ports, None)))
    surfaces = ()

    async def start(self) -> None:
        return

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (asyncio.sleep(0.05),)


def test_the_machines_time_is_told_from_the_nodes(tmp_path: Path) -> None:
    """What a node means by a time of its own, wrong clock or not, as the machine's clock will show it."""

    async def story() -> list[float]:
        async with ports_to(tmp_path, 1, rate=200.0) as ports:
            told = [ports.machine_time(ports.now()) - time.time(), ports.machine_time(ports.now() + 400) - time.time()]
            ports.skew_s = 9000.0
            return [*told, ports.machine_time(ports.now() - 400) - time.time()]

    assert asyncio.run(story()) == pytest.approx([0.0, 2.0, -2.0], abs=0.05)


def test_a_node_whose_background_work_ends_dies_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that only half works is no node: its process ends and says which work ended."""
    monkeypatch.setattr(serve, "build_node", lambda spec, ports: Tiring())
    served = ServedStack(build_stack(seed=1), Clock.starting_now(0.0, 1.0))
    (listener,) = reserve(1)
    ours, theirs = socket.socketpair()
    with ours, theirs, listener:
        ours.sendall(b"g")
        with pytest.raises(serve.BackgroundEndedError, match=r"sydney\.host: .*sleep"):
            serve.run_node(served, "sydney.host", iter((tmp_path,)), lambda: (listener, {}), theirs)
        assert ours.recv(1) == READY

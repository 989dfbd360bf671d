"""What the forwarder makes of requests: each gets the machine's address in front of its path, and nothing else changes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from brownout.harness.operate.on_machine.forwarder import BadRequestError, Forward, Forwarder, below, body_of

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("line", "led"),
    [
        (b"GET /metadata/instance?a=/b HTTP/1.1", b"GET /web-1/metadata/instance?a=/b HTTP/1.1"),
        (b"\r\nPUT / HTTP/1.1", b"PUT /web-1/ HTTP/1.1"),
        (b"GET http://169.254.169.254/latest HTTP/1.1", b"GET /web-1/latest HTTP/1.1"),
    ],
)
def test_the_machines_address_goes_in_front_of_the_path(line: bytes, led: bytes) -> None:
    """Headers stay as they are."""
    assert below(line + b"\r\nHost: x\r\n\r\n", "/web-1") == led + b"\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("line", [b"\x16\x03\x01", b"GET", b"GET x HTTP/1.1", b"OPTIONS * HTTP/1.1", b"G@T / HTTP/1.1"])
def test_what_is_no_request_for_a_path_is_refused(line: bytes) -> None:
    """Nothing of it gets into the stack."""
    with pytest.raises(BadRequestError):
        below(line + b"\r\n\r\n", "/web-1")


def test_a_head_says_how_long_its_body_is() -> None:
    """By its length, by chunks, or there is none."""
    assert body_of(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == (0, False)
    assert body_of(b"POST / HTTP/1.1\r\ncontent-LENGTH:  12 \r\n\r\n") == (12, False)
    assert body_of(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n") == (0, True)
    with pytest.raises(BadRequestError):
        body_of(b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n")


async def exchange(sent: bytes, serve: Serve, prefix: str = "", connect: str = "") -> bytes:
    """All that a client gets that sends this through a forwarder before a server, and then half-closes."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener = socket.create_server(("127.0.0.1", 0))
    at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    forwarder = Forwarder([Forward(("", 0), at, prefix, connect)], [listener])
    await forwarder.open()
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(sent)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        forwarder.close()
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with all that it got, once the client has sent everything."""
    writer.write(await reader.read())
    writer.close()


def test_every_request_of_a_connection_is_led_to_the_machine() -> None:
    """Also behind bodies that look like requests, by length and in chunks."""
    bait = b"GET /bait HTTP/1.1\r\n\r\n"
    first = b"POST /one HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(bait), bait)
    chunks = b"%x\r\n%b\r\n0\r\ntrailer: x\r\n\r\n" % (len(bait), bait)
    second = b"POST /two HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + chunks
    third = b"GET /three HTTP/1.1\r\n\r\n"
    got = asyncio.run(exchange(first + second + third, echo, prefix="/m"))
    wanted = first + second + third
    for path in (b"/one", b"/two", b"/three"):
        wanted = wanted.replace(path, b"/m" + path)
    assert got == wanted


def test_a_malformed_request_is_answered_and_goes_nowhere() -> None:
    """With 400; the server sees the end of the connection."""
    assert asyncio.run(exchange(b"nonsense\r\n\r\n", echo, prefix="/m")).startswith(b"HTTP/1.1 400 ")


def test_without_a_prefix_bytes_go_through_as_they_are() -> None:
    """TLS for one."""
    assert asyncio.run(exchange(b"\x16\x03\x01 /x\r\n\r\n", echo)) == b"\x16\x03\x01 /x\r\n\r\n"


@pytest.mark.parametrize(("status", "got"), [(b"200 Connection established", b"after"), (b"502 Bad Gateway", b"")])
def test_a_name_is_asked_of_the_proxy(status: bytes, got: bytes) -> None:
    """What follows its consent is the server's; without it the connection ends."""
    asked = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n" + got)
        writer.close()

    try:
        found = asyncio.run(exchange(b"hello", proxy, connect="login.microsoftonline.com"))
    except ConnectionResetError:
        found = b""
    assert found == got
    assert asked[0].startswith(b"CONNECT login.microsoftonline.com:443 HTTP/1.1\r\n")


def test_where_nobody_listens_the_connection_is_reset() -> None:
    """As the machine's own address does when its service is gone."""

    async def story() -> bytes:
        listener = socket.create_server(("127.0.0.1", 0))
        forwarder = Forwarder([Forward(("", 0), "127.0.0.1:1", prefix="/m")], [listener])
        await forwarder.open()
        reader, _ = await asyncio.open_connection(*listener.getsockname())
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            forwarder.close()

    with pytest.raises(ConnectionResetError):
        asyncio.run(story())

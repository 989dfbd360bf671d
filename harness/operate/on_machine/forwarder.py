"""What serves a machine's own addresses: it leads each connection into the stack, over the links that all clients use.

Requests of plain HTTP get the machine's address in front of their path, each of those on a connection; nothing else of them is
changed, and answers go back as they come. What speaks TLS is led on unread: to a door of the edge, or by a name through the
stack's proxy, as a client on that machine would come.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

HEAD_BYTES_MAX = 65_536
CHUNK_BYTES = 65_536
_NO_LINGER = struct.pack("ii", 1, 0)  # lingers for 0 s: what is closed so ends with RST
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Forward:
    """What is found at an address inside: `target` (`host:port`) outside.

    `prefix` goes in front of the path of every request of plain HTTP; `connect` is a name to ask a proxy at `target` for. With
    neither, bytes go through as they are.
    """

    address: tuple[str, int]
    target: str
    prefix: str = ""
    connect: str = ""


class BadRequestError(Exception):
    """What a client sent is no request of HTTP/1.1."""


class Forwarder:
    """Serves bound listeners, one for each forward, until it is closed."""

    def __init__(self, forwards: Sequence[Forward], listeners: Sequence[socket.socket]) -> None:
        assert len(forwards) == len(listeners), "each forward has its listener"
        self._forwards = list(zip(forwards, listeners, strict=True))
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        for forward, listener in self._forwards:
            self._servers.append(await asyncio.start_server(_Serve(forward), sock=listener, limit=HEAD_BYTES_MAX))

    def close(self) -> None:
        for server in self._servers:
            server.close()


class _Serve:
    """Leads one client's connection on."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._forward.target.rpartition(":")
        try:
            inner_reader, inner = await asyncio.open_connection(host, int(port), limit=HEAD_BYTES_MAX)
        except OSError:
            _reset(writer)
            return
        both: list[asyncio.Task[None]] = []
        try:
            if self._forward.connect:
                await self._ask_proxy(inner_reader, inner)
            there = _carry_requests(reader, inner, self._forward.prefix) if self._forward.prefix else _carry(reader, inner)
            both = [asyncio.ensure_future(there), asyncio.ensure_future(_carry(inner_reader, writer))]
            await asyncio.gather(*both)
        except BadRequestError:
            writer.write(_BAD_REQUEST)
        except (OSError, asyncio.IncompleteReadError):
            _reset(writer)
        except asyncio.CancelledError:
            return  # the command has ended, and with it the client that waited for this
        finally:
            for task in both:
                task.cancel()
            for each in (writer, inner):
                each.close()

    async def _ask_proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises ConnectionError when the name leads nowhere."""
        writer.write(f"CONNECT {self._forward.connect}:443 HTTP/1.1\r\nhost: {self._forward.connect}:443\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head.partition(b"\r\n")[0].decode("latin-1"))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All bytes of one direction, then its end."""
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _carry_requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prefix: str) -> None:
    """Every request of a connection, each below `prefix`, then the end; raises BadRequestError."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as ended:
            if ended.partial.strip():
                raise BadRequestError from ended
            break
        except asyncio.LimitOverrunError as long:
            raise BadRequestError from long
        writer.write(below(head, prefix))
        length, chunked = body_of(head)
        if chunked:
            await _carry_chunks(reader, writer)
        else:
            await _carry_exactly(reader, writer, length)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def below(head: bytes, prefix: str) -> bytes:
    """A request's head with `prefix` in front of its path; raises BadRequestError."""
    method, space, rest = head.lstrip(b"\r\n").partition(b" ")
    if not space or not method.isalpha():
        raise BadRequestError
    if rest.startswith(b"/"):
        return b"%b %b%b" % (method, prefix.encode(), rest)
    scheme, slashes, authority = rest.partition(b"://")  # a client that takes the machine for a proxy
    host, slash, path = authority.partition(b"/")
    if not slashes or b" " in scheme + host or not slash:
        raise BadRequestError
    return b"%b %b/%b" % (method, prefix.encode(), path)


def body_of(head: bytes) -> tuple[int, bool]:
    """The length of the body that follows a head, or 0 and True for one in chunks; raises BadRequestError."""
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        match name.strip().lower():
            case b"transfer-encoding":
                return 0, value.strip().lower().endswith(b"chunked")
            case b"content-length":
                if not value.strip().isdigit():
                    raise BadRequestError
                length = int(value)
    return length, False


async def _carry_exactly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int) -> None:
    while length:
        data = await reader.read(min(length, CHUNK_BYTES))
        if not data:
            raise BadRequestError
        writer.write(data)
        await writer.drain()
        length -= len(data)


async def _carry_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Chunks as they are, up to the blank line after the last."""
    while True:
        line = await reader.readuntil(b"\r\n")
        writer.write(line)
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError as wrong:
            raise BadRequestError from wrong
        if size:
            await _carry_exactly(reader, writer, size + 2)
            continue
        while line != b"\r\n":  # trailers
            line = await reader.readuntil(b"\r\n")
            writer.write(line)
        return


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST: the far end did not listen, or the way broke."""
    handle = writer.get_extra_info("socket")
    if handle is not None:
        with contextlib.suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()

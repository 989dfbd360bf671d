"""A small HTTP/1.1 client for calls between nodes, and of the harness to nodes: one request at a time on a connection.

Why not a library: importing a full asynchronous library doubled the time until a stack is ready (0.35 s of 0.7 s of imports).
And libraries do not say whether a connection was established, which callers need to know. The parser, which is the hard part,
is a library.

Responses are read to their stated length or chunked. A response that ends with its connection counts as broken off.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections import defaultdict
from typing import cast

import httptools

from brownout.identity import wire
from brownout.identity.core.messages import Request, Response
from brownout.identity.server.spec_file import split_address

_LOG = logging.getLogger(__name__)
_OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.ENOMEM})
KEEP_IDLE_S = 30.0  # shorter than the servers' own, so that a connection is rarely closed under a request


class NotConnectedError(Exception):
    """No connection was established, so the other end cannot have seen the request."""


class BrokenOffError(Exception):
    """The connection ended before a whole answer; what the other end has done is unknown. `silent`: no byte was received."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__("the connection ended before a whole answer")
        self.silent = silent


class HttpClient:
    """Requests to `host:port` addresses. Bounded by its caller: cancelling a request closes its connection.

    One that is not `persistent` makes a connection for each request.
    """

    def __init__(self, *, persistent: bool = True) -> None:
        self._persistent = persistent
        self._idle: defaultdict[str, list[_Connection]] = defaultdict(list)

    async def send(self, address: str, request: Request) -> Response:
        """Sends one request; raises NotConnectedError, BrokenOffError, and ValueError for a request that cannot be encoded.

        A persistent connection may turn out dead only when it is used. A GET, which changes nothing, is then sent once more on
        a new connection. Any other method is left to the caller: a second request could act twice, and if it were refused,
        that would hide that the first may have acted.
        """
        message = wire.encode_request(request, address)
        kept = self._take_idle(address)
        if kept is not None:
            try:
                return await self._exchange(address, kept, message)
            except BrokenOffError as ended:
                if request.method != "GET" or not ended.silent:
                    raise
        return await self._exchange(address, await _connect(address), message)

    def close(self) -> None:
        """Closes the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def _take_idle(self, address: str) -> _Connection | None:
        connections = self._idle[address]
        while connections:
            connection = connections.pop()  # the one used last, which the other end is least likely to have closed
            if connection.usable():
                return connection
            connection.abort()
        return None

    async def _exchange(self, address: str, connection: _Connection, message: bytes) -> Response:
        try:
            answer = await connection.exchange(message)
        except BaseException:
            connection.abort()
            raise
        if self._persistent and connection.usable():
            self._idle[address].append(connection)
        else:
            connection.abort()
        return answer


class _Connection(asyncio.Protocol):
    """One connection and the parser of its answers (whose callbacks are the methods named `on_...`)."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._lines: list[tuple[bytes, bytes]] = []
        self._payload = b""
        self._keep = True
        self._in_trailer = False
        self._silent = True
        self._wants_head = False
        self._used_at_s = 0.0

    async def exchange(self, message: bytes) -> Response:
        """Sends one request and returns its answer; raises BrokenOffError."""
        if self._transport is None or self._transport.is_closing():
            raise BrokenOffError(silent=True)
        self._waiter = asyncio.get_running_loop().create_future()
        self._lines, self._payload, self._silent = [], b"", True
        self._wants_head = message.startswith(b"HEAD ")
        self._transport.write(message)
        return await self._waiter

    def usable(self) -> bool:
        """True when another request may go out on it."""
        open_still = self._transport is not None and not self._transport.is_closing()
        return open_still and self._keep and time.monotonic() - self._used_at_s < KEEP_IDLE_S

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # a TCP connection's; uvloop's derives from nothing

    def connection_lost(self, problem: Exception | None) -> None:
        self._transport = None
        self._break_off()

    def data_received(self, data: bytes) -> None:
        self._silent = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
            self._break_off()

    def on_message_begin(self) -> None:
        self._in_trailer = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_trailer:  # the parser has one callback for both, and a trailer is no header (RFC 9110 section 6.5)
            self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_trailer = True
        if self._wants_head:  # the parser would wait for the payload that the headers tell of
            self._answered(keep=False)

    def on_body(self, body: bytes) -> None:
        self._payload += body

    def on_message_complete(self) -> None:
        self._answered(keep=self._parser.should_keep_alive())

    def _answered(self, *, keep: bool) -> None:
        self._keep = keep
        self._used_at_s = time.monotonic()
        if self._waiter is None or self._waiter.done():
            self._keep = False  # an answer without a request
        else:
            self._waiter.set_result(wire.response_from(self._parser.get_status_code(), self._lines, self._payload))

    def _break_off(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(BrokenOffError(silent=self._silent))


async def _connect(address: str) -> _Connection:
    try:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, *split_address(address))
    except OSError as refused:
        if refused.errno in _OWN_LIMITS:  # to the caller it looks as if the other node refused: the log says whose fault it is
            _LOG.error("no connection to %s can be opened: %s", address, os.strerror(refused.errno))
        raise NotConnectedError(address) from refused
    return connection

"""One connection of a client to a node: HTTP/1.1 over httptools, the requests of a connection answered in their order.

The parser, which is the hard part, is a library. What is around it is here and not a server library's, because a node spends
most of a cached answer's time in there: uvicorn's part of such a request cost more than twice what the node itself does.
Five things make the difference:

- *A request is whole before it is answered.* Payloads are small, so there is no stream to read from and no event to wait on.
- *A request that came before is known.* A machine asks for its token in the same bytes again and again: what was read of them
  before is what they say (`KnownRequests`). Nothing of the answer is remembered here.
- *An answer that is ready needs no coroutine.* A surface may have it at once (core/surface.py:AnswersAtOnce).
- *An answer that waits for nothing needs no task.* A node's coroutine is begun at once, and gets a task only when it waits
  for something. Until then there is no current task: what needs one (`asyncio.timeout`) has to make its own (server/ports.py).
  So only servers that are told so (`at_once`) do it, and the nodes' are.
- *An answer leaves in one piece.* On loopback each write is a packet of its own: two calls of the system for the node, and
  twice the work for a proxy and the client.

At the edge, two things are as clients of an identity service need them:

- *Trailers are not headers.* httptools reports the fields of a chunked body's trailer through the same callback as headers, so
  a `Metadata: true` or a token in a trailer would count. RFC 9110 section 6.5.1 lets a recipient drop trailer fields; we do.
- *What is not HTTP is answered in JSON* like every other error, since such clients parse what they get.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from typing import Any, Protocol, cast

import httptools

from brownout.identity import wire
from brownout.identity.core.messages import HeaderLines, Request
from brownout.identity.repeated import Repeated
from brownout.identity.server.answering import PAYLOAD_LIMIT_BYTES, Answering, BrokenOff, Received

log = logging.getLogger("brownout.identity.server")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
KEEP_ALIVE_S = 75.0  # longer than clients keep an idle connection, so that a request rarely meets a closing one
KNOWN_MAX, KNOWN_BYTES_MAX = 1024, 1024  # how many requests are remembered, and how long they may be
ONCE_MAX = 16_384  # how many requests that came once are known to have come
_HEAD_END = b"\r\n\r\n"
WAITING_MAX = 16  # requests of one connection that were read and not begun; more stay in the socket


class KnownRequests:
    """Requests that were read before, by all of their bytes: clients that keep a connection repeat themselves.

    Only those that are whole in one packet, have no payload and are short are remembered, KNOWN_MAX of them at most, and from
    their second time on. A request is a value, so one may be answered any number of times.
    """

    def __init__(self) -> None:
        self._repeated = Repeated[bytes, Received](KNOWN_MAX, ONCE_MAX)
        self.get = self._repeated.get  # the request that was read of the same bytes; None for bytes that are not known

    def __len__(self) -> int:
        return len(self._repeated)

    def note(self, data: bytes, received: Received) -> None:
        """Remembers what was read of `data`, which began and ended between two requests of a connection."""
        request = received.request
        if len(data) <= KNOWN_BYTES_MAX and not (received.is_last or request.payload or b"expect" in request.raw_by_name):
            self._repeated.note(data, received)


class Polling(Protocol):
    """What of a server's polling a connection needs."""

    on: bool

    def packet_came(self, loop: asyncio.AbstractEventLoop) -> None:
        """Notes that a packet came now; is asked only where it is `on`."""
        ...


class SpawnedTasks:
    """Tasks that no coroutine waits for. What one raises is in the log after `failed`, a sentence without its full stop."""

    def __init__(self, failed: str) -> None:
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop itself keeps weak references only

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets `work` go on by itself, until it is done or `cancel` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def wait(self, patience_s: float) -> None:
        """Returns when all are done, or after `patience_s`."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=patience_s)

    def cancel(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(self._failed, exc_info=error)


class Server(Protocol):
    """What of its server a connection needs."""

    answering: Answering
    at_once: bool
    known: KnownRequests
    tasks: SpawnedTasks

    @property
    def polling(self) -> Polling: ...

    def common_lines(self) -> bytes:
        """Header lines that every answer has."""
        ...

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """One connection and the parser of its requests (whose callbacks are the methods named `on_...`)."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None  # None also once the client has gone
        self._waiting: deque[Received] = deque()
        self._is_answering = False
        self._is_full = False  # the client does not read its answers
        self._is_paused = False  # its requests stay in the socket
        self._is_closing = False  # nothing is read or begun any more
        self._used_at_s = 0.0
        self._head: HeaderLines = ()  # of the request that was read last
        self._by_name: dict[bytes, bytes] = {}  # the same by name, which is in lower case already
        self.on_message_begin()
        self._is_between = True  # no request has begun since the last one was whole

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # a TCP connection's; uvloop's derives from nothing
        self._loop = asyncio.get_running_loop()
        self._used_at_s = self._loop.time()
        self._idle = self._loop.call_later(KEEP_ALIVE_S, self._close_idle)
        self._server.opened(self)

    def connection_lost(self, problem: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        self._idle.cancel()
        self._server.closed(self)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        self._used_at_s = self._loop.time()
        if self._server.polling.on:
            self._server.polling.packet_came(self._loop)
        # What does not end with its head has a payload, or is no whole request.
        known = self._server.known.get(data) if self._is_between and data.endswith(_HEAD_END) else None
        if known is not None:
            self._waiting.append(known)
        elif not self._read(data):
            self._refuse()
            return
        if not self._is_answering and not self._is_full:
            self._go_on()
        elif len(self._waiting) >= WAITING_MAX and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _read(self, data: bytes) -> bool:
        """Lets the parser read; False for what is no HTTP."""
        waited = len(self._waiting) if self._is_between and data.endswith(_HEAD_END) else -1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_closing = True  # we speak HTTP/1.1 alone: the request is answered, what follows it is not ours to read
        except httptools.HttpParserError:
            return False
        if waited >= 0 and self._is_between and len(self._waiting) == waited + 1:
            self._server.known.note(data, self._waiting[-1])
        return True

    def shut(self) -> None:
        """Closes the connection: at once where nothing is being answered, else after that answer."""
        self._is_closing = True
        self._waiting.clear()
        if not self._is_answering and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _close_idle(self) -> None:
        left_s = self._used_at_s + KEEP_ALIVE_S - self._loop.time()
        if left_s <= 0 and not self._is_answering:
            self.shut()
        else:
            self._idle = self._loop.call_later(max(left_s, 1.0), self._close_idle)

    def _refuse(self) -> None:
        """Answers what is no HTTP, after the answers to what came before it."""
        self._is_closing = True
        if self._transport is None:
            return
        if not self._is_answering:
            self._transport.write(wire.encode_response(wire.failure(400, "BadRequest", wire.NO_HTTP), is_last=True))
        self.shut()

    # What the parser says.

    def on_message_begin(self) -> None:
        self._is_between = False
        self._url = b""
        self._lines: list[tuple[bytes, bytes]] = []
        self._payload: list[bytes] = []
        self._size, self._limit_bytes = 0, PAYLOAD_LIMIT_BYTES
        self._is_limit_final = False
        self._expects_word = False  # the client sends its payload once it is told to

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head = tuple(self._lines)  # what comes after it are lines of a trailer
        self._by_name = dict(self._head)
        if b"expect" not in self._by_name:
            return
        self._expects_word = any(name == b"expect" and value.lower() == b"100-continue" for name, value in self._head)
        if self._expects_word and not self._is_answering and not self._waiting and self._transport is not None:
            self._transport.write(CONTINUE)
            self._expects_word = False

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._limit_bytes and not self._is_limit_final:
            self._limit_bytes = self._server.answering.payload_limit_bytes(_request(self._parser, self._url, self._head))
            self._is_limit_final = True
        if self._size <= self._limit_bytes:
            self._payload.append(body)
        else:
            self._payload.clear()

    def on_message_complete(self) -> None:
        parser = self._parser
        is_last = not parser.should_keep_alive() or parser.should_upgrade()
        exceeds_bytes = self._limit_bytes if self._size > self._limit_bytes else 0
        request = _request(parser, self._url, self._head, b"".join(self._payload))
        request.raw_by_name = self._by_name
        self._waiting.append(Received(request, is_last, exceeds_bytes))
        self._is_between, self._expects_word = True, False

    # What is answered.

    def _go_on(self) -> None:
        """Answers what waits, one request after the other, until one of them waits for something itself."""
        while self._waiting and not self._is_answering and not self._is_full and self._transport is not None:
            received = self._waiting.popleft()
            ready = self._server.answering.at_once(received, self._server.common_lines()) if self._server.at_once else None
            if ready is not None:
                self._transport.write(ready)
                if received.is_last or (self._is_closing and not self._waiting):
                    self.shut()
                continue
            self._is_answering = True
            answering = self._answer(received)
            if not self._server.at_once:
                self._server.tasks.spawn(self._rest(answering))
                return
            try:
                awaited = answering.send(None)
            except StopIteration:
                continue
            self._server.tasks.spawn(self._rest(_Begun(answering, awaited)))
        if self._transport is None or self._is_answering:
            return
        if self._expects_word and not self._is_closing:  # the answers before it have gone out
            self._transport.write(CONTINUE)
            self._expects_word = False
        if self._is_paused and not self._is_closing:
            self._is_paused = False
            self._transport.resume_reading()

    async def _answer(self, received: Received) -> None:
        is_last = received.is_last
        try:
            answer = await self._server.answering.answer(received, self._server.common_lines())
        except BrokenOff as cut:
            answer, is_last = cut.sent, True
        self._is_answering = False
        if self._transport is None:
            return
        self._used_at_s = self._loop.time()
        self._transport.write(answer)
        if is_last or (self._is_closing and not self._waiting):
            self.shut()

    async def _rest(self, begun: Awaitable[None]) -> None:
        await begun
        self._go_on()


class _Begun:
    """A coroutine that was begun outside of a task, as something that a task can wait for.

    Its first step gave `awaited`, which a task would have been given; the task gets it from here instead.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            try:
                given = yield awaited
            except BaseException as thrown:
                step = partial(self._coroutine.throw, thrown)
            else:
                step = partial(self._coroutine.send, given)
            try:
                awaited = step()
            except StopIteration:
                return


def _request(parser: httptools.HttpRequestParser, url: bytes, head: HeaderLines, payload: bytes = b"") -> Request:
    method = parser.get_method().decode("ascii")
    if url != b"/":
        return Request.raw(method, wire.target_of(url), head, payload)
    request = Request.raw(method, "/", head, payload)
    request.path = "/"  # as all of AWS's query protocol
    return request

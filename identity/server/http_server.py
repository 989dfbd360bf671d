"""The HTTP server of one node: connections of one listener, and the way in which they end."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Coroutine, Iterable
from email.utils import formatdate
from typing import Any, Protocol, TypeVar

from brownout.identity.core.surface import Surface
from brownout.identity.core.trail import ClientsSeen
from brownout.identity.server.answering import Answering, Handler
from brownout.identity.server.http_protocol import Connection, KnownRequests

BACKLOG = 4096  # connections that wait for us to run; the kernel takes what net.core.somaxconn allows
Returned = TypeVar("Returned")
log = logging.getLogger("brownout.identity.server")


class RunLoop(Protocol):
    """`asyncio.run`, or the same of another loop."""

    def __call__(self, main: Coroutine[Any, Any, Returned], /) -> Returned: ...


def _fastest_loop() -> RunLoop:
    try:
        import uvloop
    except ImportError:  # an extra has it: it is faster, and nothing else
        return asyncio.run
    return uvloop.run


_RUN = _fastest_loop()  # imported here, so that processes that are forked share it


def run_server(serving: Coroutine[Any, Any, Returned]) -> Returned:
    """Runs what serves to its end, on the fastest event loop that is installed; returns what it returns."""
    return _RUN(serving)


class HttpServer:
    """Serves a node on a bound socket, from `open` to `close`.

    `at_once` is for nodes that wait for their ports alone (server/ports.py): their answers are begun without a task. Whatever
    else answers may need a task from the start, as `asyncio.timeout` does. `seen` counts the answers to real clients.
    """

    def __init__(
        self, node: Handler, surfaces: Iterable[Surface] = (), *, at_once: bool = False, seen: ClientsSeen | None = None
    ) -> None:
        self.answering = Answering(node, surfaces, seen)
        self.at_once = at_once
        self.known = KnownRequests()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._second = 0
        self._common_lines = b""

    async def open(self, listener: socket.socket) -> None:
        """Accepts connections from now on; raises OSError where the socket cannot listen."""
        assert self._server is None, "a server is opened once"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)

    async def close(self, *, patience_s: float) -> None:
        """Accepts nothing more, lets what is being answered end for `patience_s`, then breaks off the rest."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.shut()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=patience_s)
        for task in tuple(self._tasks):
            task.cancel()
        for connection in tuple(self._connections):
            connection.abort()

    @property
    def busy(self) -> int:
        """How many requests wait for something."""
        return len(self._tasks)

    def common_lines(self) -> bytes:
        """The header line `date`, made once in a second."""
        second = int(time.time())
        if second != self._second:
            self._second, self._common_lines = second, f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._common_lines

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets `work` go on by itself; what it raises is in the log."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a request was not answered", exc_info=error)

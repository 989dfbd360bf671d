"""The HTTP server of one node: connections of one listener, and the way in which they end.

Theory. A node that sleeps between two requests of a busy client begins each of them cold: it is woken, and what its processor
had at hand is gone. That takes a third of an AssumeRole. So it polls (`BusyPolling`) instead of sleeping, where requests follow
each other so closely that the next one is there before the poll costs more than the sleep.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from email.utils import formatdate
from typing import Any, Protocol, TypeVar

from brownout.identity.core.surface import Surface
from brownout.identity.core.trail import ClientsSeen
from brownout.identity.server.answering import Answering, Handler
from brownout.identity.server.http_protocol import Connection, KnownRequests, SpawnedTasks

BACKLOG = 4096  # connections that wait for us to run; the kernel takes what net.core.somaxconn allows
SOON_S = 200e-6  # packets that come so soon one after the other are of clients that wait for nothing else
IN_A_ROW = 8  # of such packets, before a node polls: those that come by chance are fewer
Returned = TypeVar("Returned")


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


def cores_of_ours() -> int:
    """How many cores this process may run on; where the system does not say (macOS), how many there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class BusyPolling:
    """Keeps the event loop from sleeping for SOON_S after a packet that was the IN_A_ROW-th at least to come that soon.

    The loop goes on with everything else meanwhile. What it costs is bounded: the first packet that is late ends it. With one
    core there is none of it, because the client could not run.
    """

    def __init__(self, cores: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        """`cores` are those that the process may run on, counted where they are not given. `clock` is in seconds."""
        self.on = (cores_of_ours() if cores is None else cores) > 1
        self._clock = clock
        self._came_s = -SOON_S
        self._in_a_row = 0
        self._is_polling = False

    def packet_came(self, loop: asyncio.AbstractEventLoop) -> None:
        """Notes that a packet of a client came now."""
        now_s = self._clock()
        self._in_a_row = self._in_a_row + 1 if now_s - self._came_s < SOON_S else 0
        self._came_s = now_s
        if self._in_a_row >= IN_A_ROW and not self._is_polling:
            self._is_polling = True
            loop.call_soon(self._poll, loop)

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        """A callback that is ready lets the loop look for packets without waiting for one."""
        self._is_polling = self._clock() - self._came_s < SOON_S
        if self._is_polling:
            loop.call_soon(self._poll, loop)


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
        self.polling = BusyPolling()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self.tasks = SpawnedTasks("a request was not answered")
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
        await self.tasks.wait(patience_s)
        self.tasks.cancel()
        for connection in tuple(self._connections):
            connection.abort()

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

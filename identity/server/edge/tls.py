"""A door that speaks TLS from the first byte, and says so to a client that does not.

The first byte of a connection is looked at before TLS takes it: a client of plain HTTP gets an answer that names its mistake,
where the failed handshake alone would look to it like a server that hangs up.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from brownout.identity.server.edge.patience import patience
from brownout.identity.server.http_server import BACKLOG

log = logging.getLogger("brownout.identity.server")
TLS_TIMEOUT_S = 60.0  # for a client that does not speak; one on a crowded machine may be slow
NO_LIMIT_S = 86_400.0  # where asyncio wants a limit of its own beside ours
AT_ONCE = 64  # connections that are accepted in one turn of the loop
SHORTAGE_S = 1.0  # how long none is accepted once the process has no file descriptor left
HANDSHAKE = b"\x16"
_TOLD = b"400 Bad Request: this port speaks TLS, so its URL begins with https\n"
PLAIN_ANSWER = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
    len(_TOLD),
    _TOLD,
)


class TlsListener:
    """Serves a bound socket: a connection that begins TLS becomes that of a protocol from `make`. `spawn` runs coroutines."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        make: Callable[[], asyncio.Protocol],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._listener, self._context, self._make, self._spawn = listener, context, make, spawn
        self._loop = asyncio.get_running_loop()
        self._paused: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(BACKLOG)
        self._resume()

    def close(self) -> None:
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _resume(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as failed:
                log.error("a door accepts nothing for %g s: %s", SHORTAGE_S, failed)
                self._loop.remove_reader(self._listener)
                self._paused = self._loop.call_later(SHORTAGE_S, self._resume)
                return
            self._spawn(self._begin(accepted))

    async def _begin(self, accepted: socket.socket) -> None:
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with patience(TLS_TIMEOUT_S):
                first = await self._peek(accepted)
                if first != HANDSHAKE:
                    await self._tell(accepted, first)
                    return
            async with patience(TLS_TIMEOUT_S):
                await self._loop.connect_accepted_socket(
                    self._make, accepted, ssl=self._context, ssl_handshake_timeout=NO_LIMIT_S
                )
        except (OSError, TimeoutError, ssl.SSLError) as failed:  # such as a client that does not trust the stack's authority
            log.info("a client's TLS: %s", failed)
            accepted.close()
        except asyncio.CancelledError:
            accepted.close()
            raise

    async def _peek(self, accepted: socket.socket) -> bytes:
        """The first byte, which stays to be read; b"" when the client went away."""
        readable = asyncio.Event()
        self._loop.add_reader(accepted, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(accepted)
        return accepted.recv(1, socket.MSG_PEEK)

    async def _tell(self, accepted: socket.socket, first: bytes) -> None:
        if first:
            await self._loop.sock_sendall(accepted, PLAIN_ANSWER)
            accepted.shutdown(socket.SHUT_WR)
            with suppress(OSError):  # what is unread at the end would reset the connection, and the answer with it
                while await self._loop.sock_recv(accepted, 65536):
                    pass
        accepted.close()

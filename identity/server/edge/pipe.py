"""A pipe between a client and a node: bytes go through as they come, and each end's end is the other's.

A connection that breaks on one side breaks on the other, one that is closed is closed, and a slow reader slows its writer.
Nothing is read, changed or kept, so whatever a fault does to the link behind the pipe is what the client sees.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from brownout.identity.server.edge.patience import patience
from brownout.identity.server.spec_file import split_address

CONNECT_TIMEOUT_S = 10.0
EARLY_BYTES_MAX = 262_144
_NO_LINGER = struct.pack("ii", 1, 0)  # lingers for 0 s: what is closed so ends with RST


class NoWayError(Exception):
    """No node took the connection; the text says which were tried."""


class End(asyncio.Protocol):
    """One end of a pipe. `silent` until a byte came from it, `has_ended` once the last one has.

    What comes before there is another end is kept for it. `on_lost` is told when the other side is told.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self.silent = True
        self.has_ended = False
        self._early = b""
        self.on_lost: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        self.silent = False
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        elif len(self._early) < EARLY_BYTES_MAX:
            self._early += data
        elif self.transport is not None:
            self.transport.abort()

    def join(self, node: End) -> None:
        """Makes this end, a client's, and a node's one pipe. A client that went away meanwhile takes the node's end with it."""
        assert self.transport is not None
        assert node.transport is not None
        self.other, node.other = node, self
        if self.transport.is_closing():
            node.on_lost = lambda: None
            node.transport.close()
        elif self._early:
            node.transport.write(self._early)
            self._early = b""

    def eof_received(self) -> bool:
        """Half-closes the other side where both sides can (TLS cannot), else the whole connection ends, as after both ends."""
        self.has_ended = True
        other = None if self.other is None else self.other.transport
        if other is None or self.transport is None or not (other.can_write_eof() and self.transport.can_write_eof()):
            return False
        if other.is_closing() or (self.other is not None and self.other.has_ended):
            return False  # nothing will be read or written any more: left half-open, both would stay for ever
        other.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.on_lost()
        other, self.other = self.other, None
        if other is None or other.transport is None:
            return
        other.other, other.on_lost = None, lambda: None  # it ends because of us
        if error is None:
            other.transport.close()
        else:
            reset(other.transport)

    def pause_writing(self) -> None:
        """The reader behind this end is slow: its writer has to wait."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection with RST instead of FIN."""
    handle = transport.get_extra_info("socket")
    if handle is not None and handle.fileno() >= 0:
        with suppress(OSError), socket.socket(fileno=os.dup(handle.fileno())) as same:  # the option is the connection's
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


async def connect(nodes: tuple[str, ...], addresses: dict[str, str], leave_out: Callable[[str], None]) -> End:
    """An end that is connected to the first node that takes the connection; raises NoWayError.

    A node is left out when it refuses, and when its connection ends before a byte came: then what was ahead of it took the
    connection and the node did not.
    """
    loop = asyncio.get_running_loop()
    for node in nodes:
        host, port = split_address(addresses[node])
        end = End()
        try:
            async with patience(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda made=end: made, host, port)  # type: ignore[misc]  # binds now, not later
        except (OSError, TimeoutError):
            leave_out(node)
            continue
        end.on_lost = lambda node=node, end=end: leave_out(node) if end.silent else None  # type: ignore[misc]  # the same
        return end
    raise NoWayError(f"none of {', '.join(nodes)} took the connection")

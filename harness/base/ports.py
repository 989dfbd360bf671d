"""Ports for a stack: below the range that the kernel hands out by itself, and each kept for the stack as long as it stands.

A port without a listener for a while (a link that refuses, a node that is down) must not become another program's. So it is
*reserved* (`ReservedPort`) by a socket that is bound to it and never listens: connections are refused, and another program's
bind fails, also one with SO_REUSEADDR, because the reserving socket does not have that option. Only while the port is *lent* to
its rightful listener, for the moment of its bind, is the option set. The kernel looks at both sockets' options at each bind and
listen, and lets a listener with the option in beside one that has it and does not listen.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator

FIRST_PORT, LAST_PORT = 21000, 31999
HOST = "127.0.0.1"
_STRIDE = 211  # spreads processes with neighbouring pids over the range


class NoPortError(Exception):
    """A port is taken, or no port of the range is free; the text is for people."""


def reserve(count: int, *, besides: Collection[int] = ()) -> tuple[socket.socket, ...]:
    """`count` sockets bound to free ports, exclusively: no other process can bind these until they are closed.

    `besides` are ports to leave alone because their owner is about to bind them itself.

    Raises NoPortError, with nothing left bound.
    """
    reserved: list[socket.socket] = []
    for port in _candidates():
        if len(reserved) == count:
            break
        bound = None if port in besides else _bound(port, reuse=False)
        if bound is not None:
            reserved.append(bound)
    if len(reserved) < count:
        for bound in reserved:
            bound.close()
        raise NoPortError(f"only {len(reserved)} of {count} ports are free on {HOST} from {FIRST_PORT} to {LAST_PORT}")
    return tuple(reserved)


class ReservedPort:
    """A port that stays this process's own: see the theory above. `bound` is a socket of `reserve`."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self.port = port_of(bound)

    def lend(self) -> None:
        """Lets a listener with SO_REUSEADDR bind the port, until `keep`; one that then listens is not affected by `keep`."""
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def keep(self) -> None:
        """Keeps every other process from binding the port. May run twice."""
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    def close(self) -> None:
        self._bound.close()


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that are free now, for a program that binds its own; raises NoPortError."""
    reserved = reserve(count)
    ports = tuple(port_of(bound) for bound in reserved)
    for bound in reserved:
        bound.close()
    return ports


def consecutive_ports(count: int) -> int:
    """The first of `count` ports in a row that are free now, for a program that binds its own; raises NoPortError."""
    run = 0
    for port in range(FIRST_PORT, LAST_PORT + 1):
        bound = _bound(port, reuse=False)
        run = 0 if bound is None else run + 1
        if bound is not None:
            bound.close()
        if run == count:
            return port - count + 1
    raise NoPortError(f"no {count} ports in a row are free on {HOST} from {FIRST_PORT} to {LAST_PORT}")


def ephemeral_port() -> int:
    """A port that is free now, out of the kernel's own range, for a program that is no part of a stack."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return port_of(found)


def require_free(port: int) -> None:
    """Returns when a program could listen on the loopback port now; raises NoPortError."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError as failed:
            raise NoPortError(f"port {port} cannot be used: {os.strerror(failed.errno or 0)}") from None


def rebind(port: int) -> socket.socket:
    """A socket bound to a port of the stack's own, whose former connections may linger; raises NoPortError."""
    bound = _bound(port, reuse=True)
    if bound is None:
        raise NoPortError(f"port {port} was taken by another process while its node was down")
    return bound


def port_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def refuses(port: int) -> bool:
    """True when a connection to the port is refused: no process listens on it."""
    with socket.socket() as attempt:
        attempt.settimeout(1.0)
        try:
            attempt.connect((HOST, port))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _candidates() -> Iterator[int]:
    span = LAST_PORT - FIRST_PORT + 1
    start = os.getpid() * _STRIDE
    return (FIRST_PORT + (start + step) % span for step in range(span))


def _bound(port: int, *, reuse: bool) -> socket.socket | None:
    bound = socket.socket()
    # Without SO_REUSEADDR a bind fails where another process has the port, even by a socket that does not listen yet.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    try:
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        return None
    return bound

"""Forks of the stack's parent: each waits for the order to begin, then runs one node; a life of it, until the next order comes.

Theory. Most of what a start costs comes before the node itself: pages are copied, handles closed. None of it needs the node's
port. So the sockets come with the order, and a process whose node has ended its life can wait for the order to begin anew: it
*stands by*. It holds no socket of the node's then, and does nothing in its name.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.base import processes as system

STANDARD_HANDLES = 3
HANDLES_AT_ONCE = 200  # the kernel passes 253 with one message at the most
ORDER = b"o"

Listeners = Mapping[str, socket.socket]
AwaitOrder = Callable[[], Listeners]
RunNode = Callable[[str, AwaitOrder, socket.socket], None]


class NotOrderedError(Exception):
    """The parent has ended, or given the fork up, instead of sending an order."""


@dataclass(frozen=True, slots=True)
class WaitingFork:
    """A forked process that has not been told to begin, or not yet again. `channel` is our end of its `starting`."""

    pid: int
    channel: socket.socket

    def order(self, listeners: Listeners) -> None:
        """Has its node begin on these bound sockets. For a process that has ended this does nothing: `channel` is closed."""
        handles = [listener.fileno() for listener in listeners.values()]
        with suppress(BrokenPipeError, ConnectionResetError):
            for first in range(0, len(handles), HANDLES_AT_ONCE):
                socket.send_fds(self.channel, [ORDER], handles[first : first + HANDLES_AT_ONCE])

    def has_ended(self) -> bool:
        """Whether it has ended before its order; it is reaped then, and `channel` closed."""
        ended, _ = os.waitpid(self.pid, os.WNOHANG)
        if ended:
            self.channel.close()
        return bool(ended)

    def end(self) -> None:
        """Kills and reaps it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.channel.close()


def fork_node(name: str, log: Path, doors: tuple[str, ...], run_node: RunNode) -> WaitingFork:
    """A process that runs `run_node(name, await_order, starting)`; `doors` are what the sockets of each order are for."""
    ours, theirs = socket.socketpair()
    parent_pid = os.getpid()  # read before the fork: the child compares it with its parent, to see whether that has died
    pid = os.fork()
    if pid == 0:
        _run_forked(name, log, doors, theirs, parent_pid, run_node)
    theirs.close()  # the child is its only holder now: if it dies before it sends its byte, `ours` reads as closed
    return WaitingFork(pid, ours)


def _run_forked(
    name: str,
    log: Path,
    doors: tuple[str, ...],
    starting: socket.socket,
    parent_pid: int,
    run_node: RunNode,
) -> None:
    """The life of a forked process; never returns."""
    code = 1
    try:
        system.die_with_parent(parent_pid, name)
        # The daemon's handlers and wake-up handle came with the fork; in a node they would stop the whole stack.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _redirect(log)
        _close_handles_except(starting.fileno())
        gc.enable()
        run_node(name, lambda: _received(starting, doors), starting)
        code = 0
    # Nothing may leave this function: the caller's frames are the daemon's, and would go on as a second daemon.
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except NotOrderedError:
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)  # no `sys.exit`: the daemon's own exit handlers, inherited by the fork, must not run here


def _received(starting: socket.socket, doors: tuple[str, ...]) -> Listeners:
    """Waits for the order and returns its sockets by door; raises NotOrderedError."""
    handles: list[int] = []
    while len(handles) < len(doors):
        order, received, _, _ = socket.recv_fds(starting, 1, HANDLES_AT_ONCE, socket.MSG_CMSG_CLOEXEC)
        if not order:
            raise NotOrderedError
        handles += received
    return {door: socket.socket(fileno=handle) for door, handle in zip(doors, handles, strict=True)}


def _redirect(log: Path) -> None:
    """The log becomes standard output and error, nothing the input."""
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(sink, sys.stdout.fileno())
    os.dup2(sink, sys.stderr.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())


def _close_handles_except(*needed: int) -> None:
    """Closes what the fork inherited: reserved ports, the supervisor socket, `starting` of siblings."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # a Path would open no fewer handles
        handle = int(name)
        if handle >= STANDARD_HANDLES and handle not in needed:
            try:
                os.close(handle)
            except OSError:  # the handle by which this very listing was read
                continue

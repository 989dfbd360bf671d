"""Runs a command in a machine's network, serves that network from outside meanwhile, and ends as the command ends.

Processes: this one serves; its child enters the namespaces and waits; that one's only child is the first process of the PID
namespace and starts the command as its own. Each is killed by the kernel when its parent ends, so `kill -9` of any of them
takes the command and all that it started with it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from brownout.harness.base import processes as system
from brownout.harness.errors import UsageError
from brownout.harness.operate.on_machine import namespace
from brownout.harness.operate.on_machine.forwarder import Forward, Forwarder
from brownout.harness.operate.on_machine.namespace import NamespaceError, Overlay

NOT_FOUND, NOT_RUNNABLE, BY_SIGNAL = 127, 126, 128  # exit codes as shells give them
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)  # the terminal sends them to the command too
FDS_MAX = 250  # that one message may carry
GO = b"go"
NO_WAY = 'run `eval "$(brownout env --machine NAME)"` and then the command: clients that take a URL need no namespace'


@dataclass(frozen=True, slots=True)
class Launch:
    """A command with its whole environment, and what it finds on its machine."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    forwards: tuple[Forward, ...]
    overlays: tuple[Overlay, ...] = ()


def run(launch: Launch) -> int:
    """The command's exit code, 128 more than the signal's number where one ended it; raises UsageError.

    127 is a command that does not exist, 126 one that cannot be run.
    """
    if not sys.platform.startswith("linux"):
        raise UsageError("`brownout exec` needs Linux", hint=NO_WAY)
    outside, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    entered = os.fork()
    if entered == 0:
        outside.close()
        _guarded(lambda: _enter(launch, inside, parent))
    inside.close()
    try:
        first, listeners = _listeners(outside)
        return asyncio.run(_serve(launch.forwards, listeners, outside, first))
    finally:
        outside.close()
        _end(entered)


def _end(pid: int) -> None:
    """Ends our child with all that is below it; it may have ended already."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _guarded(work: Callable[[], NoReturn]) -> NoReturn:
    """Runs what a forked child does: whatever happens, it must not go on as if it were its parent."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _listeners(outside: socket.socket) -> tuple[int, list[socket.socket]]:
    """The pid of the first process inside, and the listeners that were made there; raises UsageError."""
    told, handles, _, _ = socket.recv_fds(outside, 4096, FDS_MAX)
    pid, _, problem = told.decode().partition(" ")
    if problem or not told:
        text = problem or "the process that should have entered it ended"
        raise UsageError(f"this user may make no network for a machine here: {text}", hint=NO_WAY)
    return int(pid), [socket.socket(fileno=handle) for handle in handles]


async def _serve(forwards: Sequence[Forward], listeners: Sequence[socket.socket], outside: socket.socket, first: int) -> int:
    """Serves the machine's addresses until the command has ended; returns its exit code."""
    loop = asyncio.get_running_loop()
    for number in PASSED_ON + FROM_TERMINAL:
        loop.add_signal_handler(number, _pass_on, number, first)
    outside.setblocking(False)
    forwarder = Forwarder(forwards, listeners)
    await forwarder.open()
    await loop.sock_sendall(outside, GO)
    told = await loop.sock_recv(outside, len(GO) + 64)
    forwarder.close()
    if not told:  # the first process inside was killed
        return BY_SIGNAL + signal.SIGKILL
    return os.waitstatus_to_exitcode(int(told)) if os.WIFEXITED(int(told)) else BY_SIGNAL + os.WTERMSIG(int(told))


def _pass_on(number: int, first: int) -> None:
    """A signal for the command. One from the terminal at which both are has got there by itself."""
    if number in FROM_TERMINAL and _at_terminal():
        return
    with suppress(ProcessLookupError):
        os.kill(first, number)


def _at_terminal() -> bool:
    """True when a terminal sends its signals to our process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _enter(launch: Launch, inside: socket.socket, parent: int) -> NoReturn:
    """What our child does: enters the namespaces and waits for the first process that it starts there."""
    system.die_with_parent(parent)
    for number in PASSED_ON + FROM_TERMINAL:
        signal.signal(number, signal.SIG_IGN)  # they are the command's
    try:
        namespace.enter()
        namespace.lay_over(launch.overlays)
        listeners = namespace.listen([forward.address for forward in launch.forwards])
    except (NamespaceError, OSError) as refused:
        inside.sendall(f"0 {refused}".encode())
        os._exit(1)
    alive, ours = os.pipe()  # a process that reads its end has lost its parent
    first = os.fork()
    if first == 0:
        os.close(ours)
        _guarded(lambda: _begin(launch, inside, alive))
    os.close(alive)
    socket.send_fds(inside, [f"{first} ".encode()], [listener.fileno() for listener in listeners])
    inside.close()
    for listener in listeners:
        listener.close()
    os.waitpid(first, 0)
    os._exit(0)


def _begin(launch: Launch, inside: socket.socket, alive: int) -> NoReturn:
    """What the first process inside does: starts the command, passes signals on to it, and tells how it ended."""
    system.die_with_any_parent()
    os.set_blocking(alive, False)
    with suppress(BlockingIOError):
        if os.read(alive, 1) == b"":  # it ended before the kernel was asked
            os._exit(1)
    if inside.recv(len(GO)) != GO:
        os._exit(1)
    command = os.fork()
    if command == 0:
        _guarded(lambda: _become(launch))
    for number in PASSED_ON + FROM_TERMINAL:
        signal.signal(number, lambda caught, _: _to(command, caught))
    while True:
        pid, status = os.wait()  # of orphans too: they are the first process's
        if pid == command:
            inside.sendall(str(status).encode())
            os._exit(0)


def _to(command: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(command, number)


def _become(launch: Launch) -> NoReturn:
    for number in (*PASSED_ON, *FROM_TERMINAL, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(launch.command[0], launch.command, launch.environment)  # noqa: S606  # it is what the user typed, and no shell sees it
    except OSError as failed:
        os.write(2, f"brownout: {launch.command[0]}: {failed.strerror}\n".encode())
        os._exit(NOT_FOUND if failed.errno == errno.ENOENT else NOT_RUNNABLE)

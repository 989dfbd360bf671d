"""The node processes of a stack: forked from one parent, held down or paused by sets of holds, never restarted unasked.

Theory. A node is a fork of a parent that has imported everything, so that it starts in milliseconds and shares its code
pages. Its listening socket is bound by the parent, handed over at the fork and closed in the parent and in every other
child: once a node is killed, no process has the socket, and its port really refuses.

Each node has a set of holds, by id. The state that it should be in is computed from the set (any `down`: killed; else
any `paused`: stopped; else running) and `_settle` takes it there, verified by what the kernel says. A node that ends
although nobody killed it is *dead*: it is reported with its exit and its last words until somebody asks for a restart.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brownout.harness.base import ports as port_range
from brownout.harness.base import processes as system

EFFECTS = ("down", "paused")
READY_TIMEOUT_S = 15.0
STATE_TIMEOUT_S = 5.0
LAST_LINES = 12
STANDARD_HANDLES = 3

RunNode = Callable[[str, socket.socket, socket.socket], None]
GO = b"g"


class FamilyError(Exception):
    """A node could not be brought into the state that it should be in; the text is for people and names the node."""


@dataclass(slots=True)
class Child:
    """One node: the process that it is now (if any), and the holds on it."""

    name: str
    port: int
    log: Path
    pid: int = 0
    ended: int | None = None
    holds: dict[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> str:
        effects = set(self.holds.values())
        return next((effect for effect in EFFECTS if effect in effects), "running")

    @property
    def state(self) -> str:
        """What it is: `running`, `paused`, `down` (killed by us or not started) or `dead` (ended by itself)."""
        if self.pid:
            return "paused" if system.stopped(self.pid) else "running"
        return "down" if self.ended is None else "dead"

    def last_words(self) -> str:
        return tail(self.log)

    def report(self) -> Mapping[str, Any]:
        seen = {"node": self.name, "port": self.port, "pid": self.pid, "state": self.state}
        holds = {fault_id: {"effect": effect} for fault_id, effect in self.holds.items()}
        death = {} if self.ended is None else {"exit": exit_text(self.ended), "last_lines": self.last_words()}
        return {**seen, "holds": holds, **death}


class Family:
    """All nodes of one stack. `run_node(name, listener, starting)` is what a child does with its life: it
    sends one byte on `starting` once it accepts connections, and gets one back once all that were started with it do.
    `taken` are ports that no node gets because a companion binds them.

    Not safe for threads: one caller at a time. Every method raises FamilyError where it says so and else succeeds.
    """

    def __init__(self, names: Iterable[str], logs: Path, run_node: RunNode, *, taken: Collection[int] = ()) -> None:
        wanted = tuple(names)
        reserved = port_range.reserve(len(wanted), besides=taken)
        self._reserved = dict(zip(wanted, reserved, strict=True))
        self._run_node = run_node
        self.children = {
            name: Child(name, port_range.port_of(bound), logs / f"{name}.log") for name, bound in self._reserved.items()
        }

    def ports(self) -> Mapping[str, int]:
        return {name: child.port for name, child in self.children.items()}

    def start_all(self) -> None:
        """Forks every node and returns when all accept connections; raises FamilyError, with all of them ended."""
        gc.collect()
        gc.freeze()  # no collection may touch, and so copy, the pages that the children share
        waiting = {child.name: self._fork(child) for child in self.children.values()}
        try:
            self._await_ready(waiting)
        except BaseException:
            self.end_all()
            raise

    def end_all(self) -> None:
        """Kills every node and waits until the kernel has taken them away."""
        for child in self.children.values():
            self._kill(child)

    def reap(self) -> None:
        """Notes which nodes have ended by themselves."""
        for child in self.children.values():
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    child.pid, child.ended = 0, os.waitstatus_to_exitcode(status)

    def child(self, name: str) -> Child:
        """The node of that name as it is now; raises FamilyError."""
        self.reap()
        if name not in self.children:
            raise FamilyError(f"the stack has no node {name!r}; it has {', '.join(self.children)}")
        return self.children[name]

    def hold(self, name: str, fault_id: str, effect: str) -> Mapping[str, Any]:
        """Adds a hold (or replaces that id's) and returns the node's report once it is in force; raises FamilyError."""
        child = self.child(name)
        if effect not in EFFECTS:
            raise FamilyError(f"node effect {effect!r} is unknown; known: {', '.join(EFFECTS)}")
        if child.state == "dead":
            raise FamilyError(_death(child))
        child.holds[fault_id] = effect
        self._settle(child)
        return child.report()

    def release(self, name: str, fault_id: str) -> Mapping[str, Any]:
        """Removes a hold, also one that is not there, and returns the report; raises FamilyError."""
        child = self.child(name)
        child.holds.pop(fault_id, None)
        if child.state == "dead":
            raise FamilyError(_death(child))
        self._settle(child)
        return child.report()

    def restart(self, name: str) -> Mapping[str, Any]:
        """Ends the node's process, if there is one, and starts a new one on the same port; raises FamilyError."""
        child = self.child(name)
        if child.holds:
            raise FamilyError(f"{name} is held by {', '.join(child.holds)}; release these before a restart")
        self._kill(child)
        self._settle(child)
        return child.report()

    def _settle(self, child: Child) -> None:
        """Takes the node to the state that its holds ask for; raises FamilyError."""
        if child.wanted == "down":
            self._kill(child)
            if not system.await_true(lambda: port_range.refuses(child.port), STATE_TIMEOUT_S):
                raise FamilyError(f"{child.name} was killed, but something still listens on its port {child.port}")
            return
        if not child.pid:
            self._await_ready({child.name: self._fork(child)})
        pause = child.wanted == "paused"
        os.kill(child.pid, signal.SIGSTOP if pause else signal.SIGCONT)
        if not system.await_true(lambda: system.stopped(child.pid) == pause, STATE_TIMEOUT_S):
            raise FamilyError(f"{child.name} (process {child.pid}) did not become {child.wanted}")

    def _kill(self, child: Child) -> None:
        self.reap()
        if child.pid:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            child.pid = 0
        child.ended = None

    def _fork(self, child: Child) -> socket.socket:
        """Starts the node's process and returns our end of its `starting`; raises FamilyError."""
        try:
            listener = self._reserved.pop(child.name, None) or port_range.rebind(child.port)
        except port_range.NoPortError as taken:
            raise FamilyError(f"{child.name} cannot start: {taken}") from taken
        # Inherited by the connections, so that those which linger after a kill do not keep the port from the next life.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours, theirs = socket.socketpair()
        parent_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            _live(child, listener, theirs, parent_pid, self._run_node)
        child.pid, child.ended = pid, None
        theirs.close()
        listener.close()
        return ours

    def _await_ready(self, waiting: Mapping[str, socket.socket]) -> None:
        """Returns when every node has said that it is ready, and has been told to go; raises FamilyError otherwise."""
        names = {starting.fileno(): name for name, starting in waiting.items()}
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        poll = select.poll()
        for handle in names:
            poll.register(handle, select.POLLIN)
        with ExitStack() as open_ends:
            for starting in waiting.values():
                open_ends.enter_context(starting)
            while names:
                heard = poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000)
                if not heard:
                    late = self.children[next(iter(names.values()))]
                    raise FamilyError(f"{late.name} was not ready after {READY_TIMEOUT_S:g} s\n{late.last_words()}")
                for handle, _ in heard:
                    poll.unregister(handle)
                    name = names.pop(handle)
                    self._heard(self.children[name], waiting[name].recv(1))
            for starting in waiting.values():
                starting.sendall(GO)

    def _heard(self, child: Child, word: bytes) -> None:
        if word:
            return
        _, status = os.waitpid(child.pid, 0)  # its end is closed: it is ending
        child.pid, child.ended = 0, os.waitstatus_to_exitcode(status)
        raise FamilyError(_death(child))


def _live(child: Child, listener: socket.socket, starting: socket.socket, parent_pid: int, run_node: RunNode) -> None:
    """What the new process does until its end; never returns."""
    code = 1
    try:
        system.die_with_parent(parent_pid, child.name)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _redirect(child.log)
        _close_handles_except(listener.fileno(), starting.fileno())
        gc.enable()
        run_node(child.name, listener, starting)
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    """The log becomes standard output and error, nothing the input."""
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(sink, sys.stdout.fileno())
    os.dup2(sink, sys.stderr.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())


def _close_handles_except(*kept: int) -> None:
    """Closes all that was inherited: listening sockets of other nodes, the control socket, `starting` of siblings."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # a Path would open no fewer handles
        handle = int(name)
        if handle >= STANDARD_HANDLES and handle not in kept:
            try:
                os.close(handle)
            except OSError:  # the handle by which this very listing was read
                continue


def _death(child: Child) -> str:
    how = exit_text(child.ended or 0)
    return f"{child.name} ended by itself ({how}). Last lines of {child.log}:\n{child.last_words()}"


def exit_text(code: int) -> str:
    """How a process ended, from its exit code or (negative) signal."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def tail(log: Path) -> str:
    """The last lines of a log."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]) or "(the log is empty)"

"""The supervisor of a stack's node processes: forks them, holds them down or paused, restarts them on request only.

Theory. A node is a fork of a parent that has imported everything (`forks`), so that it starts in milliseconds and shares its
code pages. Its listening socket is bound by the parent, handed over with the order to begin and closed in the parent: once a
node is killed, no process has the socket, and its port really refuses. The parent keeps the port reserved meanwhile
(base/ports.py), so that no other program gets it before the node is started again.

Each node has a set of holds, by id. The state that it should be in is computed from the set (any `down`: killed; else
any `paused`: stopped; else running) and `_settle` takes it there, verified by what the kernel says. A node that ended
without having been killed is *dead*: reports carry its exit and the tail of its log until a restart is requested.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brownout.harness.base import ports as port_range
from brownout.harness.base import processes as system
from brownout.harness.effects import NodeEffect
from brownout.harness.worlds.processes.forks import RunNode, WaitingFork, fork_node
from brownout.identity.server.spec_file import END, ENDED, GO, PREPARE

EFFECTS = ("down", "paused")  # what this world can do to a node; the first that is held decides
READY_TIMEOUT_S = 15.0
STATE_TIMEOUT_S = 5.0
LIFE_END_S = 1.0  # within which a node's life ends when it is told to; its process is killed otherwise
LAST_LINES = 12

OWN = ""  # a node's own port, among its doors
NO_DOORS: Mapping[str, tuple[str, ...]] = {}


class SupervisorError(Exception):
    """A node could not be brought into the state that its holds ask for; the message names the node."""


@dataclass(slots=True)
class NodeProcess:
    """One node: its current process, `pid` 0 where there is none, our end of its `starting`, and the holds on it."""

    name: str
    port: int
    log: Path
    pid: int = 0
    channel: socket.socket | None = None
    ended: int | None = None
    holds: dict[str, NodeEffect] = field(default_factory=dict)

    @property
    def wanted(self) -> str:
        effects = {held.effect for held in self.holds.values()}
        return next((effect for effect in EFFECTS if effect in effects), "running")

    @property
    def state(self) -> str:
        """`running`, `paused`, `down` (killed by the supervisor, or not started) or `dead` (ended by itself)."""
        if self.pid:
            return "paused" if system.stopped(self.pid) else "running"
        return "down" if self.ended is None else "dead"

    def log_tail(self) -> str:
        return tail(self.log)

    def report(self) -> Mapping[str, Any]:
        seen = {"node": self.name, "port": self.port, "pid": self.pid, "state": self.state}
        holds = {fault_id: effect.to_json() for fault_id, effect in self.holds.items()}
        end = {} if self.ended is None else {"exit": exit_text(self.ended), "last_lines": self.log_tail()}
        lacking = {"lacking": [f"is {self.state}, though it is held {self.wanted}"]} if self.is_lacking() else {}
        return {**seen, "holds": holds, **lacking, **end}

    def is_lacking(self) -> bool:
        """Whether it is not in the state that its holds ask for, because another program changed it."""
        return self.wanted != "running" and self.state != self.wanted


class Supervisor:
    """All nodes of one stack. `run_node(name, await_order, starting)` is what a forked process runs until it ends.

    What it awaits are bound sockets, that of its own port under OWN, beside those of its `doors`. A node sends one byte on
    `starting` once it accepts connections, and receives one byte once all nodes started with it do.
    `taken` are ports that no node gets, because sidecars bind them. Not thread-safe: one caller at a time.
    """

    def __init__(
        self,
        names: Iterable[str],
        logs: Path,
        run_node: RunNode,
        *,
        doors: Mapping[str, tuple[str, ...]] = NO_DOORS,
        taken: Collection[int] = (),
    ) -> None:
        wanted = {name: (OWN, *doors.get(name, ())) for name in names}
        reserved = iter(port_range.reserve(sum(map(len, wanted.values())), besides=taken))
        self._reserved = {
            name: {door: port_range.ReservedPort(next(reserved)) for door in opened} for name, opened in wanted.items()
        }
        self._run_node = run_node
        self._standing_by: dict[str, WaitingFork] = {}
        self.processes = {
            name: NodeProcess(name, kept[OWN].port, logs / f"{name}.log") for name, kept in self._reserved.items()
        }

    def ports(self) -> Mapping[str, int]:
        return {name: process.port for name, process in self.processes.items()}

    def doors(self) -> Mapping[str, int]:
        """The port of each door, by its name."""
        return {door: kept.port for opened in self._reserved.values() for door, kept in opened.items() if door != OWN}

    def start_all(self, *, ready_within_s: float = 0.0) -> tuple[str, ...]:
        """Has every node begin, and returns when all accept connections; raises SupervisorError, with all of them ended.

        In a process that stands by, where it has one. Returns the nodes that did not say `ready_within_s` that they are ready.
        """
        gc.freeze()  # no collection may touch, and so copy, the pages that the processes share
        waiting: dict[str, socket.socket] = {}
        try:
            for process in self.processes.values():
                waiting[process.name] = self._begin(process)
            self._await_ready(waiting)
        except BaseException:
            self.end_all()
            self.dismiss()  # what stood by was for this start and no other
            raise
        return _unready(waiting, ready_within_s)

    def end_lives(self) -> None:
        """Ends every node. Its process stands by for the next `start_all`; one that did not end its life in time is killed."""
        self.reap()
        asked = [process for process in self.processes.values() if process.pid and _tell(process, END)]
        deadline_s = time.monotonic() + LIFE_END_S
        for process in asked:
            assert process.channel is not None, "it was told"
            if _has_ended_life(process.channel, deadline_s):
                self._standing_by[process.name] = WaitingFork(process.pid, process.channel)
                process.pid, process.channel = 0, None
        self.end_all()

    def prepare(self) -> None:
        """Has every node make ready for its next life, while this one goes on."""
        for process in self.processes.values():
            _tell(process, PREPARE)

    def end_all(self) -> None:
        """Kills every node and reaps it."""
        self.reap()
        for process in self.processes.values():
            if process.pid:
                os.kill(process.pid, signal.SIGKILL)  # all at once: they end side by side
        for process in self.processes.values():
            self._kill(process)

    def dismiss(self) -> None:
        """Ends every process that stands by."""
        while self._standing_by:
            self._standing_by.popitem()[1].end()

    def reap(self) -> None:
        """Records the exit code of every node that has ended by itself."""
        for process in self.processes.values():
            if process.pid:  # each by its number: waiting for any child would also take the exit codes of sidecars
                pid, status = os.waitpid(process.pid, os.WNOHANG)
                if pid:
                    process.pid, process.ended = 0, os.waitstatus_to_exitcode(status)

    def process(self, name: str) -> NodeProcess:
        """The node of that name as it is now; raises SupervisorError."""
        self.reap()
        if name not in self.processes:
            raise SupervisorError(f"the stack has no node {name!r}; it has {', '.join(self.processes)}")
        return self.processes[name]

    def hold(self, name: str, fault_id: str, effect: NodeEffect) -> Mapping[str, Any]:
        """Adds a hold (or replaces that id's) and returns the node's report once it is in force; raises SupervisorError."""
        process = self.process(name)
        if effect.effect not in EFFECTS:
            raise SupervisorError(f"a process cannot be {effect.effect}; it can be {' or '.join(EFFECTS)}")
        if process.state == "dead":
            raise SupervisorError(_exit_report(process))
        process.holds[fault_id] = effect  # stays when `_settle` fails, so that a release of this id can repair the node
        self._settle(process)
        return process.report()

    def release(self, name: str, fault_id: str) -> Mapping[str, Any]:
        """Removes a hold, a success also where there is none, and returns the report; raises SupervisorError."""
        process = self.process(name)
        process.holds.pop(fault_id, None)
        if process.state == "dead":
            raise SupervisorError(_exit_report(process))
        self._settle(process)
        return process.report()

    def require_free(self) -> None:
        """Raises SupervisorError where a node is held."""
        held = {process.name: ", ".join(process.holds) for process in self.processes.values() if process.holds}
        if held:
            names = "; ".join(f"{name} by {by}" for name, by in held.items())
            raise SupervisorError(f"nodes are held: {names}; release these first")

    def restart(self, name: str) -> Mapping[str, Any]:
        """Ends the node's process, if there is one, and starts a new one on the same port; raises SupervisorError."""
        process = self.process(name)
        if process.holds:
            raise SupervisorError(f"{name} is held by {', '.join(process.holds)}; release these before a restart")
        self._kill(process)
        self._settle(process)
        return process.report()

    def _settle(self, process: NodeProcess) -> None:
        """Takes the node to the state that its holds ask for; raises SupervisorError."""
        if process.wanted == "down":
            self._kill(process)
            if not system.await_true(lambda: port_range.refuses(process.port), STATE_TIMEOUT_S):
                raise SupervisorError(f"{process.name} was killed, but something still listens on its port {process.port}")
            return
        if not process.pid:
            self._await_ready({process.name: self._begin(process)})
        pause = process.wanted == "paused"
        # Both signals may be sent to a process that is in that state already. SIGSTOP works asynchronously: await it below.
        os.kill(process.pid, signal.SIGSTOP if pause else signal.SIGCONT)
        if not system.await_true(lambda: system.stopped(process.pid) == pause, STATE_TIMEOUT_S):
            raise SupervisorError(f"{process.name} (process {process.pid}) did not become {process.wanted}")

    def _kill(self, process: NodeProcess) -> None:
        self.reap()
        if process.pid:
            os.kill(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
            process.pid = 0
        process.ended = None

    def _begin(self, process: NodeProcess) -> socket.socket:
        """Starts the node, in the process that stands by for it or in a new one; returns our end of its `starting`.

        Raises SupervisorError.
        """
        reserved = self._reserved[process.name]
        for kept in reserved.values():
            kept.lend()  # until it is ready: the kernel looks again when the child listens
        try:
            listeners = {door: port_range.rebind(kept.port) for door, kept in reserved.items()}
        except port_range.NoPortError as taken:
            raise SupervisorError(f"{process.name} cannot start: {taken}") from taken
        forked = self._standing_by.pop(process.name, None)
        if forked is None or forked.has_ended():
            forked = fork_node(process.name, process.log, tuple(reserved), self._run_node)
        if process.channel is not None:
            process.channel.close()
        process.pid, process.channel, process.ended = forked.pid, forked.channel, None
        forked.order(listeners)
        for listener in listeners.values():
            listener.close()  # so that the port refuses once the child is dead
        return forked.channel

    def _await_ready(self, waiting: Mapping[str, socket.socket]) -> None:
        """Returns when every node has reported ready and been sent the go; raises SupervisorError otherwise."""
        names = {starting.fileno(): name for name, starting in waiting.items()}
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        poll = select.poll()
        for handle in names:
            poll.register(handle, select.POLLIN)
        with ExitStack() as lent:
            for name in waiting:
                for kept in self._reserved[name].values():
                    lent.callback(kept.keep)
            while names:  # readable means a byte (the node is ready) or the end of the stream (it has died)
                events = poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000)
                if not events:
                    late = self.processes[next(iter(names.values()))]
                    raise SupervisorError(f"{late.name} was not ready after {READY_TIMEOUT_S:g} s\n{late.log_tail()}")
                for handle, _ in events:
                    poll.unregister(handle)
                    name = names.pop(handle)
                    self._require_ready(self.processes[name], _byte_from(waiting[name]))
            for starting in waiting.values():
                starting.sendall(GO)

    def _require_ready(self, process: NodeProcess, received: bytes) -> None:
        """Raises SupervisorError where a process closed its end instead of sending its byte."""
        if received:
            return
        _, status = os.waitpid(process.pid, 0)  # returns soon: the other end is closed, so the process is ending
        process.pid, process.ended = 0, os.waitstatus_to_exitcode(status)
        raise SupervisorError(_exit_report(process))


def _byte_from(starting: socket.socket) -> bytes:
    """One byte, or none from a process that has ended."""
    try:
        return starting.recv(1)
    except ConnectionResetError:  # it ended before it had taken its order
        return b""


def _tell(process: NodeProcess, word: bytes) -> bool:
    """Sends a word to the node's process; False where it has ended."""
    if process.channel is None:
        return False
    try:
        process.channel.sendall(word)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _has_ended_life(channel: socket.socket, deadline_s: float) -> bool:
    """Whether a process says in time that its node's life is over."""
    while select.select([channel], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
        received = _byte_from(channel)
        if received in (b"", ENDED):  # what else comes was sent before it was told
            return received == ENDED
    return False


def _unready(waiting: Mapping[str, socket.socket], patience_s: float) -> tuple[str, ...]:
    """Those from which no second byte came in time, or that have ended."""
    deadline_s, late = time.monotonic() + patience_s, []
    for name, starting in waiting.items():
        heard, _, _ = select.select([starting], [], [], max(0.0, deadline_s - time.monotonic()))
        if not heard or not _byte_from(starting):
            late.append(name)
    return tuple(late)


def _exit_report(process: NodeProcess) -> str:
    how = exit_text(process.ended or 0)
    return f"{process.name} ended by itself ({how}). Last lines of {process.log}:\n{process.log_tail()}"


def exit_text(code: int) -> str:
    """How a process ended, from its exit code or (negative) signal."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def tail(log: Path) -> str:
    """The last lines of a log."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]) or "(the log is empty)"

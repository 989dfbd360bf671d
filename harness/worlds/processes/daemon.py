"""`python -m brownout.harness.worlds.processes.daemon SPEC.json`: the parent of a stack's processes, in its own session.

It starts the companions, binds a port for every node, opens the control socket in SPEC's folder and prints one JSON line:
`{"ok": true, "ports": {...}, "companions": {NAME: PID}}` or `{"ok": false, "error": ...}`. Then it imports, once, all
that nodes need, which is most of a start and leaves its starter time to make the links, and obeys the control socket:

    launch                        reads SPEC again (now with the links) and starts all nodes
    status                        every node and companion as it is
    read|restart  node            one node; a restart keeps its port
    hold          node id effect  effect `down` or `paused`
    release       node id
    stop                          ends everything

Whoever started it may end; the stack stays. When it ends itself, in whatever way, the kernel ends all that it started.
A daemon that nobody launches within a minute has lost its starter and ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from brownout.harness.base import processes as system
from brownout.harness.base.ports import NoPortError
from brownout.harness.worlds.processes import control
from brownout.harness.worlds.processes.family import Family, FamilyError, exit_text, tail
from brownout.identity.server.spec_file import Companion, ServedStack, read_served

LAUNCH_TIMEOUT_S = 60.0
REAP_INTERVAL_S = 1.0
LOG_FOLDER = "logs"
STATE_FOLDER = "state"
OWN_LOG = "stack.log"

Answer = Mapping[str, Any]
ServeNode = Callable[[ServedStack, str, Path, socket.socket, socket.socket], None]


class Stopped(BaseException):
    """Somebody asked the daemon to end; not an Exception, so that no handler of errors swallows it."""


class Companions:
    """Helper processes that live and die with the daemon."""

    def __init__(self, wanted: tuple[Companion, ...], logs: Path) -> None:
        self._logs = logs
        self._processes = {companion.name: self._start(companion) for companion in wanted}

    def _start(self, companion: Companion) -> subprocess.Popen[bytes]:
        """Raises OSError when the program cannot be run."""
        parent_pid = os.getpid()
        with (self._logs / f"{companion.name}.log").open("ab") as log:
            return subprocess.Popen(
                companion.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **companion.environment},
                preexec_fn=lambda: system.die_with_parent(parent_pid),
            )

    def pids(self) -> Mapping[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    def report(self) -> Mapping[str, Answer]:
        return {name: self._report(name, process) for name, process in self._processes.items()}

    def _report(self, name: str, process: subprocess.Popen[bytes]) -> Answer:
        code = process.poll()
        if code is None:
            return {"pid": process.pid, "state": "running"}
        return {"pid": 0, "state": "dead", "exit": exit_text(code), "last_lines": tail(self._logs / f"{name}.log")}

    def end_all(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


class Daemon:
    """Obeys the control socket for as long as the stack is up."""

    def __init__(self, spec_path: Path, served: ServedStack) -> None:
        self._spec_path = spec_path
        self._served = served
        self._folder = spec_path.parent
        taken = {companion.port for companion in served.companions}
        self._family = Family(served.stack.nodes(), self._folder / LOG_FOLDER, self._live, taken=taken)
        self._listener = control.listen(self._folder)
        self._launched = False
        self._commands: Mapping[str, Callable[[Answer], Answer]] = {
            "launch": lambda _: self._launch(),
            "read": lambda asked: self._family.child(str(asked["node"])).report(),
            "restart": lambda asked: self._family.restart(str(asked["node"])),
            "hold": lambda asked: self._family.hold(str(asked["node"]), str(asked["id"]), str(asked["effect"])),
            "release": lambda asked: self._family.release(str(asked["node"]), str(asked["id"])),
        }

    @property
    def ports(self) -> Mapping[str, int]:
        return self._family.ports()

    def run(self, companions: Companions) -> None:
        """Serves until it is stopped (raises Stopped) or, never launched, has waited long enough."""
        import_node_code()
        give_up_s = time.monotonic() + LAUNCH_TIMEOUT_S
        while self._launched or time.monotonic() < give_up_s:
            ready, _, _ = select.select([self._listener], [], [], REAP_INTERVAL_S)
            self._family.reap()
            if ready:
                connection, _ = self._listener.accept()
                with connection:
                    self._converse(connection, companions)

    def close(self) -> None:
        """Ends every node and gives the control socket up."""
        self._family.end_all()
        self._listener.close()
        (self._folder / control.SOCKET_NAME).unlink(missing_ok=True)

    def _converse(self, connection: socket.socket, companions: Companions) -> None:
        """One request and its answer; raises Stopped where the request ends the stack."""
        connection.settimeout(control.REQUEST_TIMEOUT_S)
        command = ""
        try:
            asked = control.read_line(connection)
            command = str(asked.get("command"))
            answer = self._status(companions) if command == "status" else self._obey(command, asked)
            control.write_line(connection, answer)
        except (OSError, ValueError) as broken:
            print(f"a request on the control socket broke off: {broken}", file=sys.stderr)  # noqa: T201  # the log
        if command == "stop" or (command == "launch" and not self._launched):
            raise Stopped

    def _obey(self, command: str, asked: Answer) -> Answer:
        if command == "stop":
            return {"ok": True}
        act = self._commands.get(command)
        if act is None:
            return {"ok": False, "error": f"unknown command {command!r}; known: {', '.join(self._commands)}"}
        try:
            return {"ok": True, **act(asked)}
        except KeyError as missing:
            return {"ok": False, "error": f"{command} needs {missing}"}
        except (FamilyError, OSError, ValueError) as failed:
            return {"ok": False, "error": str(failed)}

    def _launch(self) -> Answer:
        if self._launched:
            raise FamilyError("the stack has been launched already")
        self._served = read_served(self._spec_path)
        self._family.start_all()
        self._launched = True
        return {"ports": self.ports}

    def _status(self, companions: Companions) -> Answer:
        nodes = {name: child.report() for name, child in self._family.children.items()}
        return {"ok": True, "pid": os.getpid(), "nodes": nodes, "companions": companions.report()}

    def _live(self, name: str, listener: socket.socket, starting: socket.socket) -> None:
        import_node_code()(self._served, name, self._folder / STATE_FOLDER, listener, starting)


def import_node_code() -> ServeNode:
    """What a node's process runs. The first call is slow and is made by the parent, so that forks need none."""
    from brownout.identity.server.serve import run_node

    return run_node


def main(spec_path: Path) -> int:
    """The daemon's life; returns its exit code."""
    _detach()
    folder = spec_path.parent
    companions: Companions | None = None
    daemon: Daemon | None = None
    try:
        served = read_served(spec_path)
        for name in (LOG_FOLDER, STATE_FOLDER):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        companions = Companions(served.companions, folder / LOG_FOLDER)
        daemon = Daemon(spec_path, served)
        started = {"ok": True, "ports": daemon.ports, "companions": companions.pids()}
        _say(started, folder / LOG_FOLDER / OWN_LOG)
        daemon.run(companions)
    except Stopped:
        return 0
    except (OSError, ValueError, NoPortError) as failed:
        _say({"ok": False, "error": str(failed)}, Path(os.devnull))
        return 1
    finally:
        if daemon is not None:
            daemon.close()
        if companions is not None:
            companions.end_all()
    return 0


def _detach() -> None:
    """Leaves the starter's session where that is still to be done, and takes SIGTERM and SIGINT as `stop`."""
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _say(line: Answer, log: Path) -> None:
    """Tells the starter the one line that it waits for; from here on standard output is the log."""
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, sys.stdout.fileno())
    os.dup2(handle, sys.stderr.fileno())
    os.close(handle)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))

"""`python -m brownout.harness.worlds.processes.daemon SPEC.json`: the parent of a stack's processes, in its own session.

It starts the sidecars, binds a port for every node, opens the supervisor socket in SPEC's folder and prints one JSON line:
`{"ok": true, "ports": {...}, "sidecars": {NAME: PID}}` or `{"ok": false, "error": ...}`. Then it imports, once, all that
nodes need. This takes most of a start; meanwhile the starter makes the links. Then it serves the supervisor socket:

    launch                        reads SPEC again (now with the links) and starts all nodes
    status                        every node and sidecar as it is
    read|restart  node            one node; a restart keeps its port
    hold          node id effect  effect `down` or `paused`
    release       node id
    stop                          ends everything

The stack outlives the process that started the daemon. However the daemon ends, the kernel ends all processes that it
started. A daemon that gets no `launch` within LAUNCH_TIMEOUT_S assumes that its starter is dead and ends.
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
from brownout.harness.effects import NodeEffect
from brownout.harness.errors import WorldError
from brownout.harness.worlds.processes import supervisor_socket
from brownout.harness.worlds.processes.supervisor import Supervisor, SupervisorError, exit_text, tail
from brownout.identity.server.spec_file import ServedStack, Sidecar, read_served

LAUNCH_TIMEOUT_S = 60.0
REAP_INTERVAL_S = 1.0
LOG_FOLDER = "logs"
STATE_FOLDER = "state"
OWN_LOG = "stack.log"

Reply = Mapping[str, Any]
ServeNode = Callable[[ServedStack, str, Path, socket.socket, socket.socket], None]


class Stopped(BaseException):
    """The daemon was asked to end; not an Exception, so that no handler of errors swallows it."""


class Sidecars:
    """Helper processes, such as Toxiproxy, that end with the daemon."""

    def __init__(self, wanted: tuple[Sidecar, ...], logs: Path) -> None:
        self._logs = logs
        self._processes = {sidecar.name: self._start(sidecar) for sidecar in wanted}

    def _start(self, sidecar: Sidecar) -> subprocess.Popen[bytes]:
        """Raises OSError when the program cannot be run."""
        parent_pid = os.getpid()
        with (self._logs / f"{sidecar.name}.log").open("ab") as log:
            return subprocess.Popen(
                sidecar.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **sidecar.environment},
                preexec_fn=lambda: system.die_with_parent(parent_pid),
            )

    def pids(self) -> Mapping[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    def report(self) -> Mapping[str, Reply]:
        return {name: self._report(name, process) for name, process in self._processes.items()}

    def _report(self, name: str, process: subprocess.Popen[bytes]) -> Reply:
        code = process.poll()
        if code is None:
            return {"pid": process.pid, "state": "running"}
        return {"pid": 0, "state": "dead", "exit": exit_text(code), "last_lines": tail(self._logs / f"{name}.log")}

    def end_all(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


class Daemon:
    """Serves the supervisor socket for as long as the stack is up."""

    def __init__(self, spec_path: Path, served: ServedStack) -> None:
        self._spec_path = spec_path
        self._served = served
        self._folder = spec_path.parent
        taken = {sidecar.port for sidecar in served.sidecars}
        self._supervisor = Supervisor(served.stack.nodes(), self._folder / LOG_FOLDER, self._run_node, taken=taken)
        self._listener = supervisor_socket.listen(self._folder)
        self._launched = False
        self._commands: Mapping[str, Callable[[Reply], Reply]] = {
            "launch": lambda _: self._launch(),
            "read": lambda asked: self._supervisor.process(str(asked["node"])).report(),
            "restart": lambda asked: self._supervisor.restart(str(asked["node"])),
            "hold": lambda asked: self._supervisor.hold(str(asked["node"]), str(asked["id"]), NodeEffect.from_json(asked)),
            "release": lambda asked: self._supervisor.release(str(asked["node"]), str(asked["id"])),
        }

    @property
    def ports(self) -> Mapping[str, int]:
        return self._supervisor.ports()

    def run(self, sidecars: Sidecars) -> None:
        """Serves requests; raises Stopped on `stop`, and returns when no `launch` came within LAUNCH_TIMEOUT_S."""
        import_node_code()
        give_up_s = time.monotonic() + LAUNCH_TIMEOUT_S
        while self._launched or time.monotonic() < give_up_s:
            ready, _, _ = select.select([self._listener], [], [], REAP_INTERVAL_S)
            self._supervisor.reap()
            if ready:
                connection, _ = self._listener.accept()
                with connection:
                    self._serve_request(connection, sidecars)

    def close(self) -> None:
        """Ends every node and removes the supervisor socket."""
        self._supervisor.end_all()
        self._listener.close()
        (self._folder / supervisor_socket.SOCKET_NAME).unlink(missing_ok=True)

    def _serve_request(self, connection: socket.socket, sidecars: Sidecars) -> None:
        """One request and its answer; raises Stopped where the request ends the stack."""
        connection.settimeout(supervisor_socket.REQUEST_TIMEOUT_S)
        command = ""
        try:
            asked = supervisor_socket.read_line(connection)
            command = str(asked.get("command"))
            answer = self._status(sidecars) if command == "status" else self._execute(command, asked)
            supervisor_socket.write_line(connection, answer)
        except (OSError, ValueError) as broken:
            print(f"a request on the supervisor socket broke off: {broken}", file=sys.stderr)  # noqa: T201  # the log
        # The answer is sent by now. A failed launch ends the daemon too: it left no node, and the starter gives up.
        if command == "stop" or (command == "launch" and not self._launched):
            raise Stopped

    def _execute(self, command: str, asked: Reply) -> Reply:
        if command == "stop":
            return {"ok": True}
        act = self._commands.get(command)
        if act is None:
            return {"ok": False, "error": f"unknown command {command!r}; known: {', '.join(self._commands)}"}
        try:
            return {"ok": True, **act(asked)}
        except KeyError as missing:
            return {"ok": False, "error": f"{command} needs {missing}"}
        except (SupervisorError, WorldError, OSError, ValueError) as failed:
            return {"ok": False, "error": str(failed)}

    def _launch(self) -> Reply:
        if self._launched:
            raise SupervisorError("the stack has been launched already")
        self._served = read_served(self._spec_path)
        self._supervisor.start_all()
        self._launched = True
        return {"ports": self.ports}

    def _status(self, sidecars: Sidecars) -> Reply:
        nodes = {name: process.report() for name, process in self._supervisor.processes.items()}
        return {"ok": True, "pid": os.getpid(), "nodes": nodes, "sidecars": sidecars.report()}

    def _run_node(self, name: str, listener: socket.socket, starting: socket.socket) -> None:
        import_node_code()(self._served, name, self._folder / STATE_FOLDER, listener, starting)


def import_node_code() -> ServeNode:
    """The function that a node's process runs. The first call imports it, in the parent, so that forks find it imported."""
    from brownout.identity.server.serve import run_node

    return run_node


def main(spec_path: Path) -> int:
    """Runs the daemon until its end; returns its exit code."""
    _detach()
    folder = spec_path.parent
    sidecars: Sidecars | None = None
    daemon: Daemon | None = None
    try:
        served = read_served(spec_path)
        for name in (LOG_FOLDER, STATE_FOLDER):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        sidecars = Sidecars(served.sidecars, folder / LOG_FOLDER)
        daemon = Daemon(spec_path, served)
        started = {"ok": True, "ports": daemon.ports, "sidecars": sidecars.pids()}
        _report(started, folder / LOG_FOLDER / OWN_LOG)
        daemon.run(sidecars)
    except Stopped:
        return 0
    except (OSError, ValueError, NoPortError) as failed:
        _report({"ok": False, "error": str(failed)}, Path(os.devnull))
        return 1
    finally:
        if daemon is not None:
            daemon.close()
        if sidecars is not None:
            sidecars.end_all()
    return 0


def _detach() -> None:
    """Leaves the starter's session, unless it leads one already, and makes SIGTERM and SIGINT mean `stop`."""
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _report(line: Reply, log: Path) -> None:
    """Prints the line that the starter waits for, then redirects standard output and error to `log`."""
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, sys.stdout.fileno())
    os.dup2(handle, sys.stderr.fileno())
    os.close(handle)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))

"""`python -m brownout.harness.worlds.processes.daemon SPEC.json`: the parent of a stack's processes, in its own session.

It starts the sidecars, reserves a port for every node, door and link, opens the supervisor socket in SPEC's folder and prints
one JSON line: `{"ok": true, "ports": {...}, "links": {...}, "doors": {...}, "sidecars": {NAME: PID}}` or
`{"ok": false, "error": ...}`. Then it imports, once, all that nodes need. This takes most of a start; meanwhile the starter
makes the links. Then it serves the supervisor socket:

    launch                        reads SPEC again (now with the links) and starts all nodes
    status                        every node and sidecar as it is
    read|restart  node            one node; a restart keeps its port
    hold          node id effect  effect `down` or `paused`
    release       node id
    lend|keep     link          lets Toxiproxy bind the link's port, until `keep`, or for LEND_S at the most
    restart-sidecar  name       starts a sidecar that has ended again, its port and all links' ports lent until `keep-all`
    keep-all
    renew                         ends every node's life and has it begin anew in its process, without anything that it stored,
                                  and answers which of them are not ready yet; refused while one is held
    prepare                       has every node make ready for the next `renew`, once this is answered
    stop                          ends everything

The stack outlives the process that started the daemon. However the daemon ends, the kernel ends all processes that it
started. A daemon that gets no `launch` within LAUNCH_TIMEOUT_S assumes that its starter is dead and ends. It ends also when
its folder is gone, or SPEC: no command could find it any more, to take the stack down.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import orjson

from brownout.harness.base import ports
from brownout.harness.base import processes as system
from brownout.harness.base.ports import NoPortError
from brownout.harness.effects import NodeEffect
from brownout.harness.errors import WorldError
from brownout.harness.worlds.processes import supervisor_socket
from brownout.harness.worlds.processes.forks import AwaitOrder, Listeners
from brownout.harness.worlds.processes.supervisor import OWN, Supervisor, SupervisorError, exit_text, tail
from brownout.identity.core.topology import EDGE_NODE
from brownout.identity.server.spec_file import ServedStack, Sidecar, read_served

LAUNCH_TIMEOUT_S = 60.0
REAP_INTERVAL_S = 1.0
LEND_S = 2.0
READY_PATIENCE_S = 1.0
LOG_FOLDER = "logs"
STATE_FOLDER = "state"
OWN_LOG = "stack.log"

Reply = Mapping[str, Any]


class ServeNode(Protocol):
    """brownout.identity.server.serve.run_node, which is imported late."""

    def __call__(
        self,
        served: ServedStack,
        name: str,
        folders: Iterator[Path],
        opening: Callable[[], tuple[socket.socket, Listeners]],
        starting: socket.socket,
    ) -> None: ...


class Stopped(BaseException):
    """The daemon was asked to end; not an Exception, so that no handler of errors swallows it."""


class Sidecars:
    """Helper processes, such as Toxiproxy, that end with the daemon."""

    def __init__(self, wanted: tuple[Sidecar, ...], logs: Path) -> None:
        self._logs = logs
        self._wanted = {sidecar.name: sidecar for sidecar in wanted}
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

    def restart(self, name: str) -> Reply:
        """Starts one that has ended again and returns its pid; one that runs is left alone. Raises OSError, KeyError."""
        if self._processes[name].poll() is not None:
            self._processes[name] = self._start(self._wanted[name])
        return {"pid": self._processes[name].pid}

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


class LentPorts:
    """The ports of the links, reserved for as long as the stack stands, and lent to Toxiproxy for the moment of a bind.

    They are lent from the start until the launch, because the starter has the links made meanwhile. Raises NoPortError.
    """

    def __init__(self, links: tuple[str, ...], besides: Collection[int]) -> None:
        sockets = ports.reserve(len(links), besides=besides)
        self._reserved = {link: ports.ReservedPort(bound) for link, bound in zip(links, sockets, strict=True)}
        self._until_s: dict[str, float] = {}
        self.lend_all()

    def links(self) -> Mapping[str, int]:
        return {link: kept.port for link, kept in self._reserved.items()}

    def lend(self, link: str) -> Reply:
        """Raises KeyError for no link of the stack."""
        self._reserved[link].lend()
        self._until_s[link] = time.monotonic() + LEND_S
        return {}

    def keep(self, link: str) -> Reply:
        self._reserved[link].keep()
        self._until_s.pop(link, None)
        return {}

    def lend_all(self) -> None:
        for kept in self._reserved.values():
            kept.lend()

    def keep_all(self) -> Reply:
        for link in self._reserved:
            self.keep(link)
        return {}

    def keep_overdue(self) -> None:
        """Keeps again what a borrower that was killed did not give back."""
        now_s = time.monotonic()
        for link in [link for link, until_s in self._until_s.items() if until_s < now_s]:
            self.keep(link)


class Daemon:
    """Serves the supervisor socket for as long as the stack is up."""

    def __init__(self, spec_path: Path, served: ServedStack, sidecars: Sidecars) -> None:
        self._spec_path = spec_path
        self._served = served
        self._folder = spec_path.parent
        self._place = _place_of(self._folder)
        self._sidecars = sidecars
        taken = {sidecar.port for sidecar in served.sidecars}
        nodes, doors = served.stack.nodes(), {EDGE_NODE: served.stack.doors()}
        self._supervisor = Supervisor(nodes, self._folder / LOG_FOLDER, self._run_node, doors=doors, taken=taken)
        self._lent = LentPorts(tuple(map(str, served.stack.links())), taken)
        self._listener = supervisor_socket.listen(self._folder)
        self._launched = False
        self._life = 0
        self._idle_work: Iterator[None] = iter(())
        self._commands: Mapping[str, Callable[[Reply], Reply]] = {
            "launch": lambda _: self._launch(),
            "read": lambda asked: self._supervisor.process(str(asked["node"])).report(),
            "restart": lambda asked: self._supervisor.restart(str(asked["node"])),
            "hold": lambda asked: self._supervisor.hold(str(asked["node"]), str(asked["id"]), NodeEffect.from_json(asked)),
            "release": lambda asked: self._supervisor.release(str(asked["node"]), str(asked["id"])),
            "lend": lambda asked: self._lent.lend(str(asked["link"])),
            "keep": lambda asked: self._lent.keep(str(asked["link"])),
            "restart-sidecar": lambda asked: self._restart_sidecar(str(asked["name"])),
            "keep-all": lambda _: self._lent.keep_all(),
            "renew": lambda _: self._renew(),
            "prepare": lambda _: self._prepare(),
        }

    @property
    def ports(self) -> Mapping[str, int]:
        return self._supervisor.ports()

    @property
    def doors(self) -> Mapping[str, int]:
        return self._supervisor.doors()

    @property
    def links(self) -> Mapping[str, int]:
        return self._lent.links()

    def run(self) -> None:
        """Serves requests; raises Stopped on `stop`. Returns when no `launch` came in time, or the folder is gone."""
        import_node_code(self._served.stack.vendors)
        give_up_s = time.monotonic() + LAUNCH_TIMEOUT_S
        while (self._launched or time.monotonic() < give_up_s) and self._can_be_found():
            ready, _, _ = select.select([self._listener], [], [], 0 if self._has_worked() else REAP_INTERVAL_S)
            self._supervisor.reap()
            self._lent.keep_overdue()
            if ready:
                connection, _ = self._listener.accept()
                with connection:
                    self._serve_request(connection)

    def _can_be_found(self) -> bool:
        """Whether the folder is still this one, with the specification that every command needs to reach the stack."""
        return _place_of(self._folder) == self._place and self._spec_path.exists()

    def close(self) -> None:
        """Ends every node and removes the supervisor socket."""
        self._supervisor.end_all()
        self._supervisor.dismiss()
        self._listener.close()
        (self._folder / supervisor_socket.SOCKET_NAME).unlink(missing_ok=True)

    def _serve_request(self, connection: socket.socket) -> None:
        """One request and its answer; raises Stopped where the request ends the stack."""
        connection.settimeout(supervisor_socket.REQUEST_TIMEOUT_S)
        command = ""
        try:
            asked = supervisor_socket.read_line(connection)
            command = str(asked.get("command"))
            answer = self._status() if command == "status" else self._execute(command, asked)
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
        self._lent.keep_all()  # every link listens by now
        self._supervisor.start_all()
        gc.enable()
        self._launched = True
        return {"ports": self.ports}

    def _renew(self) -> Reply:
        self._supervisor.require_free()
        self._supervisor.end_lives()
        self._life += 1
        self._state(self._life).mkdir(mode=0o700, exist_ok=True)
        return {"unready": self._supervisor.start_all(ready_within_s=READY_PATIENCE_S)}

    def _prepare(self) -> Reply:
        self._idle_work = self._preparing()
        return {}

    def _preparing(self) -> Iterator[None]:
        """What the next reset needs, in pieces that are over in milliseconds; then removes what the last one left behind."""
        self._state(self._life + 1).mkdir(mode=0o700, exist_ok=True)
        self._supervisor.prepare()
        yield
        for ended in range(self._life):
            if self._state(ended).exists():
                shutil.rmtree(self._state(ended))
                yield

    def _state(self, life: int) -> Path:
        """Where the nodes of that life have their records: a folder of its own, because emptying one takes longer."""
        return self._folder / (f"{STATE_FOLDER}.{life}" if life else STATE_FOLDER)

    def _has_worked(self) -> bool:
        """Does the next piece of the idle work; False where there is none."""
        try:
            return next(self._idle_work, self) is not self
        except OSError as failed:  # the next reset takes longer then
            print(f"cannot prepare a reset: {failed}", file=sys.stderr)  # noqa: T201  # the log
            return False

    def _restart_sidecar(self, name: str) -> Reply:
        self._lent.lend_all()
        return self._sidecars.restart(name)

    def _status(self) -> Reply:
        nodes = {name: process.report() for name, process in self._supervisor.processes.items()}
        return {"ok": True, "pid": os.getpid(), "nodes": nodes, "sidecars": self._sidecars.report()}

    def _run_node(self, name: str, await_order: AwaitOrder, starting: socket.socket) -> None:
        def opening() -> tuple[socket.socket, Listeners]:
            listeners = await_order()
            return listeners[OWN], {door: listener for door, listener in listeners.items() if door != OWN}

        import_node_code()(self._served, name, map(self._state, count(self._life)), opening, starting)


def import_node_code(vendors: tuple[str, ...] = ()) -> ServeNode:
    """The function that a node's process runs. The first call, in the parent, imports all that forks of a stack need."""
    from brownout.identity import roles
    from brownout.identity.server.serve import run_node

    roles.load(vendors)
    return run_node


def main(spec_path: Path) -> int:
    """Runs the daemon until its end; returns its exit code."""
    _detach()
    gc.disable()  # until the nodes have started: looking again and again at what is imported takes a tenth of a start
    folder = spec_path.parent
    sidecars: Sidecars | None = None
    daemon: Daemon | None = None
    try:
        served = read_served(spec_path)
        for name in (LOG_FOLDER, STATE_FOLDER):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        sidecars = Sidecars(served.sidecars, folder / LOG_FOLDER)
        daemon = Daemon(spec_path, served, sidecars)
        started = {"ok": True, "ports": daemon.ports, "links": daemon.links, "doors": daemon.doors, "sidecars": sidecars.pids()}
        _report(started, folder / LOG_FOLDER / OWN_LOG)
        daemon.run()
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


def _place_of(folder: Path) -> tuple[int, int]:
    """The identity of the folder, which one of the same name that is made later does not have; zeros when it is gone."""
    try:
        found = folder.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


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

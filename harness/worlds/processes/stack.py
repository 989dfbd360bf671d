"""Bringing a stack of local processes up and taking it down, so that nothing is ever left behind.

Theory. One daemon (`daemon`) is the parent of every node and of Toxiproxy, and the kernel ends them all
when it ends. So a stack is taken down by ending one process, also after `kill -9` of anything; and because the daemon is
written to `world.json` before it has done anything, a command that comes later finds it whatever became of the starter.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from brownout.harness.base import processes as system
from brownout.harness.base.files import OWNER_ONLY, read_regular, replace_whole
from brownout.harness.base.ports import HOST, NoPortError, free_ports
from brownout.harness.base.processes import ProcessId
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.worlds.catalog import PROCESSES
from brownout.harness.worlds.live.served_file import write_served
from brownout.harness.worlds.live.trust import CA_NAME, TRUST_NAME, make_trust
from brownout.harness.worlds.processes import supervisor_socket
from brownout.harness.worlds.processes.daemon import LOG_FOLDER, OWN_LOG
from brownout.harness.worlds.toxiproxy.client import Toxiproxy, ToxiproxyError
from brownout.harness.worlds.toxiproxy.install import HOW_BUILT
from brownout.identity.core.topology import CLIENT, Link, StackSpec
from brownout.identity.server.clock import Clock
from brownout.identity.server.spec_file import ServedStack, Sidecar

SCHEMA = "brownout/world/v1"
RECORD_NAME, SPEC_NAME = "world.json", "spec.json"
TOXIPROXY = "toxiproxy"
ANSWER_TIMEOUT_S = 15.0
TOXIPROXY_TIMEOUT_S = 5.0
END_TIMEOUT_S = 5.0
PORT_ATTEMPTS = 3
CONFLICT = 409
PORT_TAKEN = "address already in use"
_HINT = "`brownout doctor` looks for what may be wrong with this machine"


@dataclass(frozen=True, slots=True)
class ProcessStack:
    """A stack that runs, or is on its way up: all that another process needs to drive it or to end it."""

    folder: Path
    daemon: ProcessId
    toxiproxy_url: str
    ports: Mapping[str, int] = field(default_factory=dict)
    sidecars: tuple[ProcessId, ...] = ()

    def write(self) -> None:
        row = {"schema": SCHEMA, "world": PROCESSES, **asdict(self), "folder": str(self.folder)}
        content = orjson.dumps(row, option=orjson.OPT_INDENT_2)
        # durable: only by this file can a later command find the stack's processes and end them
        replace_whole(self.folder / RECORD_NAME, content, durable=True, mode=OWNER_ONLY)


def _process_id(row: Mapping[str, Any]) -> ProcessId:
    """A process of a record; raises TypeError, KeyError or ValueError."""
    found = ProcessId.from_ticks(**row) if "start_ticks" in row else ProcessId(**row)
    if type(found.pid) is not int or found.pid < 1 or not isinstance(found.started, str):
        raise ValueError(f"{row} is no process")
    return found


def read_process_stack(folder: Path) -> ProcessStack:
    """The stack of `folder` as recorded, alive or not; raises StackGone when none is recorded."""
    try:
        row = orjson.loads(read_regular(folder / RECORD_NAME))
        if row["schema"] != SCHEMA:
            raise WorldError(f"{folder / RECORD_NAME} is of another version ({row['schema']}, not {SCHEMA})")
        # earlier versions called them companions
        sidecars = tuple(map(_process_id, row["sidecars"] if "sidecars" in row else row["companions"]))
        ports = {str(node): int(port) for node, port in row["ports"].items()}
        return ProcessStack(folder, _process_id(row["daemon"]), str(row["toxiproxy_url"]), ports, sidecars)
    except FileNotFoundError:
        raise StackGone(f"no stack is up in {folder}", hint="`brownout up` brings one up") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        hint = "by it a stack's processes are found: end them by hand, if they run, and remove its folder"
        raise WorldError(f"{folder / RECORD_NAME} cannot be read: {wrong}", hint=hint) from wrong


def bring_up(stack: StackSpec, folder: Path, *, epoch_s: float, rate: float, binary: Path) -> tuple[ProcessStack, ServedStack]:
    """Starts every process of the stack and returns when all nodes accept connections.

    The stack's clock starts just before its nodes do. Raises WorldError, with nothing left running.
    """
    _check(folder, binary)
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            return _raise(stack, folder, epoch_s=epoch_s, rate=rate, binary=binary)
        except WorldError as failed:
            # Between the look and the bind another program may have taken one of the ports.
            if attempt == PORT_ATTEMPTS or PORT_TAKEN not in failed.message:
                raise
    raise AssertionError("the last attempt returns or raises")


def _raise(stack: StackSpec, folder: Path, *, epoch_s: float, rate: float, binary: Path) -> tuple[ProcessStack, ServedStack]:
    (folder / LOG_FOLDER / f"{TOXIPROXY}.log").unlink(missing_ok=True)  # its end decides below
    api_port = _free_port()
    argv = (str(binary), "-host", HOST, "-port", str(api_port))
    sidecar = Sidecar(TOXIPROXY, argv, {"LOG_LEVEL": "error"}, api_port)
    served = ServedStack(stack, Clock.starting_now(epoch_s, rate), sidecars=(sidecar,))
    write_served(folder / SPEC_NAME, served)
    running, answer = _spawn(folder, api_port)
    try:
        running, told = _await_report(running, answer)
        _await_toxiproxy(running, api_port)
        links = _make_links(Toxiproxy(running.toxiproxy_url), stack, running.ports, told["links"])
        served = _with_edge(_linked(served, links), told["doors"], folder)
        served = replace(served, clock=Clock.starting_now(epoch_s, rate))  # it starts anew: bringing up took time
        check_topology(served, running.ports)
        write_served(folder / SPEC_NAME, served)
        ask(folder, "launch")
    except BaseException:
        take_down(running)
        raise
    return running, served


def take_down(running: ProcessStack) -> None:
    """Ends every process of the stack and removes its secrets; logs stay. May run twice; raises WorldError."""
    # Listed first: once the daemon is dead, the kernel no longer says which processes were its children. Those of another
    # process that has its pid by now are not ours.
    children = system.children(running.daemon.pid) if running.daemon.alive() else ()
    members = (running.daemon, *children, *running.sidecars)
    if running.daemon.alive():
        try:
            supervisor_socket.ask(running.folder, "stop")
        except supervisor_socket.SupervisorSocketError:
            running.daemon.kill()
    if not system.await_true(lambda: not running.daemon.alive(), END_TIMEOUT_S):
        running.daemon.kill()
    _reap(running.daemon.pid)
    if not system.await_true(lambda: not any(process.alive() for process in members), END_TIMEOUT_S):
        left = ", ".join(str(process.pid) for process in members if process.alive())
        raise WorldError(f"processes {left} of the stack in {running.folder} do not end")
    for name in (SPEC_NAME, supervisor_socket.SOCKET_NAME, CA_NAME, TRUST_NAME, RECORD_NAME):
        try:
            (running.folder / name).unlink(missing_ok=True)
        except OSError as failed:  # such as a folder in its place
            problem = f"{running.folder / name} cannot be removed: {failed.strerror or failed}"
            raise WorldError(problem, hint="nothing of the stack runs any more; remove its folder by hand") from failed


def ask(folder: Path, command: str, **details: Any) -> Mapping[str, Any]:
    """One request to the stack's daemon; raises WorldError with its error message."""
    try:
        return supervisor_socket.ask(folder, command, **details)
    except supervisor_socket.SupervisorSocketError as failed:
        hint = "" if failed.answered else "`brownout status` shows whether the stack still runs, `brownout down` takes it away"
        raise WorldError(str(failed), hint=hint) from failed


def check_topology(served: ServedStack, ports: Mapping[str, int]) -> None:
    """Checks that every address given to a node or client is a proxy's, with one proxy for each link; raises WorldError."""
    wanted = {str(link) for link in served.stack.links()}
    if served.links.keys() != wanted or len(set(served.links.values())) != len(wanted):
        raise WorldError("the stack's links and their proxies are not one to one")
    own = {f"{HOST}:{port}" for port in ports.values()}
    given = {address for node in served.stack.nodes() for address in served.addresses_for(node).values()}
    nodes = served.stack.nodes()
    given |= {url.removeprefix("http://") for name, url in served.stack.public_urls.items() if name in nodes}
    if given & own or not given <= set(served.links.values()):
        raise WorldError(f"a node or client would go round its link, at {', '.join(sorted(given & own))}")


def _check(folder: Path, binary: Path) -> None:
    if not sys.platform.startswith("linux"):
        raise WorldError("the world `processes` needs Linux", hint="use --world simulation")
    if shutil.which(binary) is None:
        raise WorldError(f"Toxiproxy is not at {binary}", hint=HOW_BUILT)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / RECORD_NAME).exists() and read_process_stack(folder).daemon.alive():
        raise WorldError(f"a stack is up in {folder} already", hint="`brownout down` takes it down")


def _free_port() -> int:
    try:
        return free_ports(1)[0]
    except NoPortError as none:
        raise WorldError(str(none), hint=_HINT) from none


def _spawn(folder: Path, api_port: int) -> tuple[ProcessStack, int]:
    """Starts the daemon and records it. Also returns the file descriptor from which its first line can be read."""
    (folder / LOG_FOLDER).mkdir(mode=0o700, exist_ok=True)
    reader, writer = os.pipe()
    log = str(folder / LOG_FOLDER / OWN_LOG)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    ]
    command = [sys.executable, "-P", "-m", "brownout.harness.worlds.processes.daemon", str(folder / SPEC_NAME)]
    try:
        pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)
    except OSError as failed:
        os.close(reader)
        raise WorldError(f"{sys.executable} cannot be started: {failed}", hint=_HINT) from failed
    finally:
        os.close(writer)
    # Recorded before anything else: if this process is killed now, a later command finds the daemon and can end it.
    try:
        running = ProcessStack(folder, ProcessId.of(pid) or ProcessId(pid, ""), f"http://{HOST}:{api_port}")
        running.write()
    except BaseException as failed:  # no room on the disk, no file descriptor: no command would ever find it
        os.kill(pid, signal.SIGKILL)
        _reap(pid)
        os.close(reader)
        if isinstance(failed, OSError):
            raise WorldError(f"the stack cannot be recorded: {failed}", hint=_HINT) from failed
        raise
    return running, reader


def _await_report(running: ProcessStack, reader: int) -> tuple[ProcessStack, Mapping[str, Any]]:
    """Waits for the daemon's first line, and records what it says; also returns that line. Raises WorldError."""
    received = b""
    deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
    try:
        while not received.endswith(b"\n"):
            ready, _, _ = select.select([reader], [], [], max(0.0, deadline_s - time.monotonic()))
            chunk = os.read(reader, 65536) if ready else b""
            if not chunk:
                what = "ended" if ready else f"said nothing for {ANSWER_TIMEOUT_S:g} s"
                raise WorldError(f"the stack's parent process {what}\n{_last_lines(running, OWN_LOG)}", hint=_HINT)
            received += chunk
    finally:
        os.close(reader)
    answer = orjson.loads(received)
    if not answer["ok"]:
        raise WorldError(f"the stack cannot start: {answer['error']}", hint=_HINT)
    started = tuple(found for found in map(ProcessId.of, answer["sidecars"].values()) if found is not None)
    running = replace(running, ports=answer["ports"], sidecars=started)
    running.write()
    return running, answer


def _await_toxiproxy(running: ProcessStack, api_port: int) -> None:
    """Returns when *our* Toxiproxy answers on its port; raises WorldError."""
    log = TOXIPROXY + ".log"

    def listening() -> bool:
        return _living(running) and api_port in system.listening_ports(running.sidecars[0].pid)

    def settled() -> bool:  # where its port is taken, Toxiproxy logs that and keeps running
        return listening() or not _living(running) or PORT_TAKEN in _last_lines(running, log)

    if not (system.await_true(settled, TOXIPROXY_TIMEOUT_S) and listening()):
        problem = f"did not open its port {api_port}" if _living(running) else "ended at once"
        raise WorldError(f"Toxiproxy {problem}\n{_last_lines(running, log)}", hint=_HINT)
    Toxiproxy(running.toxiproxy_url).wait_ready(TOXIPROXY_TIMEOUT_S)


def _living(running: ProcessStack) -> bool:
    return bool(running.sidecars) and all(process.alive() for process in running.sidecars)


def _make_links(
    toxiproxy: Toxiproxy, stack: StackSpec, ports: Mapping[str, int], link_ports: Mapping[str, int]
) -> Mapping[str, str]:
    """One proxy for every link, on the port that the daemon has reserved for it; raises WorldError."""
    wanted = {name: (f"{HOST}:{port}", f"{HOST}:{ports[Link.parse(name).target]}") for name, port in link_ports.items()}
    assert wanted.keys() == {str(link) for link in stack.links()}
    return toxiproxy.create_many(wanted)


def dead_toxiproxy(folder: Path) -> str:
    """How the stack's Toxiproxy ended, "" while it runs; raises WorldError."""
    found = ask(folder, "status").get("sidecars", {}).get(TOXIPROXY, {})
    return str(found.get("exit", "")) if found.get("state") == "dead" else ""


def repair_toxiproxy(running: ProcessStack, served: ServedStack) -> ProcessStack:
    """Starts a Toxiproxy that has ended again, with the links where they were; their holds are lost. Raises WorldError."""
    (running.folder / LOG_FOLDER / f"{TOXIPROXY}.log").unlink(missing_ok=True)  # its end decides in `_await_toxiproxy`
    pid = int(ask(running.folder, "restart-sidecar", name=TOXIPROXY)["pid"])
    found = ProcessId.of(pid)
    running = replace(running, sidecars=() if found is None else (found,))
    running.write()
    try:
        _await_toxiproxy(running, served.sidecars[0].port)
        toxiproxy = Toxiproxy(running.toxiproxy_url)
        there = toxiproxy.names()
        link_ports = {link: int(at.rpartition(":")[2]) for link, at in served.links.items()}
        if not there:
            _make_links(toxiproxy, served.stack, running.ports, link_ports)
    except ToxiproxyError as failed:
        if failed.status != CONFLICT:  # another command repaired it at the same time
            raise
    finally:
        ask(running.folder, "keep-all")
    return running


@contextmanager
def lent_port(folder: Path, link: str) -> Iterator[None]:
    """Lets the stack's Toxiproxy bind the link's port inside of the block; raises WorldError."""
    lent = _asked_of_new(folder, "lend", link)
    yield
    if lent:
        _asked_of_new(folder, "keep", link)


def _asked_of_new(folder: Path, command: str, link: str) -> bool:
    """False where the stack is of an earlier version, which reserves no ports."""
    try:
        supervisor_socket.ask(folder, command, link=link)
    except supervisor_socket.SupervisorSocketError as failed:
        if failed.answered and "unknown command" in str(failed):
            return False
        raise WorldError(f"port of link {link}: {failed}") from failed
    return True


def _with_edge(served: ServedStack, ports: Mapping[str, int], folder: Path) -> ServedStack:
    """With the doors of the edge, and what they show to clients."""
    if not served.stack.edge:
        return served
    return served.with_doors({door: f"{HOST}:{port}" for door, port in ports.items()}, make_trust(folder, served.stack))


def _linked(served: ServedStack, links: Mapping[str, str]) -> ServedStack:
    stack = served.stack
    urls = {name: links.get(str(Link(CLIENT, name))) for name in stack.nodes()}
    public = {name: f"http://{address}" for name, address in urls.items() if address is not None}
    return replace(served, stack=replace(stack, public_urls=public), links=links)


def _last_lines(running: ProcessStack, log: str) -> str:
    path = running.folder / LOG_FOLDER / log
    return "\n".join(path.read_text(errors="replace").splitlines()[-8:]) if path.exists() else "(no log)"


def _reap(pid: int) -> None:
    """Reaps the daemon if it is a child of this process; otherwise its parent or init does."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return

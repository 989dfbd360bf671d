"""A helper process that outlives its starter and can be found and ended by any later process."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brownout.harness.base import ports
from brownout.harness.base import processes as system
from brownout.harness.errors import WorldError

STOP_TIMEOUT_S = 2.0
NOTHING: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server's process and where its API is."""

    identity: system.ProcessId
    api_url: str

    @property
    def pid(self) -> int:
        return self.identity.pid

    def is_running(self) -> bool:
        """True while that very process lives; a child that has ended is reaped on the way."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return self.identity.alive()


def spawn(
    command: Sequence[str],
    *,
    api_url: str,
    log: Path,
    environment: Mapping[str, str],
    handing: Mapping[int, int] = NOTHING,
) -> ServerProcess:
    """Starts `command` (its program as a path) in a session of its own, with its output appended to `log`.

    `handing` are file descriptors of this process and which each is to be there. Raises WorldError.
    Not a Popen object, which warns when its process outlives it, as this one is meant to.
    """
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    plumbing: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    plumbing += [(os.POSIX_SPAWN_DUP2, sink, 1), (os.POSIX_SPAWN_DUP2, sink, 2)]
    plumbing += [(os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in handing.items()]
    try:
        pid = os.posix_spawn(
            command[0], list(command), environment, file_actions=plumbing, setsid=True, setsigdef=[signal.SIGPIPE]
        )
    except OSError as failed:
        problem = f"{Path(command[0]).name} cannot be started: {failed.strerror}"
        raise WorldError(problem, hint="`brownout doctor` finds what is missing") from failed
    finally:
        os.close(sink)
    return ServerProcess(system.ProcessId.of(pid) or system.ProcessId(pid, ""), api_url)


def await_listening(server: ServerProcess, port: int, *, timeout_s: float, log: Path) -> None:
    """Returns when that very process listens on `port`; raises WorldError with the last line of its log otherwise.

    An answer on the port alone proves nothing: another program's server there would answer too.
    """
    system.await_true(lambda: not server.is_running() or port in system.listening_ports(server.pid), timeout_s)
    if not server.is_running() or port not in system.listening_ports(server.pid):
        last = " ".join(log.read_text(errors="replace").strip().splitlines()[-1:]) or "it gave no reason"
        happened = "did not open its port" if server.is_running() else "ended at its start"
        raise WorldError(f"the server for {server.api_url} {happened}: {last}")


def stop_server(server: ServerProcess) -> None:
    """Ends the server (SIGTERM, then SIGKILL) and returns when it has ended. May run twice, from any process."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        server.identity.kill(number)
        if system.await_true(lambda: not server.is_running(), STOP_TIMEOUT_S):
            return
    raise WorldError(f"process {server.pid}, the server for {server.api_url}, does not end")


def check_port_free(port: int) -> None:
    """Raises WorldError when the loopback port cannot be bound."""
    try:
        ports.require_free(port)
    except ports.NoPortError as taken:
        raise WorldError(str(taken)) from taken

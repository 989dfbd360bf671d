"""Starting the process of a stack's fault API, starting it again where it was killed, and ending it."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

from brownout.harness.base import ports
from brownout.harness.base.files import FileLock
from brownout.harness.errors import WorldError
from brownout.harness.operate.api_process.door import LISTENER_FD
from brownout.harness.operate.api_process.record import RECORD_NAME, FaultApi, read_fault_api
from brownout.harness.worlds.server_process import ServerProcess, spawn, stop_server

ENTRY = "brownout.harness.operate.fault_api.serve:serve"  # by name, because what serves also brings stacks up and down
LOG = Path("logs", "fault-api.log")
LOCK_NAME = "fault-api.lock"
BACKLOG = 128


def start_fault_api(folder: Path) -> FaultApi:
    """Starts the API of the standing stack in `folder`, and returns at once: requests wait until it can answer.

    Raises WorldError.
    """
    try:
        (bound,) = ports.reserve(1)
    except ports.NoPortError as none:
        raise WorldError(f"the fault API has no port: {none}", hint="`brownout doctor` shows what takes them") from none
    return _start(folder, bound, secrets.token_urlsafe(24))


def keep_fault_api(folder: Path) -> str:
    """Starts an API whose process was killed again, with its URL and token; a sentence that says so, "" where it runs."""
    known = read_fault_api(folder)
    if known is None or known.process.alive():
        return ""
    with FileLock(folder / LOCK_NAME) as lock:
        if not lock.take():
            return ""  # another command is about to
        known = read_fault_api(folder)
        if known is None or known.process.alive():
            return ""
        try:
            _start(folder, ports.rebind(known.port), known.token)
        except (ports.NoPortError, WorldError, OSError) as error:
            return f"the fault API at {known.url} had ended and cannot be started again: {error}"
    return f"repaired: the fault API at {known.url} had ended and was started again"


def stop_fault_api(folder: Path) -> None:
    """Ends the API; raises WorldError. What it was about to put in place is undone, as that of any command that died."""
    known = read_fault_api(folder)
    if known is not None:
        stop_server(ServerProcess(known.process, known.url))
        (folder / RECORD_NAME).unlink(missing_ok=True)


def _start(folder: Path, bound: socket.socket, token: str) -> FaultApi:
    with bound:
        bound.listen(BACKLOG)
        url = f"http://{ports.HOST}:{ports.port_of(bound)}"
        command = [sys.executable, "-P", "-m", "brownout.harness.operate.api_process.door", str(folder), ENTRY]
        (folder / LOG).parent.mkdir(mode=0o700, exist_ok=True)
        server = spawn(command, api_url=url, log=folder / LOG, environment=os.environ, handing={bound.fileno(): LISTENER_FD})
    made = FaultApi(url, token, server.identity)
    try:
        made.write(folder)
    except OSError as error:
        server.identity.kill()
        raise WorldError(f"the fault API cannot be recorded: {error.strerror}") from error
    return made

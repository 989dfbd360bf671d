"""The supervisor socket of a running stack: a Unix socket of mode 0600, one JSON line in, one JSON line out.

A connection carries one request, `{"command": ..., ...}`, and its answer, `{"ok": true, ...}` or
`{"ok": false, "error": ...}`. Paths of Unix sockets end at 107 bytes, and folders of tests are longer, so both ends
reach the socket through a handle on its folder.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

SOCKET_NAME = "control.sock"  # where stacks of earlier versions listen too
LINE_LIMIT_BYTES = 1_048_576
REQUEST_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0  # of what starts or stops a process
QUICK_TIMEOUT_S = 5.0  # of everything else: it waits for nothing but its turn
SLOW_COMMANDS = frozenset({"launch", "renew", "restart", "hold", "release"})


class SupervisorSocketError(Exception):
    """The stack refused, with its error message, or where `answered` is false did not answer."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


def ask(folder: Path, command: str, **details: Any) -> Mapping[str, Any]:
    """One request to the stack of `folder`; raises SupervisorSocketError. Takes a bounded time, by its command."""
    timeout_s = ANSWER_TIMEOUT_S if command in SLOW_COMMANDS else QUICK_TIMEOUT_S
    try:
        with _address(folder) as address, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(address)
            write_line(connection, {"command": command, **details})
            answer = read_line(connection)
    except TimeoutError as late:
        problem = f"the parent of the stack's processes in {folder} does not answer to {command!r} within {timeout_s:g} s"
        raise SupervisorSocketError(problem, answered=False) from late
    except (OSError, orjson.JSONDecodeError) as failed:
        raise SupervisorSocketError(f"the stack in {folder} does not answer: {failed}", answered=False) from failed
    if not answer.get("ok"):
        raise SupervisorSocketError(str(answer.get("error", "no reason given")), answered=True)
    return answer


def listen(folder: Path) -> socket.socket:
    """The listening end, mode 0600; raises OSError. A socket left by a stack that was killed is replaced."""
    (folder / SOCKET_NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        with _address(folder) as address:
            listener.bind(address)
    finally:
        os.umask(mask)
    listener.listen()
    return listener


def read_line(connection: socket.socket) -> Mapping[str, Any]:
    """One JSON object; raises OSError or JSONDecodeError."""
    received = b""
    while not received.endswith(b"\n"):
        chunk = connection.recv(65536)
        received += chunk
        if not chunk or len(received) > LINE_LIMIT_BYTES:
            raise ConnectionError("the connection ended before a whole line had come")
    line = orjson.loads(received)
    if not isinstance(line, dict):
        raise orjson.JSONDecodeError("not a JSON object", "", 0)
    return line


def write_line(connection: socket.socket, line: Mapping[str, Any]) -> None:
    connection.sendall(orjson.dumps(line, default=dict, option=orjson.OPT_APPEND_NEWLINE))


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET_NAME}"
    finally:
        os.close(handle)

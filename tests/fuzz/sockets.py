"""Bytes on a real connection that are no HTTP, half of it or too much of it: the server answers in HTTP or closes.

The server is the one of every node, in front of a node that echoes. After each case a sound request on a connection of its own
must be answered, and the server may not keep files open.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import re
import socket
from contextlib import ExitStack
from pathlib import Path

from fuzz.shaken import HEADERS, METHODS, VALUES, WORDS
from support.http_nodes import Echo
from support.served_nodes import served_in_thread

PATIENCE_S = 20.0
OPEN_MORE = 20  # files of one process: a connection or two may still be closing
_SOUND = b"GET /fine HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 [1-5]\d\d ")
_LINES = (
    b"transfer-encoding: chunked",
    b"transfer-encoding: chunked, chunked",
    b"content-length: -1",
    b"content-length: 5, 6",
    b"content-length: 99999999999999999999",
    b"content-length: 0x10",
    b"expect: 100-continue",
    b"upgrade: websocket",
    b"connection: upgrade",
    b"connection: keep-alive, close",
    b" folded: x",
    b"no colon",
    b": nothing",
    b"a\0b: c",
    b"host:",
    b"host: a\r\nhost: b",
    b"x: " + b"y" * 70_000,
)
_ENDS = (
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\na: b\r\n\r\n",
    b"ffffffffffffffffff\r\n",
    b"-1\r\n",
    b"z\r\n",
    b"5;x=y\r\nhel",
    b"{}",
    b"\0" * 40,
)


class _Server:
    """One server for all cases of the process."""

    def __init__(self) -> None:
        logging.getLogger("brownout").setLevel(logging.CRITICAL)
        stack = ExitStack()
        atexit.register(stack.close)
        url = stack.enter_context(served_in_thread(Echo()))
        self.port = int(url.rpartition(":")[2])
        self.answer(_SOUND)
        self.files = _open_files()

    def answer(self, data: bytes, *, halves: bool = False) -> bytes:
        """What the server sends until it closes, or until this side has waited for long enough; raises TimeoutError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            found = b""
            try:
                middle = len(data) // 2 if halves else len(data)
                for part in (data[:middle], data[middle:]):
                    connection.sendall(part)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65_536):
                    found += part
            except OSError as ended:
                if isinstance(ended, TimeoutError):
                    raise
                # Else the server closed while we were talking, which it may.
            return found


_server: list[_Server] = []


def attempt(draw: random.Random, work: Path) -> tuple[str, str]:
    """What was sent, and which promise the server broke; "" for none."""
    if not _server:
        _server.append(_Server())
    server, data = _server[0], _made(draw)
    sent = repr(data[:600])
    try:
        answer = server.answer(data, halves=draw.randrange(2) == 0)
        sound = server.answer(_SOUND)
    except TimeoutError:
        return sent, f"no end within {PATIENCE_S:g} s"
    if answer and not _STATUS.match(answer):
        return sent, f"answered with what is no HTTP: {answer[:40]!r}"
    if not sound.startswith(b"HTTP/1.1 200 "):
        return sent, f"a sound request was answered with {sound[:40]!r}"
    more = _open_files() - server.files
    return sent, f"{more} files more are open" if more > OPEN_MORE else ""


def _made(draw: random.Random) -> bytes:
    target = "/" + draw.choice(WORDS)
    version = draw.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "http/1.1", "", "X"))
    lines = [f"{draw.choice((*METHODS, 'PRI', 'CONNECT', 'get', ''))} {target} {version}".encode()]
    lines += [_line(draw) for _ in range(draw.choice((0, 1, 3, 8)))]
    data = draw.choice((b"\r\n", b"\r\n", b"\n", b"\r")).join(lines) + b"\r\n\r\n" + draw.choice((b"", b"", draw.choice(_ENDS)))
    match draw.randrange(5):
        case 0:
            return data[: draw.randrange(len(data) + 1)]
        case 1:
            at = draw.randrange(len(data) + 1)
            return data[:at] + draw.randbytes(draw.choice((1, 4, 200))) + data[at:]
        case 2:
            return data * draw.choice((2, 20))
    return data


def _line(draw: random.Random) -> bytes:
    return draw.choice((draw.choice(_LINES), draw.choice(HEADERS).encode() + b": " + draw.choice(VALUES)))


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names are all that is needed

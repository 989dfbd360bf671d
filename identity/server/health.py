"""The health check of a container: exit code 0 when what it serves says that it is ready. Only sockets, to be quick.

Without an argument it checks the node or prober. `page PORT` checks a page on that port; any whole answer counts. `joined PORT`
checks a program that serves nothing: it is well while it has a connection to that port of another container.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

NODE_PORT = 8080
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"
REQUEST = b"GET /_brownout/healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def answer_of(port: int) -> bytes:
    """What the server on that port of this container says; raises OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout=3.0) as connection:
        connection.sendall(REQUEST)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def ready() -> bool:
    """Whether the node of this container is ready; raises OSError."""
    answer = answer_of(NODE_PORT)
    return answer.startswith(b"HTTP/1.1 200") and b'"ready":true' in answer.replace(b" ", b"")


def joined(port: int, tables: Sequence[str] = TABLES) -> bool:
    """Whether this container has a connection to that port of another one (proc(5): remote address third, then state)."""
    rows = (line.split() for table in tables if Path(table).exists() for line in Path(table).read_text().splitlines()[1:])
    return any(row[2].endswith(f":{port:04X}") and row[3] == ESTABLISHED for row in rows)


def main(arguments: Sequence[str]) -> bool:
    """Whether what the arguments name is well; raises OSError, and ValueError for arguments that mean nothing."""
    match arguments:
        case []:
            return ready()
        case ["page", port]:
            return answer_of(int(port)).startswith(b"HTTP/1.")
        case ["joined", port]:
            return joined(int(port))
    raise ValueError(f"what is {' '.join(arguments)!r}?")


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)

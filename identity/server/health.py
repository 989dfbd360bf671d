"""The health check of a container: exit code 0 when what it serves says that it is ready. Only sockets, to be quick.

Without an argument that is the node or prober; with one it is a page on that port, where any whole answer counts.
"""

from __future__ import annotations

import socket
import sys

NODE_PORT = 8080
REQUEST = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


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


if __name__ == "__main__":
    well = answer_of(int(sys.argv[1])).startswith(b"HTTP/1.") if len(sys.argv) > 1 else ready()
    sys.exit(0 if well else 1)

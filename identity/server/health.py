"""The health check of a container: exit code 0 when its node or prober says that it is ready. Only sockets, to be quick."""

from __future__ import annotations

import socket
import sys

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def ready(port: int) -> bool:
    """Whether the server on that port of this container is there and ready; raises OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout=3.0) as connection:
        connection.sendall(REQUEST)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.startswith(b"HTTP/1.1 200") and b'"ready":true' in answer.replace(b" ", b"")


if __name__ == "__main__":
    sys.exit(0 if ready(8080) else 1)

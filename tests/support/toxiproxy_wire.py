"""What the tests of the Toxiproxy adapter see the wire with: an echo server, a link, and one question."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field


@dataclass
class EchoServer:
    """Echoes every byte and keeps what it got; `closed` counts connections whose end it has heard."""

    listener: socket.socket
    received: bytearray = field(default_factory=bytearray)
    closed: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(4096):
                    with self.changed:
                        self.received += data
                        self.changed.notify_all()
                    connection.sendall(data)
            except OSError:
                pass
        with self.changed:
            self.closed += 1
            self.changed.notify_all()

    def wait_received(self, data: bytes) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: data in self.received, timeout=3)

    def wait_closed(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.closed >= count, timeout=3)


@dataclass(frozen=True)
class Link:
    """One proxy in front of the echo server."""

    name: str
    address: tuple[str, int]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=2)


def ask(connection: socket.socket, data: bytes, *, timeout_s: float = 2.0) -> bytes:
    """Sends and returns what comes back: b"" when the other end closed; raises TimeoutError when nothing comes."""
    connection.settimeout(timeout_s)
    connection.sendall(data)
    return connection.recv(4096)

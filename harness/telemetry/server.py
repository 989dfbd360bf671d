"""`/metrics` over HTTP on loopback, in threads of this process.

A scrape runs in a thread of its own and computes its figures there, so what is measured does not wait for it. Pages of other
sites are refused (`telemetry/web_guard.py`).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import ip_address
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.telemetry.prometheus import exposition, require_package
from brownout.harness.telemetry.samples import MetricsSnapshot
from brownout.harness.telemetry.web_guard import Environ, StartResponse, guarded

LOOPBACK = "127.0.0.1"
PATH = "/metrics"
HINT = "write a port, or 127.0.0.1:PORT, such as 9464"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address of loopback and a port, 1 to 65535."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """From `PORT`, `HOST:PORT` or `[::1]:PORT`; raises UsageError for what is not on this machine's loopback."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") or LOOPBACK
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
            raise UsageError(f"{text!r} names no port from 1 to 65535", hint=HINT)
        if host == "localhost":
            host = LOOPBACK
        try:
            is_loopback = ip_address(host).is_loopback
        except ValueError:
            is_loopback = False
        if not is_loopback:
            raise UsageError(f"{host} is no address of loopback, and metrics are served nowhere else", hint=HINT)
        return cls(host, int(port))

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}{PATH}"


class MetricsServer(AbstractContextManager["MetricsServer"]):
    """Serves what `snapshot` returns at each request, from its making until `close`. `snapshot` is called in other threads.

    Raises UsageError where prometheus-client is missing or the address is taken. A BrownoutError of `snapshot` makes a 503.
    """

    def __init__(self, address: ListenAddress, snapshot: Callable[[], MetricsSnapshot]) -> None:
        require_package()
        self.address = address
        kind = _Server6 if ":" in address.host else _Server
        application = guarded(_application(snapshot))
        try:
            self._server = make_server(address.host, address.port, application, kind, _Quiet)
        except OSError as failed:
            problem = f"{address.host}:{address.port} cannot be used: {failed.strerror}"
            raise UsageError(problem, hint="choose another port for the metrics") from failed
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening. A scrape under way may be cut. May run twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False  # a client that sends nothing must not keep the process

    def server_bind(self) -> None:
        # Not WSGIServer's own, which looks the host's name up: that waits where a resolver does not answer.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 10.0  # seconds for a client to send its request

    def log_message(self, *_: Any, **__: Any) -> None:
        """Scrapes are not logged: the terminal belongs to the run."""


def _application(snapshot: Callable[[], MetricsSnapshot]) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        status, content_type, body = "200 OK", "text/plain; charset=utf-8", b""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, body = "405 Method Not Allowed", b"metrics can only be read\n"
        elif environ.get("PATH_INFO") != PATH:
            status, body = "404 Not Found", f"the metrics are at {PATH}\n".encode()
        else:
            try:
                body, content_type = exposition(snapshot(), str(environ.get("HTTP_ACCEPT", "")))
            except BrownoutError as failed:
                status, body = "503 Service Unavailable", f"{failed.message}\n".encode()
        headers = [("content-type", content_type), ("content-length", str(len(body))), ("cache-control", "no-store")]
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer

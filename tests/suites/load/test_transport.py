"""What the load's transport adds to requests: the trace of the run, to those of the user's own application alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from brownout.harness.load.models.asks import SUBJECT
from brownout.identity.core.messages import Request
from brownout.suites.load.transport import Transport

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.fixture
def url() -> Iterator[str]:
    """A server that answers with the `traceparent` lines that it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = ",".join(self.headers.get_all("traceparent", [])).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Requests are not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("node", "traceparent", "own", "told"),
    [
        (SUBJECT, TRACE, "", TRACE),
        (SUBJECT, "", "", ""),
        (SUBJECT, TRACE, OTHER, OTHER),
        ("sydney.host", TRACE, "", ""),
    ],
)
def test_requests_to_the_application_name_the_run_s_trace(url: str, node: str, traceparent: str, own: str, told: str) -> None:
    """Once, and the cohort's own header goes before it; nodes of the stack join no trace."""
    transport = Transport({f"client->{node}": url}, traceparent=traceparent)
    lines = ((b"TraceParent", own.encode()),) if own else ()
    answer = transport.send(node, Request.raw("GET", "/", lines), timeout_s=10)
    transport.close()
    assert answer.payload.decode() == told

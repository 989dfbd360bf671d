"""A collector that takes traces and metrics over OTLP (HTTP with protobuf) on loopback, read with OpenTelemetry's messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


@dataclass(slots=True)
class Collected:
    """What has arrived. `hangs` makes every request wait until it is set again."""

    url: str
    status: int = 200
    requests: list[ResourceSpans] = field(default_factory=list)
    metrics: list[ResourceMetrics] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hangs: threading.Event = field(default_factory=threading.Event)

    def all_spans(self) -> list[Span]:
        return [span for each in self.requests for scope in each.scope_spans for span in scope.spans]

    def spans(self) -> dict[str, Span]:
        """Every span by its name, the last of those that share one."""
        return {span.name: span for span in self.all_spans()}

    def newest_metrics(self) -> dict[str, Metric]:
        """Every metric of the last delivery, by its name."""
        return {metric.name: metric for scope in self.metrics[-1].scope_metrics for metric in scope.metrics}

    def resource_of(self, service: str) -> dict[str, str]:
        """The resource of that service's first trace."""
        found = ({one.key: one.value.string_value for one in each.resource.attributes} for each in self.requests)
        return next(each for each in found if each.get("service.name") == service)

    def resource(self) -> dict[str, str]:
        return {one.key: one.value.string_value for one in self.requests[0].resource.attributes}


def attributes(span: Span) -> dict[str, str]:
    """The span's texts by name."""
    return {one.key: one.value.string_value for one in span.attributes}


@contextmanager
def collector() -> Iterator[Collected]:
    """Serves for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if collected.hangs.is_set():
                released.wait(60)
            if self.path == "/v1/traces" and collected.status == 200:
                collected.requests.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
                collected.headers.append({name.lower(): text for name, text in self.headers.items()})
            if self.path == "/v1/metrics" and collected.status == 200:
                collected.metrics.extend(ExportMetricsServiceRequest.FromString(body).resource_metrics)
            self.send_response(collected.status if self.path in ("/v1/traces", "/v1/metrics") else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Requests are not logged."""

    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected = Collected(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collected
    finally:
        released.set()
        server.shutdown()
        server.server_close()

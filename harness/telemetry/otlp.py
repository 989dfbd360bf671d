"""Runs as OpenTelemetry traces, over OTLP (HTTP with protobuf), and what all that is sent over OTLP shares.

This file and `otlp_metrics` know OpenTelemetry, of the extra `otel`, and no other does.

The standard variables configure it: OTEL_EXPORTER_OTLP_ENDPOINT, _TRACES_ENDPOINT, _HEADERS, _TIMEOUT and the others of the
exporter, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED, OTEL_TRACES_SAMPLER.

Law: a collector that is slow or down costs a run nothing but FLUSH_S at its end. Spans wait in a bounded queue for a thread of
their own; what could not be delivered is told once.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from brownout.harness.base.hints import install
from brownout.harness.errors import UsageError
from brownout.harness.judge.run_folder import RunHeader, read_header
from brownout.harness.record.history import Event
from brownout.harness.record.result import Result
from brownout.harness.telemetry.run_spans import AttributeValue, OpenSpan, RunSpans
from brownout.harness.worlds.catalog import SIMULATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACES_PATH = "/v1/traces"
QUEUE_MAX = 2048
FLUSH_S = 3.0
LOGGER = "opentelemetry"
_PROCESS = secrets.token_hex(4)  # so that a run that is repeated in the same folder is another instance
HINT = "a base URL such as http://127.0.0.1:4318"


def wanted() -> bool:
    """Whether the standard variables ask for traces over OTLP."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    otherwise = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "otlp"
    return not disabled and not otherwise and any(os.environ.get(name, "").strip() for name in ENDPOINTS)


def require_package() -> None:
    """Raises UsageError, with what to install, where OpenTelemetry's SDK or its exporter is missing."""
    found = find_spec("opentelemetry") and find_spec("opentelemetry.sdk")
    if not (found and find_spec("opentelemetry.exporter") and find_spec("opentelemetry.exporter.otlp.proto.http")):
        raise UsageError("OTLP needs OpenTelemetry, which is not installed here", hint=install("otel"))


def traces_url(base: str) -> str:
    """Where traces go for a collector's base URL; raises UsageError for what is no such URL."""
    try:
        parts = urlsplit(base)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"--otlp {base[:200]!r} is no URL of a collector", hint=HINT)
    return base if parts.path.endswith(TRACES_PATH) else f"{base.rstrip('/')}{TRACES_PATH}"


def resource_of(version: str, run: str) -> Resource:
    """What all data of one run is about; the user's variables go before ours."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    own = {"service.name": "brownout", "service.version": version, "service.instance.id": f"{run}-{_PROCESS}"}
    return Resource.create(own).merge(OTELResourceDetector().detect())


class RunTrace:
    """Sends one run (record/observer.py) as a trace to `url`, or where the standard variables say with "".

    `say` prints a line. Raises UsageError where a package is missing or the URL is none.
    """

    def __init__(self, url: str, say: Callable[[str], None]) -> None:
        require_package()
        self._url, self._say = traces_url(url) if url else "", say
        self._header: RunHeader | None = None
        self._spans: RunSpans | None = None
        self._sender: _Sender | None = None
        self._emulated_ns = 0

    def begin(self, folder: Path) -> None:
        self._header = read_header(folder)
        self._sender = _Sender(self._url, self._header.versions.get("brownout", ""), folder.name)
        if self._header.world != SIMULATION:
            self._begun()  # requests are to name the trace before the first event

    def traceparent(self) -> str:
        """Of the run's span, with its sampling; "" in the simulation, whose requests reach no application."""
        return self._sender.traceparent() if self._sender is not None and self._spans is not None else ""

    def event(self, event: Event) -> None:
        self._emulated_ns = round(event.at_s * 1e9)
        self._begun().event(event)

    def end(self, result: Result | None) -> None:
        """Ends the trace and waits for its delivery, for FLUSH_S at most."""
        self._begun().end(result)
        if self._sender is not None and (lost := self._sender.close(FLUSH_S)):
            self._say(lost)

    def _begun(self) -> RunSpans:
        """The spans; in the simulation the first event begins them, because no other time is known."""
        if self._spans is None:
            assert self._header is not None, "a run begins before anything happens in it"
            assert self._sender is not None, "as above"
            is_live = self._header.world != SIMULATION
            now_ns = time.time_ns if is_live else lambda: self._emulated_ns
            self._spans = RunSpans(self._header, self._sender.begin, now_ns)
            self._sender.describe({"brownout.run.time": "real" if is_live else "emulated"})
            self._say(f"Trace: {self._sender.trace_id} to {self._sender.endpoint}")
        return self._spans


class _Sender:
    """The SDK for one trace: provider, bounded queue, exporter, and a count of what arrived."""

    def __init__(self, url: str, version: str, instance: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._log = LastWarning()
        exporter = OTLPSpanExporter(endpoint=url or None)
        self.endpoint = url or next(filter(None, map(os.environ.get, ENDPOINTS)), "the default endpoint")
        self._delivered = _Delivered(exporter)
        self._provider: TracerProvider = TracerProvider(resource=resource_of(version, instance), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._delivered.exporter(), max_queue_size=QUEUE_MAX))
        self._tracer = self._provider.get_tracer("brownout", version)
        self._made: list[_Span] = []
        self.trace_id = ""

    def begin(self, name: str, parent: OpenSpan | None, at_ns: int, attributes: Mapping[str, AttributeValue]) -> OpenSpan:
        from opentelemetry.trace import format_trace_id, set_span_in_context

        context = set_span_in_context(parent.span) if isinstance(parent, _Span) else None
        made = _Span(self._tracer.start_span(name, context, start_time=at_ns, attributes=dict(attributes)))
        self.trace_id = self.trace_id or format_trace_id(made.span.get_span_context().trace_id)
        self._made.append(made)
        return made

    def traceparent(self) -> str:
        """The first span as the header of that name has it."""
        from opentelemetry.trace import format_span_id, format_trace_id

        context = self._made[0].span.get_span_context()
        flags = f"{int(context.trace_flags):02x}"
        return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{flags}"

    def describe(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Adds attributes to the first span."""
        self._made[0].note(attributes)

    def close(self, within_s: float) -> str:
        """Sends what waits; returns what is to be told of spans that were not delivered, "" when all were."""
        # The SDK's own flush waits for as long as its exporter tries again, so it runs beside.
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(within_s)
        recorded = sum(span.recorded for span in self._made)
        lost = recorded - self._delivered.count
        if not flushing.is_alive():
            self._log.close()
        if lost <= 0:
            return ""
        why = f" ({self._log.text})" if self._log.text else ""
        hint = "does a collector listen there for OTLP over HTTP? its port is 4318, that of gRPC 4317"
        return f"brownout: {lost} of {recorded} spans did not reach {self.endpoint}{why}\n  -> {hint}"


class _Span:
    """A span of the SDK as run_spans.OpenSpan."""

    def __init__(self, span: Span) -> None:
        self.span, self.recorded = span, span.is_recording()

    def event(self, name: str, at_ns: int, attributes: Mapping[str, AttributeValue]) -> None:
        self.span.add_event(name, dict(attributes), at_ns)

    def note(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.span.set_attributes(dict(attributes))

    def judge(self, status: Literal["ok", "error"], why: str = "") -> None:
        from opentelemetry.trace import StatusCode

        self.span.set_status(StatusCode.OK if status == "ok" else StatusCode.ERROR, why or None)

    def end(self, at_ns: int) -> None:
        self.span.end(at_ns)


class _Delivered:
    """Counts the spans that the collector took."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self.count = 0

    def exporter(self) -> SpanExporter:
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

        outer = self

        class Counting(SpanExporter):
            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                came_of_it = outer._inner.export(spans)
                if came_of_it is SpanExportResult.SUCCESS:
                    outer.count += len(spans)
                return came_of_it

            def shutdown(self) -> None:
                outer._inner.shutdown()

        return Counting()


class LastWarning(logging.Handler):
    """Keeps the SDK's warnings off the terminal, which belongs to the run, and remembers the last."""

    _open = 0  # how many there are: traces and metrics end in no order

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""
        self._logger = logging.getLogger(LOGGER)
        self._logger.propagate = False
        self._logger.addHandler(self)
        LastWarning._open += 1

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().splitlines()[0].partition(" encountered while")[0]
        # Of a chain of causes the last is the reason; the others repeat the address.
        self.text = text.rpartition(": ")[2].rstrip("\"')") if "Caused by" in text else text[:160]

    def close(self) -> None:
        """Lets warnings be shown again, where it is the last."""
        if self in self._logger.handlers:
            LastWarning._open -= 1
        self._logger.removeHandler(self)
        self._logger.propagate = LastWarning._open == 0
        super().close()

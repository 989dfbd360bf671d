"""A run's metrics over OTLP (HTTP with protobuf): what `--metrics` serves, sent while the run goes, to what does not scrape.

Names and labels are those of `prometheus`, less the `_total` of counters, which Prometheus adds to what it gets over OTLP.

The standard variables configure it: OTEL_EXPORTER_OTLP_ENDPOINT, _METRICS_ENDPOINT, _HEADERS, _TIMEOUT and the others of the
exporter, OTEL_METRIC_EXPORT_INTERVAL (milliseconds; 5000 without it, because a run lasts minutes), OTEL_METRICS_EXPORTER.

Law: as of traces, a collector that is slow or down costs a run nothing but FLUSH_S at its end, and is told once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from brownout.harness.judge.run_folder import read_header
from brownout.harness.record.history import Event
from brownout.harness.record.result import Result
from brownout.harness.telemetry import otlp, prometheus
from brownout.harness.telemetry.samples import MetricsSnapshot, RequestSeries
from brownout.harness.worlds.catalog import SIMULATION

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import HistogramDataPoint, Metric, MetricsData, NumberDataPoint
    from opentelemetry.sdk.resources import Resource

    from brownout.harness.telemetry.prometheus import Family

ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
METRICS_PATH = "/v1/metrics"
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
INTERVAL_S = 5.0
THREAD = "brownout-otlp-metrics"
_SOONEST_S = 0.1


def wanted() -> bool:
    """Whether the standard variables ask for metrics over OTLP."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    otherwise = os.environ.get("OTEL_METRICS_EXPORTER", "otlp").strip() != "otlp"
    return not disabled and not otherwise and any(os.environ.get(name, "").strip() for name in ENDPOINTS)


def metrics_url(base: str) -> str:
    """Where metrics go for a collector's base URL, "" where it is that of traces alone; raises UsageError as `traces_url`."""
    return "" if base.endswith(otlp.TRACES_PATH) else otlp.traces_url(base).removesuffix(otlp.TRACES_PATH) + METRICS_PATH


class RunMetricsSender:
    """Sends what `snapshot` tells to `url`, or where the standard variables say with "", from a run's begin to its end.

    A simulation, whose hours pass in a second, sends none. `say` prints a line. Raises UsageError where a package is missing.
    """

    def __init__(self, url: str, snapshot: Callable[[], MetricsSnapshot], say: Callable[[str], None]) -> None:
        otlp.require_package()
        prometheus.require_package()
        self._url, self._snapshot, self._say = url, snapshot, say
        self._over = threading.Event()
        self._sending: threading.Thread | None = None
        self._exporter: OTLPMetricExporter | None = None
        self._log: otlp.LastWarning | None = None
        self._has_arrived = False  # the newest

    def begin(self, folder: Path) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        header = read_header(folder)
        if header.world == SIMULATION:
            return
        self._log, self._exporter = otlp.LastWarning(), OTLPMetricExporter(endpoint=self._url or None)
        about = otlp.resource_of(header.versions.get("brownout", ""), folder.name)
        arguments = (self._exporter, self._log, about)
        self._sending = threading.Thread(target=self._send_all, args=arguments, name=THREAD, daemon=True)
        self._sending.start()

    def traceparent(self) -> str:
        return ""

    def event(self, event: Event) -> None:
        """What happens is in the next snapshot."""

    def end(self, result: Result | None) -> None:
        """Sends the figures of the whole run and waits for their delivery, for FLUSH_S at most."""
        if self._sending is None or self._log is None or self._exporter is None:
            return
        self._over.set()
        self._sending.join(otlp.FLUSH_S)
        if self._sending.is_alive():
            self._exporter.shutdown()  # it tries no more
        if not self._has_arrived or self._sending.is_alive():
            place = self._url or next(filter(None, map(os.environ.get, ENDPOINTS)), "the default endpoint")
            why = f" ({self._log.text})" if self._log.text else ""
            self._say(f"brownout: the last metrics did not reach {place}{why}")

    def _send_all(self, exporter: OTLPMetricExporter, log: otlp.LastWarning, about: Resource) -> None:
        from opentelemetry.sdk.metrics.export import MetricExportResult

        began_ns, is_last = time.time_ns(), False
        try:
            while not is_last:
                is_last = self._over.wait(_interval_s())
                self._has_arrived = False
                data = metrics_data(self._snapshot(), about, began_ns, time.time_ns())
                self._has_arrived = exporter.export(data) is MetricExportResult.SUCCESS
        finally:
            log.close()


def _interval_s() -> float:
    try:
        return max(_SOONEST_S, float(os.environ.get(INTERVAL, "")) / 1000)
    except ValueError:
        return INTERVAL_S


def metrics_data(snapshot: MetricsSnapshot, about: Resource, began_ns: int, now_ns: int) -> MetricsData:
    """The snapshot as one delivery; counters count from `began_ns`."""
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    told = [_metric(family, snapshot, began_ns, now_ns) for family in prometheus.families(snapshot)]
    return MetricsData([ResourceMetrics(about, [ScopeMetrics(InstrumentationScope("brownout"), told, "")], "")])


def _metric(family: Family, snapshot: MetricsSnapshot, began_ns: int, now_ns: int) -> Metric:
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Metric, Sum

    since_begin = AggregationTemporality.CUMULATIVE
    if family.type == "histogram":  # the only one there is
        took = [_took(one, began_ns, now_ns) for one in snapshot.requests]
        return Metric(family.name, family.documentation, "", Histogram(took, since_begin))
    if family.type == "counter":
        return Metric(family.name, family.documentation, "", Sum(list(_points(family, began_ns, now_ns)), since_begin, True))
    return Metric(family.name, family.documentation, "", Gauge(list(_points(family, now_ns, now_ns))))


def _points(family: Family, began_ns: int, now_ns: int) -> Iterator[NumberDataPoint]:
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    for sample in family.samples:
        yield NumberDataPoint(dict(sample.labels), began_ns, now_ns, sample.value)


def _took(series: RequestSeries, began_ns: int, now_ns: int) -> HistogramDataPoint:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    bounds_s = [bound_ms / 1000 for bound_ms in series.bounds_ms]
    of = {"cohort": series.cohort, "region": series.region}
    nothing: float = None  # type: ignore[assignment]  # the protocol lets the extremes be absent; the SDK's types do not
    return HistogramDataPoint(
        of, began_ns, now_ns, sum(series.within), series.latency_ms / 1000, list(series.within), bounds_s, nothing, nothing
    )

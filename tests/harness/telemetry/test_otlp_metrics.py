"""A run's metrics arrive at a collector, the last of them whole, and one that does not answer costs seconds and no verdict."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.api import Options, carry_out, prepare
from brownout.harness.base.ports import ephemeral_port
from brownout.harness.errors import UsageError
from brownout.harness.run.header import write_run_file
from brownout.harness.telemetry import otlp_metrics
from brownout.harness.telemetry.otlp import FLUSH_S
from brownout.harness.telemetry.otlp_metrics import RunMetricsSender, metrics_url, wanted
from brownout.harness.telemetry.prometheus import families
from brownout.harness.telemetry.samples import MetricsSnapshot
from support.otlp_collector import Collected, collector
from support.small_day import small_day
from support.telemetry_samples import EVERYTHING

NAMES = ("OTEL_SDK_DISABLED", "OTEL_METRICS_EXPORTER", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", *otlp_metrics.ENDPOINTS)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own settings do not count."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv(otlp_metrics.INTERVAL, "60000")


@pytest.fixture
def collected() -> Iterator[Collected]:
    with collector() as made:
        yield made
    for thread in threading.enumerate():  # what hung goes on now
        if thread.name == otlp_metrics.THREAD:
            thread.join(15)
            assert not thread.is_alive()


def sent(folder: Path, url: str, told: MetricsSnapshot = EVERYTHING) -> list[str]:
    """What was said of a run in real time that begins and ends at once."""
    said: list[str] = []
    write_run_file(folder, prepare(small_day(schedule=[]), Options(world="processes", out=folder)))
    sender = RunMetricsSender(url, lambda: told, said.append)
    sender.begin(folder)
    sender.end(None)
    return said


def test_all_figures_arrive_at_the_end(collected: Collected, tmp_path: Path) -> None:
    """The same metrics, labels and values as Prometheus is told; the histogram's buckets are not summed up."""
    assert sent(tmp_path, f"{collected.url}/v1/metrics") == []
    arrived, told = collected.newest_metrics(), {family.name: family for family in families(EVERYTHING)}
    assert set(arrived) == set(told)
    for name, metric in arrived.items():
        if metric.HasField("histogram"):
            (one, series) = (metric.histogram.data_points[0], EVERYTHING.requests[0])
            assert list(one.bucket_counts) == list(series.within)
            assert list(one.explicit_bounds) == [bound_ms / 1000 for bound_ms in series.bounds_ms]
            assert (one.count, one.sum) == (sum(series.within), series.latency_ms / 1000)
            assert not one.HasField("min")
            continue
        points = metric.sum.data_points if metric.HasField("sum") else metric.gauge.data_points
        values = [({at.key: at.value.string_value for at in one.attributes}, one.as_double or one.as_int) for one in points]
        assert values == [(dict(sample.labels), sample.value) for sample in told[name].samples], name
        assert metric.HasField("sum") is (told[name].type == "counter")
        assert metric.sum.is_monotonic is (told[name].type == "counter")


def test_a_simulation_sends_none(collected: Collected, tmp_path: Path) -> None:
    """Its hours pass in a second."""
    sender = RunMetricsSender(f"{collected.url}/v1/metrics", MetricsSnapshot, print)
    carry_out(prepare(small_day(schedule=[]), Options(out=tmp_path)), observers=[sender])
    assert collected.metrics == []


@pytest.mark.parametrize("how", ["refuses", "hangs", "fails"])
def test_a_collector_that_takes_none_is_told_once(how: str, collected: Collected, tmp_path: Path) -> None:
    """Within the time that a run may wait at its end."""
    url = collected.url
    if how == "refuses":
        url = f"http://127.0.0.1:{ephemeral_port()}"
    elif how == "hangs":
        collected.hangs.set()
    else:
        collected.status = 400
    started_s = time.monotonic()
    (line,) = sent(tmp_path, f"{url}/v1/metrics")
    assert line.startswith(f"brownout: the last metrics did not reach {url}/v1/metrics")
    assert time.monotonic() - started_s < FLUSH_S + 10


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/metrics"),
        ("https://collector/otlp/", "https://collector/otlp/v1/metrics"),
        ("http://127.0.0.1:4318/v1/traces", ""),
    ],
)
def test_a_collector_of_traces_alone_gets_no_metrics(base: str, url: str) -> None:
    """A base URL has both; one that ends in the path of traces is for these."""
    assert metrics_url(base) == url
    with pytest.raises(UsageError):
        metrics_url("4318")


def test_the_variables_turn_them_on_and_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere: an endpoint turns them on, another exporter or a disabled SDK off."""
    assert not wanted()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert wanted()
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    assert not wanted()

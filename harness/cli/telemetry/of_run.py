"""The options by which `brownout run` tells of itself while it goes: `--metrics` and `--otlp`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from brownout.harness.worlds.catalog import SIMULATION

if TYPE_CHECKING:
    from brownout.harness.record.observer import RunObserver
    from brownout.harness.telemetry.run_metrics import RunMetrics
    from brownout.harness.telemetry.server import ListenAddress


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where a run tells of itself: `metrics` is an address for Prometheus, `otlp` the URL of a collector, "" for neither."""

    metrics: str = ""
    otlp: str = ""

    def require_sound(self, world: str, episodes: int | None) -> None:
        """Raises UsageError for what cannot be, before anything is started."""
        from brownout.harness.errors import UsageError

        if self.metrics:
            self._address()
        if self.metrics and world == SIMULATION:
            raise UsageError("--metrics needs a run in real time, which the simulation is not", hint="add --world processes")
        if (self.metrics or self.otlp) and episodes is not None:
            raise UsageError("--metrics and --otlp are for one run, not for a series", hint="leave --episodes out")

    def _senders(self, metrics: RunMetrics) -> Iterator[RunObserver]:
        """What sends a trace and metrics, where asked for. By the variables alone, a missing package is told and no error."""
        from brownout.harness.errors import UsageError
        from brownout.harness.telemetry import otlp, otlp_metrics

        try:
            if self.otlp or otlp.wanted():
                yield otlp.RunTrace(self.otlp, _say)
            url = otlp_metrics.metrics_url(self.otlp) if self.otlp else ""
            if url or (not self.otlp and otlp_metrics.wanted()):
                yield otlp_metrics.RunMetricsSender(url, metrics.snapshot, _say)
        except UsageError as lacking:
            if self.otlp:
                raise
            _say(f"brownout: nothing is sent over OTLP: {lacking.message} ({lacking.hint})")

    def _address(self) -> ListenAddress:
        from brownout.harness.telemetry.server import ListenAddress

        return ListenAddress.parse(self.metrics)

    @contextmanager
    def listening(self, world: str) -> Iterator[tuple[RunObserver, ...]]:
        """What observes a run in that world, served and sent until the context ends; raises UsageError."""
        if not (self.metrics or self.otlp or any(name.startswith("OTEL_") for name in os.environ)):
            yield ()  # without what would tell of the run, which takes a moment to import
            return
        from brownout.harness.telemetry import otlp, otlp_metrics
        from brownout.harness.telemetry.run_metrics import RunMetrics

        if not (self.metrics or self.otlp or otlp.wanted() or otlp_metrics.wanted()):
            yield ()
            return
        metrics = RunMetrics()
        senders = tuple(self._senders(metrics))
        if not self.metrics:
            yield (metrics, *senders) if senders else ()
            return
        from brownout.harness.telemetry.server import MetricsServer

        with MetricsServer(self._address(), metrics.snapshot) as served:
            click.echo(f"Metrics: {served.address.url}", err=True)
            yield (metrics, *senders)


def _say(line: str) -> None:
    click.echo(line, err=True)


def told(function: Callable[..., int]) -> Callable[..., int]:
    """Options that say where the run tells of itself; the function gets them as one argument `telemetry`."""

    @click.option("--metrics", default="", metavar="[HOST:]PORT", help="Serve metrics for Prometheus on loopback meanwhile.")
    @click.option("--otlp", default="", metavar="URL", help="Send the run's trace and metrics to that OpenTelemetry collector.")
    @wraps(function)
    def collecting(*, metrics: str, otlp: str, **others: Any) -> int:
        return function(telemetry=Telemetry(metrics, otlp), **others)

    return collecting

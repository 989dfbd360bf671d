"""The options by which `brownout run` tells of itself while it goes: `--metrics` and `--otlp`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from brownout.harness.worlds.catalog import SIMULATION

if TYPE_CHECKING:
    from brownout.harness.record.observer import RunObserver
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

    def _trace(self) -> tuple[RunObserver, ...]:
        """The sender of traces, where one is asked for. By the variables alone, a missing package is told and no error."""
        from brownout.harness.errors import UsageError
        from brownout.harness.telemetry import otlp

        if not (self.otlp or otlp.wanted()):
            return ()
        try:
            return (otlp.RunTrace(self.otlp, _say),)
        except UsageError as lacking:
            if self.otlp:
                raise
            _say(f"brownout: no trace is sent: {lacking.message} ({lacking.hint})")
            return ()

    def _address(self) -> ListenAddress:
        from brownout.harness.telemetry.server import ListenAddress

        return ListenAddress.parse(self.metrics)

    @contextmanager
    def listening(self, world: str) -> Iterator[tuple[RunObserver, ...]]:
        """What observes a run in that world, served and sent until the context ends; raises UsageError."""
        trace = self._trace()
        if not self.metrics:
            yield trace
            return
        from brownout.harness.telemetry.run_metrics import RunMetrics
        from brownout.harness.telemetry.server import MetricsServer

        metrics = RunMetrics()
        with MetricsServer(self._address(), metrics.snapshot) as served:
            click.echo(f"Metrics: {served.address.url}", err=True)
            yield (metrics, *trace)


def _say(line: str) -> None:
    click.echo(line, err=True)


def told(function: Callable[..., int]) -> Callable[..., int]:
    """Options that say where the run tells of itself; the function gets them as one argument `telemetry`."""

    @click.option("--metrics", default="", metavar="[HOST:]PORT", help="Serve metrics for Prometheus on loopback meanwhile.")
    @click.option("--otlp", default="", metavar="URL", help="Send the run as a trace to that OpenTelemetry collector.")
    @wraps(function)
    def collecting(*, metrics: str, otlp: str, **others: Any) -> int:
        return function(telemetry=Telemetry(metrics, otlp), **others)

    return collecting

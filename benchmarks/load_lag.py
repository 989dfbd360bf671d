"""The load generator's own lag (sent - intended) at 200, 500 and 1,000 requests per second.

The service is one process that answers at once, so what is measured is the generator, with Locust, its statistics and the
request log in it, sharing the machine with that service.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Benchmark, Figures, Part, Row, Spread, percentile, text
from benchmarks.stands import ROOT
from brownout.harness.base.ports import ephemeral_port
from brownout.harness.load import driver
from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.load.log_tail import LogTail
from brownout.harness.record.history import RequestRecord

START_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`lead_s` is for Locust to come up before the first arrival."""

    rates_per_s: tuple[int, ...] = (200, 500, 1000)
    rounds: int = 3
    length_s: float = 4.0
    lead_s: float = 5.0


class RateFigures(Part):
    """One rate. `generator_cpu_share` is of one core; `problems` are those that the load handle reported."""

    rate_per_s: int
    requests_per_round: Spread
    issued_share: Spread
    happened_share: Spread
    lag_p50_ms: Spread
    lag_p99_ms: Spread
    lag_max_ms: Spread
    latency_p50_ms: Spread
    latency_p99_ms: Spread
    generator_cpu_share: Spread
    problems: tuple[str, ...]


class LoadLag(Figures):
    length_s: float
    rates: tuple[RateFigures, ...]


@dataclass(frozen=True, slots=True)
class Round:
    records: Sequence[RequestRecord]
    issued_share: float
    cpu_share: float
    problems: tuple[str, ...]

    def lags_ms(self) -> list[float]:
        return [1000 * (record.sent_s - record.intended_s) for record in self.records]

    def latencies_ms(self) -> list[float]:
        return [record.latency_ms for record in self.records]

    def happened_share(self) -> float:
        return sum(record.outcome == "happened" for record in self.records) / len(self.records)


def measure(settings: Settings) -> LoadLag:
    with _service() as port:
        rates = tuple(_rate(rate, settings, port) for rate in settings.rates_per_s)
    return LoadLag(length_s=settings.length_s, rates=rates)


@contextmanager
def _service() -> Iterator[int]:
    """The port of a service that answers at once, for as long as the block lasts."""
    port = ephemeral_port()
    service = subprocess.Popen([sys.executable, "-m", "benchmarks.answering", str(port)], cwd=ROOT)
    try:
        _await_answer(service, port)
        yield port
    finally:
        service.kill()
        service.wait()


def _await_answer(service: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + START_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline_s or service.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return


def _rate(rate_per_s: int, settings: Settings, port: int) -> RateFigures:
    rounds = [asyncio.run(_round(rate_per_s, settings, port)) for _ in range(settings.rounds)]
    lags_ms = [each.lags_ms() for each in rounds]
    latencies_ms = [each.latencies_ms() for each in rounds]
    return RateFigures(
        rate_per_s=rate_per_s,
        requests_per_round=Spread.of(len(each.records) for each in rounds),
        issued_share=Spread.of(each.issued_share for each in rounds),
        happened_share=Spread.of(each.happened_share() for each in rounds),
        lag_p50_ms=Spread.of(percentile(lags, 0.5) for lags in lags_ms),
        lag_p99_ms=Spread.of(percentile(lags, 0.99) for lags in lags_ms),
        lag_max_ms=Spread.of(max(lags) for lags in lags_ms),
        latency_p50_ms=Spread.of(percentile(latencies, 0.5) for latencies in latencies_ms),
        latency_p99_ms=Spread.of(percentile(latencies, 0.99) for latencies in latencies_ms),
        generator_cpu_share=Spread.of(each.cpu_share for each in rounds),
        problems=tuple(problem for each in rounds for problem in each.problems),
    )


async def _round(rate_per_s: int, settings: Settings, port: int) -> Round:
    plan = LoadPlan(
        seed=1,
        start_s=settings.lead_s,
        end_s=settings.lead_s + settings.length_s,
        cohorts=(Cohort(name="warm", model="token", region="sydney", rate_per_s=rate_per_s, machines=("vm1", "vm2", "vm3")),),
        urls={"client->sydney.host": f"http://127.0.0.1:{port}"},
        clock={"epoch_s": 0.0, "monotonic_s": time.monotonic(), "rate": 1.0},
    )
    with tempfile.TemporaryDirectory(prefix="brownout-bench-") as folder:
        load = await driver.start(plan, Path(folder))
        try:
            await asyncio.sleep(plan.clock["monotonic_s"] + plan.end_s + 0.2 - time.monotonic())
        finally:
            await load.stop()
        records = list(LogTail(Path(folder)).read())
    gauges = load.gauges()
    return Round(records, gauges["issued"] / gauges["planned"], gauges["cpu_share"], load.problems())


def rows(figures: LoadLag) -> tuple[Row, ...]:
    found = []
    for rate in figures.rates:
        found.append(Row(f"generator's lag at {rate.rate_per_s:,} requests per second, p99", text(rate.lag_p99_ms, "ms")))
        found.append(Row("- p50", text(rate.lag_p50_ms, "ms")))
        found.append(Row("- arrivals issued", text(rate.issued_share, "of 1")))
        found.append(Row("- the generator's share of a core", text(rate.generator_cpu_share, "of 1")))
    return tuple(found)


BENCHMARK = Benchmark(
    name="load_lag",
    title="The load generator keeps its schedule",
    about="Open-loop arrivals in one Locust process; lag is sent less intended time, from the request log.",
    figures=LoadLag,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rates_per_s=(50,), rounds=1, length_s=1.0, lead_s=4.0),
)

"""The load generator's own lag (sent - intended) at 200, 500 and 1,000 requests per second, as JSON.

`python benchmarks/load_lag.py [SECONDS]`. The service is one process that answers at once, so what is measured is the
generator, with Locust, its statistics and the request log in it, sharing the machine with that service.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.history import RequestRecord
from harness.load import driver
from harness.load.plan import Cohort, LoadPlan
from harness.load.tail import LogTail

RATES_PER_S = (200, 500, 1000)
LEAD_S = 6.0
BODY = json.dumps({"access_token": "x" * 700, "expires_in": "86399", "resource": "https://vault.azure.net"}).encode()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers every request with a token."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start_service(port: int) -> subprocess.Popen[bytes]:
    arguments = ["-m", "uvicorn", "--app-dir", str(Path(__file__).parent), "load_lag:application"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--no-access-log"]
    service = subprocess.Popen([sys.executable, *arguments, *options])
    deadline_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline_s or service.poll() is not None:
                service.kill()
                raise
            time.sleep(0.05)
        else:
            return service


async def measure(rate_per_s: int, length_s: float, port: int, folder: Path) -> dict[str, Any]:
    plan = LoadPlan(
        seed=1,
        start_s=LEAD_S,
        end_s=LEAD_S + length_s,
        cohorts=(Cohort(name="warm", model="token", region="sydney", rate_per_s=rate_per_s, machines=("vm1", "vm2", "vm3")),),
        urls={"client->sydney.host": f"http://127.0.0.1:{port}"},
        clock={"epoch_s": 0.0, "monotonic_s": time.monotonic(), "rate": 1.0},
    )
    load = await driver.start(plan, folder)
    await asyncio.sleep(plan.clock["monotonic_s"] + plan.end_s + 0.2 - time.monotonic())
    await load.stop()
    return figures(rate_per_s, list(LogTail(folder).read()), load)


def figures(rate_per_s: int, records: Sequence[RequestRecord], load: driver.DrivenLoad) -> dict[str, Any]:
    lags = sorted((record.sent_s - record.intended_s) * 1000 for record in records)
    latencies = sorted(record.latency_ms for record in records)
    gauges = load.gauges()
    return {
        "rate_per_s": rate_per_s,
        "requests": len(records),
        "issued_share": gauges["issued"] / gauges["planned"],
        "happened_share": sum(record.outcome == "happened" for record in records) / len(records),
        "lag_ms": {"p50": at(lags, 0.5), "p99": at(lags, 0.99), "max": at(lags, 1.0)},
        "latency_ms": {"p50": at(latencies, 0.5), "p99": at(latencies, 0.99), "max": at(latencies, 1.0)},
        "generator_cpu_share": round(gauges["cpu_share"], 3),
        "problems": load.problems(),
    }


def at(ordered: Sequence[float], quantile: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(quantile * len(ordered)))], 3)


def main(length_s: float) -> None:
    port = free_port()
    service = start_service(port)
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = [asyncio.run(measure(rate, length_s, port, Path(folder) / str(rate))) for rate in RATES_PER_S]
    finally:
        service.kill()
        service.wait()
    print(json.dumps({"benchmark": "load_lag", "seconds": length_s, "cpus": os.cpu_count(), "rates": rows}, indent=1))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)

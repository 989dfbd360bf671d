"""`python -m benchmarks.token_generator JOB`: asks one address for one cached token, over and over, on keep-alive connections.

Every connection has one request under way at a time, and every answer is read to its end and looked at: 200, and from the
host's cache. At the end a line of JSON (a `Burst`) says how many there were, and how busy every process concerned was.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Mapping
from typing import cast

import uvloop
from pydantic import BaseModel, ConfigDict

from benchmarks.costs import cpu_s
from benchmarks.report import percentile
from benchmarks.tokens import raw_token_request

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_HEAD_END, _GOOD, _FROM_CACHE = b"\r\n\r\n", b"HTTP/1.1 200", b";hit"
WARM_UP_S = 0.3


class Job(BaseModel):
    """What to do: for how long, on how many connections, and the pids (by name) whose processor time is to be taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int
    connections: int
    length_s: float
    pids: Mapping[str, int]


class Burst(BaseModel):
    """How it went. `cpu_shares` are of one core, by process name; the generator itself is `generator`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int
    took_s: float
    bad: int
    p50_ms: float
    p99_ms: float
    cpu_shares: Mapping[str, float]


class Connection(asyncio.Protocol):
    """One connection; `latencies_ms` and `bad` are of the answers since they were last cleared."""

    def __init__(self, request: bytes) -> None:
        self._request, self._received, self._sent_s = request, bytearray(), 0.0
        self._transport: asyncio.Transport | None = None
        self.latencies_ms: list[float] = []
        self.bad = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of asyncio's classes
        self._send()

    def _send(self) -> None:
        self._sent_s = time.perf_counter()
        if self._transport is not None:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        length = _LENGTH.search(self._received, 0, head_end)
        if length is not None and len(self._received) < head_end + len(_HEAD_END) + int(length[1]):
            return
        self._take(self._received.startswith(_GOOD) and self._received.find(_FROM_CACHE, 0, head_end) > 0)

    def _take(self, good: bool) -> None:
        self.latencies_ms.append(1000 * (time.perf_counter() - self._sent_s))
        self.bad += not good
        self._received.clear()
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.bad += self._transport is not None
        self._transport = None

    def clear(self) -> None:
        self.latencies_ms, self.bad = [], 0

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


async def burst(job: Job) -> Burst:
    """Runs the job; what comes in the first moments, while connections are made, is not counted."""
    loop = asyncio.get_running_loop()
    request = raw_token_request(f"{job.host}:{job.port}")
    made = [await loop.create_connection(lambda: Connection(request), job.host, job.port) for _ in range(job.connections)]
    connections = [connection for _, connection in made]
    await asyncio.sleep(WARM_UP_S)
    before = _busy_s(job)
    for connection in connections:
        connection.clear()
    started_s = time.perf_counter()
    await asyncio.sleep(job.length_s)
    took_s = time.perf_counter() - started_s
    latencies_ms = [latency for connection in connections for latency in connection.latencies_ms]
    bad = sum(connection.bad for connection in connections)
    after = _busy_s(job)
    for connection in connections:
        connection.close()
    return Burst(
        requests=len(latencies_ms),
        took_s=took_s,
        bad=bad,
        p50_ms=percentile(latencies_ms, 0.5),
        p99_ms=percentile(latencies_ms, 0.99),
        cpu_shares={name: (after[name] - before[name]) / took_s for name in before},
    )


def _busy_s(job: Job) -> Mapping[str, float]:
    return {"generator": time.process_time()} | {name: cpu_s(pid) for name, pid in job.pids.items()}


if __name__ == "__main__":
    print(uvloop.run(burst(Job.model_validate_json(sys.argv[1]))).model_dump_json())

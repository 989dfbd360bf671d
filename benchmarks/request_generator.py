"""`python -m benchmarks.request_generator`: sends prepared requests to one address, over and over, on keep-alive connections.

The job is a line of JSON on its standard input. Every connection has one request under way at a time, and every answer is
read to its end and looked at. At the end a line of JSON (a `Burst`) says how many there were, and how busy every process was.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import cycle
from typing import Any, cast

import uvloop
from pydantic import BaseModel, ConfigDict

from benchmarks.costs import cpu_s
from benchmarks.report import percentile
from benchmarks.stands import ROOT

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD_END, _GOOD = b"\r\n\r\n", (b"HTTP/1.1 200", b"HTTP/1.0 200")
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
WARM_UP_S = 0.3
START_WITHIN_S = 30.0


class Job(BaseModel):
    """What to do: for how long, on how many connections, and the pids (by name) whose processor time is to be taken.

    `requests` are sent in turn, each as it goes over the wire (as Latin-1). `mark` is what every good answer contains. With
    `once` none is sent a second time: the first moments count then, and the burst is over when all are answered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int
    requests: tuple[str, ...]
    mark: str
    connections: int
    length_s: float
    pids: Mapping[str, int]
    once: bool = False


class Burst(BaseModel):
    """How it went. `cpu_shares` are of one core, by process name; the generator itself is `generator`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int
    took_s: float
    bad: int
    p50_ms: float
    p99_ms: float
    cpu_shares: Mapping[str, float]

    @property
    def rate_per_s(self) -> float:
        return self.requests / self.took_s


class Connection(asyncio.Protocol):
    """One connection; `latencies_ms` and `bad` are of the answers since they were last cleared.

    Where a server ends its connection after an answer, `reopen` is called to make another one, which is in no latency.
    `idle` is called when there is nothing left to send.
    """

    def __init__(
        self,
        requests: Iterator[bytes],
        mark: bytes,
        reopen: Callable[[Connection], object],
        idle: Callable[[], object] = lambda: None,
    ) -> None:
        self._requests, self._mark, self._reopen, self._idle, self._is_over = requests, mark, reopen, idle, False
        self._received, self._sent_s = bytearray(), 0.0
        self._transport: asyncio.Transport | None = None
        self.latencies_ms: list[float] = []
        self.bad = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of asyncio's classes
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None)
        self._sent_s = time.perf_counter()
        if self._transport is not None and request is not None:
            self._transport.write(request)
        if request is None:
            self._idle()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        length = _LENGTH.search(self._received, 0, head_end)
        if length is not None and len(self._received) < head_end + len(_HEAD_END) + int(length[1]):
            return
        self._is_over = _CLOSE.search(self._received, 0, head_end + 2) is not None
        self._take(self._received.startswith(_GOOD) and self._mark in self._received)

    def _take(self, good: bool) -> None:
        self.latencies_ms.append(1000 * (time.perf_counter() - self._sent_s))
        self.bad += not good
        self._received.clear()
        if self._is_over:
            self._end()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.bad += self._transport is not None
        self._transport = None
        if self._is_over:
            self._is_over = False
            self._reopen(self)

    def clear(self) -> None:
        self.latencies_ms, self.bad = [], 0

    def close(self) -> None:
        self._is_over = False
        self._end()

    def _end(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


async def burst(job: Job) -> Burst:
    """Runs the job; what comes in the first moments, while connections are made, is not counted unless it goes `once`."""
    loop = asyncio.get_running_loop()
    encoded, mark = [each.encode("latin-1") for each in job.requests], job.mark.encode("latin-1")
    requests = iter(encoded) if job.once else cycle(encoded)
    opening = set[asyncio.Task[Any]]()

    def reopen(connection: Connection) -> None:
        task = loop.create_task(loop.create_connection(lambda: connection, job.host, job.port))
        opening.add(task)
        task.add_done_callback(opening.discard)

    working, all_answered = set(range(job.connections)), asyncio.Event()

    def idle(number: int) -> None:
        working.discard(number)
        if not working:
            all_answered.set()

    connections = [Connection(requests, mark, reopen, partial(idle, number)) for number in range(job.connections)]
    for connection in connections:
        reopen(connection)
    if not job.once:
        await asyncio.sleep(WARM_UP_S)
    before = _busy_s(job)
    for connection in connections:
        connection.clear()
    started_s = time.perf_counter()
    with suppress(TimeoutError):  # it is when no request is sent a second time that they run out
        await asyncio.wait_for(all_answered.wait(), job.length_s)
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


def burst_apart(job: Job) -> Burst:
    """The job done in a process of its own; raises RuntimeError when an answer was not good."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.request_generator"],
        input=job.model_dump_json().encode(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=job.length_s + START_WITHIN_S,
        check=True,
    )
    found = Burst.model_validate_json(done.stdout)
    if found.bad or not found.requests:
        raise RuntimeError(f"{found.bad} of {found.requests} answers were not good")
    return found


if __name__ == "__main__":
    print(uvloop.run(burst(Job.model_validate_json(sys.stdin.buffer.read()))).model_dump_json())

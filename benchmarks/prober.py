"""`python -m benchmarks.prober HOST:PORT INTERVAL_MS TIMEOUT_MS`: probes one address until its standard input ends.

Probes go out at fixed intervals, without waiting for earlier ones, each over a connection of its own. Every probe ends as a
line `NUMBER SENT_NS ENDED_NS OUTCOME` on the system's monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from brownout.harness.worlds.live.probe import probe_address

NS_PER_MS = 1_000_000


async def hammer(address: str, *, interval_ms: float, timeout_ms: float) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    started_s, under_way, number = loop.time(), set[asyncio.Task[None]](), 0
    while not ended.is_set():
        task = asyncio.create_task(probe(number, address, timeout_ms))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        number += 1
        await asyncio.sleep(started_s + number * interval_ms / 1000 - loop.time())
    await asyncio.gather(*under_way)


async def probe(number: int, address: str, timeout_ms: float) -> None:
    sent_ns = time.monotonic_ns()
    result = await probe_address(address, timeout_ms=timeout_ms)
    sys.stdout.write(f"{number} {sent_ns} {time.monotonic_ns()} {result.outcome}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(hammer(sys.argv[1], interval_ms=float(sys.argv[2]), timeout_ms=float(sys.argv[3])))

"""The results of an independent prober of a link, in the order in which its probes were sent.

Theory. An effect begins for users with the first request that feels it, so it is dated by when that probe was *sent*, not
by when its time-out ran out. It is over when a request has been answered as before, so that is dated by when the first
such probe *ended*: one that was under way when a slow link became fast again was not whole when it was sent. One odd
probe proves nothing on a busy machine: an effect, or its end, counts when RUN probes in a row show it, and the first
of these dates it. Only probes sent after the order count, so a hiccup before it cannot make the answer too good.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.prober import NS_PER_MS
from benchmarks.stands import ROOT

RUN = 8
WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Probe:
    number: int
    sent_ns: int
    ended_ns: int
    outcome: str

    @property
    def latency_ms(self) -> float:
        return (self.ended_ns - self.sent_ns) / NS_PER_MS

    @classmethod
    def parse(cls, line: bytes) -> Probe:
        number, sent_ns, ended_ns, outcome = line.split()
        return cls(int(number), int(sent_ns), int(ended_ns), outcome.decode())


class Sightings:
    """The probes of one prober."""

    def __init__(self, lines: asyncio.StreamReader) -> None:
        self._lines = lines
        self._waiting: dict[int, Probe] = {}
        self._next = 0

    async def first(self, wanted: Callable[[Probe], bool], *, since_ns: int) -> Probe:
        """The first of RUN probes in a row that are as wanted, sent at or after `since_ns`; raises TimeoutError."""
        run: list[Probe] = []
        async with asyncio.timeout(WITHIN_S):
            while len(run) < RUN:
                probe = await self._in_order()
                if probe.sent_ns >= since_ns:
                    run = [*run, probe] if wanted(probe) else []
        return run[0]

    async def _in_order(self) -> Probe:
        while self._next not in self._waiting:
            line = await self._lines.readline()
            if not line:
                raise RuntimeError("the prober has ended")
            probe = Probe.parse(line)
            self._waiting[probe.number] = probe
        self._next += 1
        return self._waiting.pop(self._next - 1)


@asynccontextmanager
async def watching(address: str, *, interval_ms: float, timeout_ms: float) -> AsyncIterator[Sightings]:
    """A prober at work in a process of its own while the block lasts."""
    arguments = ("-m", "benchmarks.prober", address, str(interval_ms), str(timeout_ms))
    prober = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    assert prober.stdout is not None
    try:
        yield Sightings(prober.stdout)
    finally:
        await _end(prober)


async def _end(prober: Process) -> None:
    if prober.returncode is None:
        prober.kill()
    await prober.communicate()

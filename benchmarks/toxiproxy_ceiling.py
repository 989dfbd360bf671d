"""What one Toxiproxy can carry at most: round trips and bytes per second, straight at a small server and through a proxy of it.

The server (a process of its own) sends back what it gets, or swallows it and counts; the client is this process. So the
figures through the proxy are what client, proxy and server reach together on this machine's cores, and the ratio to the
straight ones says what the proxy costs.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.report import Benchmark, Figures, Part, Row, Spread, text
from benchmarks.stands import ROOT, own_home
from brownout.harness.base.ports import HOST, free_ports
from brownout.harness.worlds.toxiproxy.client import Toxiproxy, start_server, stop_server

MESSAGE = b"x" * 64
CHUNK = b"x" * 262_144
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Each load is put on for `length_s`, straight and through the proxy in turn, once per round."""

    rounds: int = 3
    length_s: float = 2.0
    connections: tuple[int, ...] = (1, 16, 64)


class Carried(Part):
    """One kind of load. The ratio is through the proxy over straight, within one round."""

    straight: Spread
    through: Spread
    ratio: Spread


class ToxiproxyCeiling(Figures):
    """Round trips of 64 bytes per second by number of connections, and megabytes per second of one bulk transfer."""

    round_trips_per_s: Mapping[str, Carried]
    bulk_mb_per_s: Carried


class _PingPong(asyncio.Protocol):
    """One message out, the next when it has come back; for a client that counts, and for the server that echoes."""

    def __init__(self, *, first: bytes) -> None:
        self.count, self._first, self._received = 0, first, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._first)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if not self._first or self._received >= len(MESSAGE):
            self._received = 0
            self.count += 1
            self.transport.write(self._first or data)


class _Bulk(asyncio.Protocol):
    """Sends as fast as the other end takes it."""

    sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ready = True
        asyncio.get_running_loop().call_soon(self._pump)

    def pause_writing(self) -> None:
        self._ready = False

    def resume_writing(self) -> None:
        self._ready = True
        self._pump()

    def _pump(self) -> None:
        while self._ready and not self.transport.is_closing():
            self.transport.write(CHUNK)
            self.sent += len(CHUNK)


class _Sink(asyncio.Protocol):
    """Swallows everything."""


async def serve(echo_port: int, sink_port: int) -> None:
    """The server, until its standard input ends."""
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: _PingPong(first=b""), HOST, echo_port)
    await loop.create_server(_Sink, HOST, sink_port)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    print("up", flush=True)
    await ended.wait()


def measure(settings: Settings) -> ToxiproxyCeiling:
    with own_home() as home, _servers(home.toxiproxy) as (straight, through):
        trips = {
            count: [
                tuple(uvloop.run(_round_trips(ports[0], count, settings.length_s)) for ports in (straight, through))
                for _ in range(settings.rounds)
            ]
            for count in settings.connections
        }
        bulk = [
            tuple(uvloop.run(_bulk(ports[1], settings.length_s)) for ports in (straight, through))
            for _ in range(settings.rounds)
        ]
    return ToxiproxyCeiling(
        round_trips_per_s={str(count): _carried(rounds) for count, rounds in trips.items()}, bulk_mb_per_s=_carried(bulk)
    )


@contextmanager
def _servers(binary: Path) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Ports of echo and sink, straight and through Toxiproxy."""
    api, echo, sink, echo_link, sink_link = free_ports(5)
    command = [sys.executable, "-m", "benchmarks.toxiproxy_ceiling", str(echo), str(sink)]
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(binary, port=api, log=Path(folder) / "toxiproxy.log")
        target = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert target.stdout is not None
            assert target.stdout.readline() == b"up\n"
            proxy = Toxiproxy(server.api_url)
            proxy.create("echo", f"{HOST}:{echo_link}", f"{HOST}:{echo}")
            proxy.create("sink", f"{HOST}:{sink_link}", f"{HOST}:{sink}")
            yield (echo, sink), (echo_link, sink_link)
        finally:
            target.communicate()
            stop_server(server)


async def _round_trips(port: int, connections: int, length_s: float) -> float:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _PingPong(first=MESSAGE), HOST, port) for _ in range(connections)]
    before, started_s = sum(protocol.count for _, protocol in made), time.perf_counter()
    await asyncio.sleep(length_s)
    rate = (sum(protocol.count for _, protocol in made) - before) / (time.perf_counter() - started_s)
    for transport, _ in made:
        transport.abort()
    return rate


async def _bulk(port: int, length_s: float) -> float:
    transport, protocol = await asyncio.get_running_loop().create_connection(_Bulk, HOST, port)
    before, started_s = protocol.sent, time.perf_counter()
    await asyncio.sleep(length_s)
    rate = (protocol.sent - before) / MEGABYTE / (time.perf_counter() - started_s)
    transport.abort()
    return rate


def _carried(rounds: list[tuple[float, ...]]) -> Carried:
    return Carried(
        straight=Spread.of(straight for straight, _ in rounds),
        through=Spread.of(through for _, through in rounds),
        ratio=Spread.of(through / straight for straight, through in rounds),
    )


def rows(figures: ToxiproxyCeiling) -> tuple[Row, ...]:
    found = []
    for count, carried in figures.round_trips_per_s.items():
        found.append(Row(f"round trips of 64 bytes through a link, {count} connections", text(carried.through, "per s")))
        found.append(Row("- straight", text(carried.straight, "per s")))
        found.append(Row("- ratio", text(carried.ratio, "times")))
    found.append(Row("one bulk transfer through a link", text(figures.bulk_mb_per_s.through, "MB/s")))
    found.append(Row("- straight", text(figures.bulk_mb_per_s.straight, "MB/s")))
    return tuple(found)


BENCHMARK = Benchmark(
    name="toxiproxy_ceiling",
    title="What one Toxiproxy carries at most",
    about="A small echo server and a sink, straight and through a proxy of the same server, client and all on one machine.",
    figures=ToxiproxyCeiling,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, length_s=0.2, connections=(1,)),
)

if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))

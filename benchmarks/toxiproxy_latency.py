"""What a whole link adds to a request: the same cached token straight at the node's port and through Toxiproxy, in turn."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.report import Benchmark, Figures, Part, Row, Spread, percentile, text
from benchmarks.stands import HOST_NODE, standing_stack
from benchmarks.tokens import address_of, raw_token_request

Address = tuple[str, int]
TIMEOUT_S = 5.0
CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Settings:
    """Requests of one round over each path, on keep-alive and on fresh connections."""

    rounds: int = 5
    kept: int = 2000
    fresh: int = 400


class Compared(Part):
    """One way of connecting. The ratio is p50 through the link over p50 straight, within one round."""

    straight_p50_ms: Spread
    link_p50_ms: Spread
    added_p50_ms: Spread
    ratio: Spread


class ToxiproxyLatency(Figures):
    requests_per_round: Mapping[str, int]
    kept_connection: Compared
    fresh_connection: Compared


def measure(settings: Settings) -> ToxiproxyLatency:
    rounds = asyncio.run(_measure(settings))
    return ToxiproxyLatency(
        requests_per_round={"kept": settings.kept, "fresh": settings.fresh},
        kept_connection=_compared([kept for kept, _ in rounds]),
        fresh_connection=_compared([fresh for _, fresh in rounds]),
    )


async def _measure(settings: Settings) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    async with standing_stack() as world:
        straight, link = address_of(world.endpoints().control[HOST_NODE]), address_of(world.endpoints().clients[HOST_NODE])
        return [await asyncio.to_thread(_round, straight, link, settings) for _ in range(settings.rounds)]


def _round(straight: Address, link: Address, settings: Settings) -> tuple[tuple[float, float], tuple[float, float]]:
    """The medians, straight and through the link, on keep-alive and on fresh connections."""
    with _connect(straight) as one, _connect(link) as other:
        kept = [(_ask_ms(one, straight), _ask_ms(other, link)) for _ in range(settings.kept)]
    fresh = [(_fresh_ms(straight), _fresh_ms(link)) for _ in range(settings.fresh)]
    return _medians(kept), _medians(fresh)


def _medians(pairs_ms: list[tuple[float, float]]) -> tuple[float, float]:
    return percentile((one for one, _ in pairs_ms), 0.5), percentile((other for _, other in pairs_ms), 0.5)


def _connect(address: Address) -> socket.socket:
    connection = socket.create_connection(address, timeout=TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _fresh_ms(address: Address) -> float:
    started_s = time.perf_counter()
    with _connect(address) as connection:
        _ask_ms(connection, address)
        return 1000 * (time.perf_counter() - started_s)


def _ask_ms(connection: socket.socket, address: Address) -> float:
    """One request and its whole answer; raises OSError."""
    request = raw_token_request(f"{address[0]}:{address[1]}")
    started_s = time.perf_counter()
    connection.sendall(request)
    received = b""
    while not _is_whole(received):
        chunk = connection.recv(CHUNK_BYTES)
        if not chunk:
            raise ConnectionResetError("the answer broke off")
        received += chunk
    took_ms = 1000 * (time.perf_counter() - started_s)
    assert received.startswith(b"HTTP/1.1 200"), received[:200]
    return took_ms


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    _, _, length = head.lower().partition(b"content-length:")
    return len(body) >= int(length.split(b"\r\n", 1)[0])


def _compared(rounds_ms: list[tuple[float, float]]) -> Compared:
    return Compared(
        straight_p50_ms=Spread.of(straight for straight, _ in rounds_ms),
        link_p50_ms=Spread.of(link for _, link in rounds_ms),
        added_p50_ms=Spread.of(link - straight for straight, link in rounds_ms),
        ratio=Spread.of(link / straight for straight, link in rounds_ms),
    )


def rows(figures: ToxiproxyLatency) -> tuple[Row, ...]:
    found = []
    for name, compared in (("kept", figures.kept_connection), ("fresh", figures.fresh_connection)):
        found.append(Row(f"a cached token straight, {name} connection, p50", text(compared.straight_p50_ms, "ms")))
        found.append(Row(f"- the same through a link, {name} connection, p50", text(compared.link_p50_ms, "ms")))
        found.append(Row(f"- ratio, {name} connection", text(compared.ratio, "times")))
    return tuple(found)


BENCHMARK = Benchmark(
    name="toxiproxy_latency",
    title="What a link adds when nothing is wrong with it",
    about="One caller, one request at a time, straight and through the link in turn.",
    figures=ToxiproxyLatency,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, kept=20, fresh=5),
)

"""When a node polls for the next request instead of sleeping."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from brownout.identity.core.messages import Request, Response
from brownout.identity.server import http_server
from brownout.identity.server.http_server import IN_A_ROW, SOON_S, BusyPolling
from support.http_nodes import served

CLOSE_S, LATE_S = SOON_S / 4, SOON_S * 2


class Loop:
    """An event loop's ready callbacks, each of which takes a while, and the clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._ready: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def call_soon(self, call: Callable[..., None], *given: Any) -> None:
        self._ready.append((call, given))

    def polls_until_it_sleeps(self) -> int:
        done = 0
        while self._ready:
            assert len(self._ready) == 1, "one callback keeps the loop awake"
            call, given = self._ready.popleft()
            self.now_s += SOON_S / 10
            call(*given)
            done += 1
        return done


def came(polling: BusyPolling, loop: Loop, *gaps_s: float) -> list[int]:
    """After packets with those gaps before them: how often the loop looked for another before it would have slept."""
    polls = []
    for gap_s in gaps_s:
        loop.now_s += gap_s
        polling.packet_came(loop)  # type: ignore[arg-type]  # of a loop it asks for this alone
        polls.append(loop.polls_until_it_sleeps())
    return polls


def test_a_node_polls_once_requests_follow_closely_and_not_for_long() -> None:
    """A packet that is late ends it, and then as many close ones are needed as before."""
    loop = Loop()
    polling = BusyPolling(2, lambda: loop.now_s)
    start = came(polling, loop, LATE_S, *[CLOSE_S] * IN_A_ROW)
    assert not any(start[:-1])
    assert 9 <= start[-1] <= 11, "it polls for SOON_S, ten times the length of a callback"
    loop.now_s -= SOON_S  # the next packet came while it polled
    assert came(polling, loop, CLOSE_S)[0] > 0
    assert came(polling, loop, LATE_S, *[CLOSE_S] * (IN_A_ROW - 1)) == [0] * IN_A_ROW


def test_packets_far_apart_let_a_node_sleep() -> None:
    """Those of people and of open arrivals are."""
    loop = Loop()
    assert not any(came(BusyPolling(2, lambda: loop.now_s), loop, *[LATE_S] * 5 * IN_A_ROW))


def test_with_one_core_no_node_polls() -> None:
    """It would keep the client from sending what it polls for."""
    assert not BusyPolling(1).on
    assert BusyPolling(2).on


class Node:
    async def handle(self, request: Request) -> Response:
        return Response(200, {"path": request.path})


def test_answers_are_right_and_other_work_goes_on_while_a_node_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request of a client that sends the next one at once is answered, on every connection, in its order."""
    monkeypatch.setattr(http_server, "SOON_S", 0.5)
    monkeypatch.setattr(http_server, "cores_of_ours", lambda: 2)

    async def asked(port: int, name: str) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        found = []
        for number in range(3 * IN_A_ROW):
            writer.write(f"GET /{name}-{number} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            found.append((await reader.readexactly(length)).decode())
        writer.close()
        return found

    async def whole() -> list[list[str]]:
        async with served(Node()) as port:
            async with asyncio.timeout(10):
                return await asyncio.gather(*(asked(port, name) for name in "ab"))

    for name, found in zip("ab", asyncio.run(whole()), strict=True):
        assert found == [f'{{"path":"/{name}-{number}"}}' for number in range(3 * IN_A_ROW)]

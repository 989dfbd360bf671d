"""Connections to the edge while its process does not get to run: what peers said meanwhile is heard before they are cut."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

import pytest
import uvloop

from brownout.identity.server.edge import doors, pipe, tls
from brownout.identity.server.edge.authority import make_authority
from brownout.identity.server.edge.patience import STEPS, PeerLimit, patience
from brownout.identity.server.edge.server_context import server_context
from brownout.identity.server.edge.tls import TlsListener

LIMIT_S, STALL_S = 0.4, 0.6  # the process stands still for longer than any limit
NAME = "management.azure.com"
CROWD = 1500  # connections that are opened before the door runs for the first time


def on_loop(story: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs `story` on the loop that nodes have."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(story())


def bound() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


class Greeter(asyncio.Protocol):
    """What is behind the door: it sends one word."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"hello")


class Door:
    """A TLS door on the running loop, and clients that speak to it by hand, so that they can stop at any point."""

    def __init__(self) -> None:
        authority = make_authority("bench", [NAME])
        self.client = ssl.create_default_context(cadata=authority.ca)
        self.begun: set[asyncio.Task[None]] = set()
        self._listener = bound()
        self.address = self._listener.getsockname()
        self._tls = TlsListener(self._listener, server_context(authority, [NAME]), Greeter, self._spawn)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.begun.add(asyncio.get_running_loop().create_task(work))

    async def connect(self) -> socket.socket:
        """A connection whose time at the door has begun."""
        before, made = len(self.begun), socket.socket()
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, self.address)
        while len(self.begun) == before:  # noqa: ASYNC110  # nobody is told that it has accepted
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # the task waits for the first byte
        return made

    def close(self) -> None:
        self._tls.close()
        for task in self.begun:
            task.cancel()


class Hello:
    """The client's side of a handshake, step by step."""

    def __init__(self, door: Door, connection: socket.socket) -> None:
        self._read, self._write = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = door.client.wrap_bio(self._read, self._write, server_hostname=NAME)
        self._connection = connection

    async def step(self) -> bool:
        """Goes on as far as is possible and sends what comes of it; True once the handshake is done."""
        try:
            self._tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        if self._write.pending:
            await asyncio.get_running_loop().sock_sendall(self._connection, self._write.read())
        return done

    async def hear(self) -> None:
        """Takes what the door sent; raises ConnectionError when it hung up."""
        found = await asyncio.get_running_loop().sock_recv(self._connection, 65536)
        if not found:
            raise ConnectionResetError("the door hung up")
        self._read.write(found)

    async def word(self) -> bytes:
        """The rest of the handshake, and the word behind it."""
        while not await self.step():
            await self.hear()
        while True:
            try:
                return self._tls.read()
            except ssl.SSLWantReadError:
                await self.hear()


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "TLS_TIMEOUT_S", LIMIT_S)
    monkeypatch.setattr(doors, "HEAD_TIMEOUT_S", LIMIT_S)
    monkeypatch.setattr(pipe, "CONNECT_TIMEOUT_S", LIMIT_S)


def test_a_client_that_spoke_while_the_door_stood_still_is_heard() -> None:
    """Its first bytes came within the limit; the door gets to run only after it."""

    async def story() -> bytes:
        door = Door()
        connection = await door.connect()
        client = Hello(door, connection)
        await client.step()
        time.sleep(STALL_S)  # noqa: ASYNC251  # the process does not get to run
        try:
            return await client.word()
        finally:
            connection.close()
            door.close()

    assert on_loop(story) == b"hello"


def test_a_handshake_goes_on_after_the_door_stood_still() -> None:
    """The same in the middle of it, when the client's last bytes are on their way."""

    async def story() -> bytes:
        door = Door()
        connection = await door.connect()
        client = Hello(door, connection)
        await client.step()
        await client.hear()
        await client.step()
        time.sleep(STALL_S)  # noqa: ASYNC251  # the process does not get to run
        try:
            return await client.word()
        finally:
            connection.close()
            door.close()

    assert on_loop(story) == b"hello"


def test_a_node_that_took_the_connection_while_the_edge_stood_still_is_used() -> None:
    """It is not left out, as one is that does not answer."""
    left_out: list[str] = []

    async def story() -> bool:
        with bound() as node:
            node.listen()
            host, port = node.getsockname()
            connecting = asyncio.get_running_loop().create_task(
                pipe.connect(("node",), {"node": f"{host}:{port}"}, left_out.append)
            )
            await asyncio.sleep(0)
            time.sleep(STALL_S)  # noqa: ASYNC251  # the process does not get to run
            end = await connecting
            assert end.transport is not None
            end.on_lost = lambda: None
            end.transport.close()
            return True

    assert on_loop(story)
    assert left_out == []


def test_a_client_that_says_nothing_is_cut_off() -> None:
    """The limit is there for those, before the first byte and in the middle of a handshake."""

    async def story() -> list[bytes]:
        door, loop = Door(), asyncio.get_running_loop()
        silent, half = await door.connect(), await door.connect()
        client = Hello(door, half)
        await client.step()
        await client.hear()
        found = [await loop.sock_recv(silent, 1)]
        while more := await _rest(loop, half):  # what of the server's part was not read yet
            found.append(more)
        for each in (silent, half):
            each.close()
        door.close()
        return found[:1]

    assert on_loop(story) == [b""]


async def _rest(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(connection, 65536)
    except ConnectionError:
        return b""


def test_a_crowd_that_comes_before_the_door_runs_is_let_in() -> None:
    """All connections are made by the kernel, none waits for a place in the queue."""

    async def story() -> int:
        door = Door()
        with ExitStack() as held:
            crowd = [held.enter_context(socket.socket()) for _ in range(CROWD)]
            for each in crowd:
                each.setblocking(False)
                each.connect_ex(door.address)
            waiting = select.poll()
            for each in crowd:
                waiting.register(each, select.POLLOUT)
            made = sum(1 for _, event in waiting.poll(0) if event == select.POLLOUT)
            door.close()
            return made

    assert on_loop(story) == CROWD


def test_a_limit_is_over_after_its_steps_and_not_before() -> None:
    """Standing still takes one step, however long it is; a block that ends in time is left alone."""

    async def story() -> list[str]:
        seen: list[str] = []
        async with patience(LIMIT_S):
            pass
        limit = PeerLimit(LIMIT_S, lambda: seen.append("over"))
        time.sleep(STALL_S)  # noqa: ASYNC251  # the process does not get to run
        for _ in range(STEPS // 2):
            await asyncio.sleep(0)
        seen.append("heard")
        limit.cancel()
        with pytest.raises(TimeoutError):
            async with patience(LIMIT_S):
                await asyncio.Event().wait()
        return seen

    assert on_loop(story) == ["heard"]

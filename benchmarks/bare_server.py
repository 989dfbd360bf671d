"""`python -m benchmarks.bare_server`: one prepared answer to every request, which is read and not looked at.

Beside a node, with the same generator and requests, it says what the way there and back costs: the network, the event loop and
the HTTP parser, which are those that nodes have, and the generator itself. No node can be faster, and on one connection, where
each of both waits for the other, no server can. The answer comes on standard input, the port goes to standard output; it serves
until the standard input ends.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import httptools
import uvloop

from benchmarks.stands import ROOT

HOST = "127.0.0.1"


class _Connection(asyncio.Protocol):
    """A connection whose every request, once it is whole, gets the answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(self._answer)


async def serve(answer: bytes) -> None:
    """Serves until standard input ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: _Connection(answer), HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


@contextmanager
def standing_bare_server(answer: bytes) -> Iterator[tuple[int, int]]:
    """Port and pid of a process that gives this answer while the block lasts."""
    command = [sys.executable, "-m", "benchmarks.bare_server"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        server.stdin.write(b"%d\n%b" % (len(answer), answer))
        server.stdin.flush()
        yield int(server.stdout.readline()), server.pid
    finally:
        server.stdin.close()
        server.wait(timeout=10)
        server.stdout.close()


if __name__ == "__main__":
    uvloop.run(serve(sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))))

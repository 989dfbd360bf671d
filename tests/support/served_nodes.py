"""A node served over HTTP in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from brownout.identity.server.answering import Handler
from support.http_nodes import served


@contextmanager
def served_in_thread(node: Handler) -> Iterator[str]:
    """The URL of the node, as long as the block lasts."""
    ready, done = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with served(node) as port:
            ports.append(port)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10), "the node is not served"
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        done.set()
        thread.join(10)

"""Time limits for a peer that this process must not hold against it: only time in which the loop turns counts.

An ordinary timer goes on while the process does not get to run, and once it does, what is late is acted on before what has
arrived is read. A peer that had said everything in time would be cut off then, and on a crowded machine many would be. Here
a limit is counted in steps, and one turn of the loop takes one at most: between any two of them the loop has looked at every
connection, so that a peer that has spoken has been heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

STEPS = 10


class PeerLimit:
    """Calls `over` once `limit_s` have passed in turns of the running loop, unless it is cancelled before."""

    def __init__(self, limit_s: float, over: Callable[[], object]) -> None:
        assert limit_s > 0, limit_s
        self._loop, self._over = asyncio.get_running_loop(), over
        self._step_s, self._left = limit_s / STEPS, STEPS
        self._handle = self._loop.call_later(self._step_s, self._step)

    def cancel(self) -> None:
        self._handle.cancel()

    def _step(self) -> None:
        self._left -= 1
        assert self._left >= 0, "it is over once"
        if self._left:
            self._handle = self._loop.call_later(self._step_s, self._step)
        else:
            self._over()


@asynccontextmanager
async def patience(limit_s: float) -> AsyncIterator[None]:
    """Raises TimeoutError where what is inside does not end within the limit, as `asyncio.timeout` does."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as ending:
        limit = PeerLimit(limit_s, lambda: ending.reschedule(loop.time()))
        try:
            yield
        finally:
            limit.cancel()

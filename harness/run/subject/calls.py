"""Which ways a subject's own calls take through the stack: asked of the nodes again and again, beside the run.

A subject's answers to its clients show nothing of the identity service. Whether a fault concerned it at all is known from its
own calls: nodes count the trails of what they answer to real clients (identity/core/trail.py), and a run with a subject has no
others. An event of the kind `subject`, `calls`, has those of one stretch of time: `since_s`, and a number by trail.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from brownout.harness.errors import WorldError
from brownout.harness.run.journal import Journal
from brownout.harness.world import LiveWorld, Request
from brownout.identity.core.topology import CLIENT_FACING, NodeName

EVERY_S = 1.0
_TAKE = Request("POST", "/admin/seen", body={})


class SubjectCalls:
    """Counts from `begin`, which is before the subject starts, to `stop`."""

    def __init__(self, world: LiveWorld, journal: Journal) -> None:
        self._world, self._journal = world, journal
        self._since_s: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Has the nodes count from now on."""
        nodes = [node for node in self._world.spec.nodes() if NodeName.parse(node).role in CLIENT_FACING]
        await self._world.together(self._take(node) for node in nodes)
        self._task = asyncio.ensure_future(self._together([asyncio.ensure_future(self._often(node)) for node in nodes]))

    async def stop(self) -> None:
        """Takes the last counts; may run twice."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await self._world.together(self._take(node) for node in self._since_s)

    async def _together(self, tasks: list[asyncio.Task[None]]) -> None:
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _often(self, node: str) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self._take(node)

    async def _take(self, node: str) -> None:
        """Records what one node has counted; one that does not answer, as a fault may have it, is asked again later."""
        since_s, now_s = self._since_s.get(node, self._world.now()), self._world.now()
        try:
            answer = await self._world.control(node, _TAKE)
        except WorldError:
            return
        self._since_s[node] = now_s
        trails = {str(trail): int(number) for trail, number in (answer.body or {}).get("trails", {}).items() if trail}
        if answer.ok and trails:
            detail = {"since_s": round(since_s, 6), "trails": trails}
            self._journal.event("subject", "calls", node, detail)

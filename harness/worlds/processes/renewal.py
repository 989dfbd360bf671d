"""Processes that begin anew: what a test's reset does to the nodes of a stack."""

from __future__ import annotations

import asyncio

from brownout.harness.worlds.live.http_world import SocketWorld
from brownout.harness.worlds.processes.stack import ask


class RenewableWorld(SocketWorld):
    """A world whose nodes are children of the stack's parent process, which has all of their code."""

    async def reset(self) -> None:
        """Starts every node anew, as `start` did, without anything that it stored; ports, links and clock stay.

        The first one has the processes made in which the next one starts them, so the next takes half the time.

        Raises WorldError, as where a node is held.
        """
        renewed = await asyncio.to_thread(ask, self.folder, "renew")
        for node in renewed["unready"]:
            await self.await_ready(node)
        await asyncio.to_thread(ask, self.folder, "prepare")

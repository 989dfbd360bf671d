"""What stacks in containers do otherwise: they do not begin anew in a moment, and loads run inside of them."""

from __future__ import annotations

import asyncio

from brownout.harness.errors import UsageError
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.live.http_world import SocketWorld

LOAD_SERVICES = ("load-master", "load-worker")  # of the compose file's profile `load`
LOAD_PATIENCE_S = 10  # to write down what is under way; as in compose/load.yaml.in


class LastingWorld(SocketWorld):
    """A world whose nodes last as long as their stack, and in which loads are containers of it."""

    async def end_loads(self) -> tuple[str, ...]:
        """Stops the containers of the profile `load`: killed after LOAD_PATIENCE_S, all at once."""
        return await asyncio.to_thread(_end_loads, self.folder.name)

    async def reset(self) -> None:
        """Raises UsageError."""
        hint = "`brownout down`, then `brownout up --world compose`; a stack of processes can be reset"
        raise UsageError("a stack in containers cannot be reset", hint=hint)


def _end_loads(stack: str) -> tuple[str, ...]:
    engine = DockerEngine()
    try:
        return engine.stop_services(stack, LOAD_SERVICES, LOAD_PATIENCE_S)
    finally:
        engine.close()

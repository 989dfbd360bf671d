"""Containers do not begin anew in a moment."""

from __future__ import annotations

from brownout.harness.errors import UsageError
from brownout.harness.worlds.live.http_world import SocketWorld


class LastingWorld(SocketWorld):
    """A world whose nodes last as long as their stack."""

    async def reset(self) -> None:
        """Raises UsageError."""
        hint = "`brownout down`, then `brownout up --world compose`; a stack of processes can be reset"
        raise UsageError("a stack in containers cannot be reset", hint=hint)

"""Tokens that a protected API takes no more, though they are good: those issued before a moment, to one caller or to all.

This is continuous access evaluation as an API does it: it tells the client from when a token has to be, and the client gets
one that is newer (docs/reference/azure-wire.md#claims-challenge).
"""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.core.holds import Switch, Value, nothing_to_undo
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.records import Json

SWITCH = "revoke-tokens"
EVERY_CALLER = ""


class RevokedTokens:
    """What one vault node was told to take no more, for as long as it is held, also over a restart."""

    def __init__(self, node: Vault) -> None:
        self._node = node
        self.switches: Mapping[str, Switch] = {SWITCH: Switch(self._revoke, nothing_to_undo)}

    async def _revoke(self, fault_id: str, value: Value) -> Value:
        """From now on: whole seconds, as in the tokens' own times."""
        since_s = int(self._node.ports.now())
        await self._node.holds.decide(fault_id, since_s=since_s)
        return {"since_s": since_s}

    def since_s(self, caller: str) -> int | None:
        """From when on a token of the caller, by object id, has to have been issued; None where any will do."""
        times_s = [
            int(held["since_s"])
            for held in self._node.holds.held(SWITCH)
            if "since_s" in held and held.get("caller", EVERY_CALLER) in (EVERY_CALLER, caller)
        ]
        return max(times_s, default=None)

    def state(self) -> Json:
        """By caller, "" for every caller, from when on."""
        callers = {str(held.get("caller", EVERY_CALLER)) for held in self._node.holds.held(SWITCH)}
        return {caller: self.since_s(caller) for caller in sorted(callers)}

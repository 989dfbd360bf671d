"""node-disconnect: nodes go on running without their network; no connection to or from them works."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes
from brownout.harness.world import Carrier, World


class NodeDisconnect(NamedNodes):
    """Nodes lose their network, as when a cable is pulled: they keep running, and open calls hang."""

    kind = "node-disconnect"
    effect = "disconnected"
    needs = frozenset({"node:disconnected"})

    def describe(self) -> str:
        return f"{self.node} is off its network"

    async def look(self, world: World, node: str) -> tuple[bool, str]:
        silent, what = await super().look(world, node)
        seen = await world.read(Carrier("node", node))
        off = seen["state"] == "running" and not seen["connected"]
        return silent and off, f"{what}; {seen['state']} and {'off' if off else 'on'} its network"

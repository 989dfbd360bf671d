"""node-wipe: nodes are killed and lose their disks; the revert starts them with empty ones."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes
from brownout.harness.world import Carrier, World


class NodeWipe(NamedNodes):
    """Nodes are lost with their disks. What each role may lose: docs/design.md#what-may-be-lost."""

    kind = "node-wipe"
    effect = "wiped"
    needs = frozenset({"node:wiped"})

    def describe(self) -> str:
        return f"{self.node} is wiped, with all that it kept"

    async def look(self, world: World, node: str) -> tuple[bool, str]:
        away, what = await super().look(world, node)
        kept = bool((await world.read(Carrier("node", node)))["kept"])
        return away and not kept, f"{what}; its volume is {'there' if kept else 'gone'}"

"""node-wipe: nodes are gone with all that they had made durable; the revert makes new, empty ones."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes
from brownout.harness.world import Carrier, World


class NodeWipe(NamedNodes):
    """As when a machine burns down. docs/design.md says what may be lost with each kind of node."""

    kind = "node-wipe"
    effect = "wiped"
    needs = frozenset({"node:wiped"})
    signs = frozenset({"refused", "reset"})

    def describe(self) -> str:
        return f"{self.node} is wiped, with all that it kept"

    async def look(self, world: World, node: str) -> tuple[bool, str]:
        away, what = await super().look(world, node)
        kept = bool((await world.read(Carrier("node", node)))["kept"])
        return away and not kept, f"{what}; its volume is {'there' if kept else 'gone'}"

"""node-restart: processes end and start again, once; what was only in memory is lost."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes
from brownout.harness.world import Carrier, World


class NodeRestart(NamedNodes):
    """Nodes restart once, with cold caches. There is nothing to revert. Observed by the start time that the engine reports."""

    kind = "node-restart"
    effect = "restarted"
    needs = frozenset({"node:restarted"})
    lasting = True

    def describe(self) -> str:
        return f"{self.node} is restarted"

    async def look(self, world: World, node: str) -> tuple[bool, str]:
        seen = await world.read(Carrier("node", node))
        ended = [hold["ended"] for hold in seen["holds"].values() if hold["effect"] == self.effect]
        began = str(seen.get("started_at", ""))
        if not ended or seen["state"] != "running":
            return False, f"{seen['state']}, not restarted"
        return began not in ended, f"runs since {began}, before that since {ended[-1]}"

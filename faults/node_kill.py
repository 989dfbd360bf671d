"""node-kill: processes are killed (SIGKILL)."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes


class NodeKill(NamedNodes):
    """Nodes are killed (SIGKILL), as when a machine loses its power; the revert starts them again."""

    kind = "node-kill"
    effect = "down"
    needs = frozenset({"node:down"})

    def describe(self) -> str:
        return f"{self.node} is killed"

"""node-pause: processes are frozen; connections to them are made and never answered."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes


class NodePause(NamedNodes):
    """Nodes are frozen, as in a long garbage collection: the kernel accepts connections, and no request is answered."""

    kind = "node-pause"
    effect = "paused"
    needs = frozenset({"node:paused"})

    def describe(self) -> str:
        return f"{self.node} is paused"

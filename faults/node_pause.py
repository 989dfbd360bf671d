"""node-pause: processes are frozen; connections to them are made and never answered."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes


class NodePause(NamedNodes):
    """As in a long garbage collection or a hung disk: alive to the kernel, dead to its callers."""

    kind = "node-pause"
    effect = "paused"
    needs = frozenset({"node:paused"})
    signs = frozenset({"timeout"})

    def describe(self) -> str:
        return f"{self.node} is paused"

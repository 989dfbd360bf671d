"""node-stop: processes are asked to end (SIGTERM) and end after their open work."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes


class NodeStop(NamedNodes):
    """Nodes end in order, as when a machine is taken out of service; the revert starts them again."""

    kind = "node-stop"
    effect = "stopped"
    needs = frozenset({"node:stopped"})

    def describe(self) -> str:
        return f"{self.node} is stopped"

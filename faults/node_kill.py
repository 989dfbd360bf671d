"""node-kill: processes die without a word."""

from __future__ import annotations

from brownout.faults._nodes import KillFault, NamedNodes


class NodeKill(KillFault, NamedNodes):
    """As when a machine loses its power."""

    kind = "node-kill"

    def describe(self) -> str:
        return f"{self.node} is killed"

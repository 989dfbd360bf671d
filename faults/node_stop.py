"""node-stop: processes are asked to end, and end; nothing that they had begun is lost."""

from __future__ import annotations

from brownout.faults._nodes import NamedNodes


class NodeStop(NamedNodes):
    """As when somebody takes a machine out of service (SIGTERM); the revert starts it again."""

    kind = "node-stop"
    effect = "stopped"
    needs = frozenset({"node:stopped"})
    signs = frozenset({"refused", "reset"})

    def describe(self) -> str:
        return f"{self.node} is stopped"

"""The holds of node processes, which their supervisor stores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brownout.harness.effects import NodeEffect
from brownout.harness.worlds.processes.stack import ask


class SupervisorHolds:
    """The holds on the nodes of the stack in `folder`. Every method raises WorldError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, node: str, fault_id: str, effect: NodeEffect) -> Mapping[str, Any]:
        """Adds a hold, or replaces that id's, and returns the node's report once it is in force."""
        return ask(self._folder, "hold", node=node, id=fault_id, **effect.to_json())

    def release(self, node: str, fault_id: str) -> None:
        """Removes a hold; success also where there is none."""
        ask(self._folder, "release", node=node, id=fault_id)

    def read(self, node: str) -> Mapping[str, Any]:
        """The node's report, with its `holds`."""
        return ask(self._folder, "read", node=node)

    def resume_command(self, _: str, report: Mapping[str, Any]) -> str:
        """A signal to the node's process."""
        return f"kill -CONT {report['pid']}"

"""Base of faults that are acts of the deployer."""

from __future__ import annotations

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home, key_readers
from brownout.harness.fault import Reach, node_state
from brownout.harness.world import DEPLOYER, StackSpec, World


class DeployerFault(SwitchFault):
    """One switch on the deployer, which may refuse it (a freeze): Defended."""

    family = "deployment"

    def holder(self, spec: StackSpec) -> str:
        return home(spec, DEPLOYER)

    def changed(self, spec: StackSpec) -> tuple[str, ...]:
        """The regions whose nodes it changes; raises UsageError."""
        return ()

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=key_readers(spec, self.changed(spec)))


async def builds_of(world: World, nodes: tuple[str, ...]) -> dict[str, str]:
    """The build that each node reports itself, independently of the deployer; raises WorldError."""
    return {node: str((await node_state(world, node))["build"]) for node in nodes}

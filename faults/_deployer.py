"""Base of faults that are acts of the deployer."""

from __future__ import annotations

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home, key_readers
from brownout.harness.fault import Observation, Reach, node_state
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

    async def at_target(self, world: World, regions: tuple[str, ...]) -> Observation | None:
        """`absent` where no order like ours stands and each node runs the build that the deployer wants there; else None."""
        if await self.in_force(world) is not None:
            return None
        wanted = (await node_state(world, self.holder(world.spec)))["regions"]
        told: list[str] = []
        for region in regions:
            builds = set((await builds_of(world, key_readers(world.spec, (region,)))).values())
            if builds != {wanted[region]["target"]}:
                return None
            told.append(f"{region} runs {wanted[region]['target']}, as it is to")
        return Observation("absent", f"no such order stands; {'; '.join(told)}")


async def builds_of(world: World, nodes: tuple[str, ...]) -> dict[str, str]:
    """The build that each node reports itself, independently of the deployer; raises WorldError."""
    return {node: str((await node_state(world, node))["build"]) for node in nodes}

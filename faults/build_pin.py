"""build-pin: the deployer keeps a region on one build; later roll-outs skip it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._deployer import DeployerFault, builds_of
from brownout.faults._targets import key_readers, known_build, known_region
from brownout.harness.fault import Observation, node_state
from brownout.harness.world import StackSpec, World


class BuildPin(DeployerFault):
    """The deployer keeps a region on one build, as when an operator forgets a pin after an incident."""

    kind = "build-pin"
    switch = "pin"
    target = ("region",)

    region: str = Field(description="whose nodes stay on the build")
    build: str = Field(description="the build that the region is kept on")

    def describe(self) -> str:
        return f"{self.region} is pinned to build {self.build}"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"region": known_region(spec, self.region), "build": known_build(self.build)}

    def changed(self, spec: StackSpec) -> tuple[str, ...]:
        return (known_region(spec, self.region),)

    def unchanged(self, spec: StackSpec, before: Mapping[str, Mapping[str, Any]]) -> str:
        """A pin moves the region to its build, and later keeps roll-outs off."""
        (deployer,) = map(str, self.carriers(spec))
        builds = set(before[deployer]["regions"][self.region]["builds"].values())
        return f"{self.region} ran build {self.build} already" if builds == {self.build} else ""

    async def observe(self, world: World) -> Observation:
        pin = (await node_state(world, self.holder(world.spec)))["regions"][self.region]["pin"]
        builds = sorted(set((await builds_of(world, key_readers(world.spec, (self.region,)))).values()))
        evidence = f"{self.region} is pinned to {pin or 'nothing'} and runs {', '.join(builds)}"
        if pin != self.build:
            return Observation("absent", evidence)
        return Observation("bitten" if builds == [self.build] else "unclear", evidence)

    async def observe_undone(self, world: World) -> Observation:
        """A pin that is gone is undone once the region runs what it is to run without it."""
        healed = await self.at_target(world, (self.region,))
        if healed is not None:
            return healed
        seen = await self.observe(world)
        return seen if seen.state != "absent" else Observation("unclear", f"{seen.evidence}, which is not what it is to run")

"""configure: the deployer changes the configuration of every node that holds store keys, region by region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._deployer import DeployerFault
from brownout.faults._looks import everywhere
from brownout.faults._targets import key_readers, known_config, known_regions
from brownout.harness.fault import Observation, node_state
from brownout.harness.world import StackSpec, World


class Configure(DeployerFault):
    """A configuration change without a new build; the revert restores the configuration before."""

    kind = "configure"
    switch = "configure"
    target = ("regions",)

    regions: tuple[str, ...] = Field((), description="none means all")
    set: Mapping[str, bool] = Field(min_length=1, description="such as {force_managed_key: true}")

    def describe(self) -> str:
        changes = ", ".join(f"{name}={str(value).lower()}" for name, value in self.set.items())
        return f"{', '.join(self.regions) or 'all regions'}: {changes}"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        changes = {known_config(name): value for name, value in self.set.items()}
        return {"regions": list(known_regions(spec, self.regions)), "set": changes}

    def changed(self, spec: StackSpec) -> tuple[str, ...]:
        return known_regions(spec, self.regions)

    async def observe(self, world: World) -> Observation:
        looks = {}
        for node in key_readers(world.spec, known_regions(world.spec, self.regions)):
            config = (await node_state(world, node))["config"]
            seen = {name: config.get(name) for name in self.set}
            looks[node] = (seen == dict(self.set), ", ".join(f"{name}={value}" for name, value in seen.items()))
        return everywhere("nodes with the new configuration", looks)

    async def observe_undone(self, world: World) -> Observation:
        """A configuration that a node has anyway is no effect once no such order stands."""
        if await self.in_force(world) is not None:
            return await self.observe(world)
        wanted = (await node_state(world, self.holder(world.spec)))["regions"]
        regions = known_regions(world.spec, self.regions)
        configs = {
            node: ((await node_state(world, node))["config"], wanted[region]["config"])
            for region in regions
            for node in key_readers(world.spec, (region,))
        }
        late = [node for node, (config, target) in configs.items() if {**config, **target} != config]
        if late:
            return await self.observe(world)
        return Observation("absent", f"no such order stands; {', '.join(regions)}: each node has its own configuration")

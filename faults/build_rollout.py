"""build-rollout: the deployer rolls a build out. The builds that the nodes run count, not the deployer's report.

In July 2024 the roll-out reported success for regions that were pinned and never changed; here that is `absent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._deployer import DeployerFault, builds_of
from brownout.faults._targets import key_readers, known_build, known_regions
from brownout.harness.fault import Observation, node_state
from brownout.harness.world import StackSpec, World


class BuildRollout(DeployerFault):
    """A build is rolled out to some regions or all; the revert rolls back to the builds before."""

    kind = "build-rollout"
    switch = "roll-out"
    target = ("regions",)

    build: str = Field(description="the build that is rolled out")
    regions: tuple[str, ...] = Field((), description="none means all")

    def describe(self) -> str:
        return f"build {self.build} is rolled out to {', '.join(self.regions) or 'all regions'}"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"build": known_build(self.build), "regions": list(known_regions(spec, self.regions))}

    def changed(self, spec: StackSpec) -> tuple[str, ...]:
        return known_regions(spec, self.regions)

    async def observe(self, world: World) -> Observation:
        """Bitten when all nodes of a region that is not pinned elsewhere run the build; absent when no node does."""
        regions = known_regions(world.spec, self.regions)
        reported = (await node_state(world, self.holder(world.spec)))["regions"]
        builds = {region: await builds_of(world, key_readers(world.spec, (region,))) for region in regions}
        counts = {region: list(nodes.values()).count(self.build) for region, nodes in builds.items()}
        evidence = f"build {self.build} runs on " + "; ".join(
            f"{counts[region]} of {len(builds[region])} nodes of {region}{_pinned(reported[region], self.build)}"
            for region in regions
        )
        if not any(counts.values()):
            return Observation("absent", evidence, builds)
        awaited = [region for region in regions if reported[region]["pin"] in (None, self.build)]
        complete = bool(awaited) and all(counts[region] == len(builds[region]) for region in awaited)
        return Observation("bitten" if complete else "unclear", evidence, builds)

    async def observe_undone(self, world: World) -> Observation:
        return await self.at_target(world, known_regions(world.spec, self.regions)) or await self.observe(world)


def _pinned(region: Mapping[str, Any], build: str) -> str:
    return f" (pinned to {region['pin']})" if region["pin"] not in (None, build) else ""

"""replication-pause: the directory sends no snapshots to some regions, whose replicas then fall behind.

The bite is a replica that lags. Without new changes no replica lags, and the observation is `unclear`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home, key_readers, known_regions
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import DIRECTORY, VAULT, Settings, StackSpec, World


class ReplicationPause(SwitchFault):
    """Some regions get no snapshots: new identities are unknown there, deleted ones still get tokens."""

    kind = "replication-pause"
    family = "data"
    switch = "pause-replication"
    target = ("regions",)

    regions: tuple[str, ...] = Field(min_length=1, description="which get no snapshots")

    def describe(self) -> str:
        return f"nothing is replicated to {', '.join(self.regions)}"

    def settles_s(self, spec: StackSpec) -> float:
        return 2 * Settings.of(spec.settings).publish_interval_s

    def holder(self, spec: StackSpec) -> str:
        return home(spec, DIRECTORY)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"regions": list(known_regions(spec, self.regions))}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(replicas=self._replicas(spec))

    async def observe(self, world: World) -> Observation:
        """Bitten: paused and every replica behind. Absent: not paused and none behind. A lag alone proves neither."""
        version = int((await node_state(world, self.holder(world.spec)))["version"])
        looks = {}
        for node in self._replicas(world.spec):
            replica = int((await node_state(world, node))["replica_version"])
            looks[node] = (replica < version, f"version {replica} of {version}")
        behind = everywhere("replicas behind", looks)
        paused = await self.in_force(world) is not None
        if (behind.state == "bitten" and paused) or (behind.state == "absent" and not paused):
            return behind
        reason = "paused, and nothing new to replicate yet" if paused else "not paused, replicas catch up"
        return Observation("unclear", f"{reason}; {behind.evidence}", behind.detail)

    def _replicas(self, spec: StackSpec) -> tuple[str, ...]:
        regions = known_regions(spec, self.regions)
        return (*key_readers(spec, regions), *(f"{region}.{VAULT}" for region in regions))

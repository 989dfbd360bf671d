"""iam-replication-pause: regions, or single nodes of them, get no newer account from IAM's control plane.

Permissions, keys and principals that change meanwhile are as before there. The bite is an account that lags. Without changes
none lags, and the observation is `unclear`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from brownout.faults._iam import IamFault, behind
from brownout.faults._targets import key_readers, known_regions, matching_nodes
from brownout.harness.errors import UsageError
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import VAULT, Settings, StackSpec, World


class IamReplicationPause(IamFault):
    """Old answers from those replicas; behind one endpoint, old and new ones in turn."""

    kind = "iam-replication-pause"
    family = "data"
    switch = "pause-iam-replication"
    target = ("regions",)

    regions: tuple[str, ...] = Field((), description="all nodes of these regions")
    nodes: tuple[str, ...] = Field((), description="single nodes, such as sydney.token.z2")

    @model_validator(mode="after")
    def _somebody(self) -> IamReplicationPause:
        if not self.regions and not self.nodes:
            raise ValueError("name regions or nodes")
        return self

    def describe(self) -> str:
        return f"no newer account reaches {', '.join((*self.regions, *self.nodes))}"

    def settles_s(self, spec: StackSpec) -> float:
        return 2 * Settings.of(spec.settings).iam_publish_interval_s

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"regions": list(known_regions(spec, self.regions)) if self.regions else [], "nodes": list(self._nodes(spec))}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(replicas=self._replicas(spec))

    async def observe(self, world: World) -> Observation:
        """Bitten: paused and every account behind. Absent: not paused and none behind. A lag alone proves neither."""
        version = int((await node_state(world, self.holder(world.spec)))["aws"]["version"])
        paused = await self.standing(world) is not None
        found = await behind(world, self._replicas(world.spec), version)
        if found.state == ("bitten" if paused else "absent"):
            return found
        reason = "paused, and nothing new to replicate yet" if paused else "not paused, accounts catch up"
        return Observation("unclear", f"{reason}; {found.evidence}", found.detail)

    def _replicas(self, spec: StackSpec) -> tuple[str, ...]:
        regions = known_regions(spec, self.regions) if self.regions else ()
        return (*key_readers(spec, regions), *(f"{region}.{VAULT}" for region in regions), *self._nodes(spec))

    def _nodes(self, spec: StackSpec) -> tuple[str, ...]:
        """The nodes named; raises UsageError for one that keeps no account."""
        keep = {*key_readers(spec, spec.regions), *(f"{region}.{VAULT}" for region in spec.regions)}
        found = tuple(dict.fromkeys(node for name in self.nodes for node in matching_nodes(spec, name)))
        for node in found:
            if node not in keep:
                raise UsageError(f"{node} keeps no account", hint="token, management and vault nodes do")
        return found

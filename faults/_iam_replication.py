"""Base of faults that keep replicas of AWS's account back: which replicas they are, and how a lag is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from brownout.faults._iam import VENDOR, IamFault
from brownout.faults._looks import everywhere
from brownout.faults._targets import key_readers, known_regions, matching_nodes
from brownout.harness.errors import UsageError
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import VAULT, Settings, StackSpec, World


class IamReplicationFault(IamFault):
    """Keeps regions, or single nodes of them, back."""

    target = ("regions",)

    regions: tuple[str, ...] = Field((), description="all nodes of these regions")
    nodes: tuple[str, ...] = Field((), description="single nodes, such as sydney.token.z2")

    @model_validator(mode="after")
    def _has_targets(self) -> IamReplicationFault:
        if not self.regions and not self.nodes:
            raise ValueError("name regions or nodes")
        return self

    def settles_s(self, spec: StackSpec) -> float:
        return 2 * Settings.of(spec.settings).iam_publish_interval_s

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"regions": list(known_regions(spec, self.regions)) if self.regions else [], "nodes": list(self._nodes(spec))}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(replicas=self.replicas(spec))

    async def lag(self, world: World) -> tuple[bool, Observation]:
        """Whether the switch is thrown, and which replicas lag: they are older than what is published, or got something late.

        What is published counts and not the account's version, which grows with what no region is sent, such as last uses.
        """
        told = (await node_state(world, self.holder(world.spec)))[VENDOR]
        looks = {}
        for node in self.replicas(world.spec):
            newest = int(told["published"][node.partition(".")[0]])
            known = int((await node_state(world, node))[VENDOR]["account_version"])
            late = int(told["delayed"].get(node, {}).get("late", 0))
            looks[node] = (known < newest or late > 0, f"version {known} of {newest}{f', {late} came late' if late else ''}")
        return await self.in_force(world) is not None, everywhere("replicas behind", looks)

    def replicas(self, spec: StackSpec) -> tuple[str, ...]:
        """The nodes that are kept back; raises UsageError for one that keeps no account."""
        regions = known_regions(spec, self.regions) if self.regions else ()
        return (*key_readers(spec, regions), *(f"{region}.{VAULT}" for region in regions), *self._nodes(spec))

    def _nodes(self, spec: StackSpec) -> tuple[str, ...]:
        keep = {*key_readers(spec, spec.regions), *(f"{region}.{VAULT}" for region in spec.regions)}
        found = tuple(dict.fromkeys(node for name in self.nodes for node in matching_nodes(spec, name)))
        for node in found:
            if node not in keep:
                raise UsageError(f"{node} keeps no account", hint="token, management and vault nodes do")
        return found

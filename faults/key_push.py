"""key-push: the directory publishes a region's managed key to every node again; a mitigation.

It bites when every node that reads the region's store then signs with a managed key. A node whose build cannot use one
receives the key and goes on with the old key, as in July 2024 (docs/reference/sources.md, claim C19).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home, in_region, key_readers, known_region
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import DIRECTORY, STORE, StackSpec, World


class KeyPush(SwitchFault):
    """The managed key is published again. Published keys stay known, so the revert only releases the hold."""

    kind = "key-push"
    family = "credential"
    switch = "push-keys"
    target = ("region",)
    lasting = True

    region: str = Field(description="whose store the key is for")

    def describe(self) -> str:
        return f"the managed key of {self.region} is pushed to every node again"

    def holder(self, spec: StackSpec) -> str:
        return home(spec, DIRECTORY)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"region": known_region(spec, self.region)}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=(in_region(spec, self.region, STORE),))

    async def observe(self, world: World) -> Observation:
        looks = {}
        for node in key_readers(world.spec, world.spec.regions):
            key = (await node_state(world, node))["store_keys"][self.region]
            looks[node] = (key["kind"] == "managed", f"signs with {key['key_id']}")
        return everywhere(f"nodes with the managed key of {self.region}", looks)

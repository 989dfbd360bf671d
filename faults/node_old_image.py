"""node-old-image: nodes run from the image of an older build, which contains no newer build."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from brownout.faults._nodes import NamedNodes
from brownout.harness.effects import NodeEffect
from brownout.harness.errors import WorldError
from brownout.harness.fault import node_state
from brownout.harness.world import Carrier, StackSpec, World


class NodeOldImage(NamedNodes):
    """Nodes run an older image, as after a roll-back by hand. Their disks stay; a roll-out to another build fails on them."""

    kind = "node-old-image"
    effect = "old-image"
    needs = frozenset({"node:old-image"})

    build: Literal["0.9", "1.0"] = Field(description="the build of the old image")

    def describe(self) -> str:
        return f"{self.node} runs from the image of build {self.build}"

    def state(self, spec: StackSpec, carrier: Carrier) -> NodeEffect:
        return NodeEffect(self.effect, self.build)

    async def look(self, world: World, node: str) -> tuple[bool, str]:
        try:
            state = await node_state(world, node)
        except WorldError as silent:
            return False, silent.message
        image = state["image_build"]
        what = f"an image of build {image}" if image else "an image of every build"
        return (state["build"], image) == (self.build, self.build), f"runs build {state['build']} from {what}"

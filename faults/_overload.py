"""What faults of overload share: one switch on every node that a name means, and each node's own report of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._targets import matching_nodes
from brownout.harness.effects import SwitchThrow
from brownout.harness.fault import Fault, Observation, Reach, node_state
from brownout.harness.world import Carrier, StackSpec, World

NODE = 'a node\'s name, or the start of several: "sydney.token" means all zones, "sydney" the region'


class OverloadFault(Fault):
    """One switch on each of a set of nodes. Files add its value and how its effect shows in a node's state."""

    target = ("node",)
    switch: ClassVar[str]

    node: str = Field(description=NODE)

    def value(self) -> Mapping[str, Any]:
        """What the switch is thrown with; raises UsageError."""
        raise NotImplementedError

    def shows(self, state: Mapping[str, Any]) -> tuple[bool, str]:
        """Whether the effect shows in a node's state, and what was seen."""
        raise NotImplementedError

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        """The nodes concerned; raises UsageError."""
        return matching_nodes(spec, self.node)

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        self.value()
        return tuple(Carrier("control", node) for node in self.nodes(spec))

    def state(self, spec: StackSpec, carrier: Carrier) -> SwitchThrow:
        return SwitchThrow(self.switch, dict(self.value()))

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=self.nodes(spec))

    async def observe(self, world: World) -> Observation:
        """Asks each node what it goes by. A caller sees that only while there is more load than the node can do."""
        looks = {node: self.shows(await node_state(world, node)) for node in self.nodes(world.spec)}
        return everywhere(self.describe(), looks)


def held(state: Mapping[str, Any], switch: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Holds of that switch with that value in a node's state: the id of each, and its value with whatever the node added to it.

    That a node shows a hold is no sign that it does anything about it.
    """
    for fault_id, hold in state["holds"].items():
        if hold["switch"] == switch and {**hold["value"], **value} == hold["value"]:
            yield fault_id, hold["value"]

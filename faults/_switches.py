"""Base of faults on a node's control plane: one switch on one node (docs/design.md#the-control-plane-of-a-node)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from brownout.faults._targets import require_vendor
from brownout.harness.effects import SwitchThrow
from brownout.harness.fault import Fault, node_state
from brownout.harness.world import Carrier, StackSpec, World


class SwitchFault(Fault):
    """One switch on one node. Files add which node, which value, and how its effect is seen."""

    switch: ClassVar[str]

    def holder(self, spec: StackSpec) -> str:
        """The node whose switch it is; raises UsageError."""
        raise NotImplementedError

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        """The switch's value; raises UsageError."""
        raise NotImplementedError

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        require_vendor(spec, self.vendor, self.kind)
        self.value(spec)  # names in the value are checked before anything is touched, like the node's
        return (Carrier("control", self.holder(spec)),)

    def state(self, spec: StackSpec, carrier: Carrier) -> SwitchThrow:
        return SwitchThrow(self.switch, dict(self.value(spec)))

    async def in_force(self, world: World) -> Mapping[str, Any] | None:
        """The value of a hold like ours as the node itself reports it, with what it added to it; None when there is none."""
        wanted = self.value(world.spec)
        holds = (await node_state(world, self.holder(world.spec)))["holds"].values()
        values = (dict(hold["value"]) for hold in holds if hold["switch"] == self.switch)
        return next((value for value in values if {**value, **wanted} == value), None)

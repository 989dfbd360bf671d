"""clock-skew: the clocks of a node, a role or a region are ahead of the stack's or behind it.

Time runs on at its rate there, from a wrong start: tokens look expired or not yet valid, signatures too old, keys not there.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._targets import matching_nodes
from brownout.harness.effects import SwitchThrow
from brownout.harness.fault import Duration, Fault, Observation, node_state
from brownout.harness.world import Carrier, StackSpec, World

SWITCH = "skew"
ROUNDING_S = 0.001


class ClockSkew(Fault):
    """Clocks that are wrong by the same time on every node named."""

    kind = "clock-skew"
    family = "clock"
    target = ("node",)

    node: str = Field(
        description='a node\'s name, or the start of several: "sydney.token" means all zones, "sydney" the region'
    )
    by: Duration = Field(gt=0, description="how far the clocks are off")
    direction: Literal["ahead", "behind"] = Field("ahead", description="of the stack's clock")

    def describe(self) -> str:
        return f"the clock of {self.node} is {self.by:g} s {self.direction}"

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        return tuple(Carrier("control", node) for node in matching_nodes(spec, self.node))

    def state(self, spec: StackSpec, carrier: Carrier) -> SwitchThrow:
        return SwitchThrow(SWITCH, {"ahead_s": self._ahead_s})

    async def observe(self, world: World) -> Observation:
        looks = {node: await self._look(world, node) for node in matching_nodes(world.spec, self.node)}
        doubtful = [f"{node}: {told}" for node, (seen, told) in looks.items() if seen is None]
        if doubtful:
            return Observation("unclear", f"in doubt: {'; '.join(doubtful)}")
        return everywhere("clocks that are off", {node: (bool(seen), told) for node, (seen, told) in looks.items()})

    @property
    def _ahead_s(self) -> float:
        return self.by if self.direction == "ahead" else -self.by

    async def _look(self, world: World, node: str) -> tuple[bool | None, str]:
        """Whether the clock is off by ours, None in doubt, and what was seen.

        The node's time was read between two looks at the stack's, so how far it is off is known within bounds. Other skews
        may be held there too: all of them together explain what is seen, or nothing is clear.
        """
        before_s = world.now()
        state = await node_state(world, node)
        least_s, most_s = state["now_s"] - world.now() - ROUNDING_S, state["now_s"] - before_s + ROUNDING_S
        held = [float(hold["value"]["ahead_s"]) for hold in state["holds"].values() if hold["switch"] == SWITCH]
        ours = self._ahead_s in held
        without = sum(held) - self._ahead_s if ours else sum(held)
        told = f"off by {least_s:+.3f} to {most_s:+.3f} s"
        if not least_s <= sum(held) <= most_s or (ours and least_s <= without <= most_s):
            return None, f"{told}, and holds say {sum(held):+g} s"
        return ours, told

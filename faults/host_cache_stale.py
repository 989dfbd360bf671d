"""host-cache-stale: a host goes on with what it knew of its machines' identities, and changes of them do not arrive.

An identity that is attached is refused there, one that is taken away or made anew is still asked for by its old id. The bite is
a change that waits: without one the observation is `unclear`. A restart of the host takes up what has come, as it did in the
field (docs/reference/azure-wire.md#a-stale-host).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region, known_machines
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import HOST, StackSpec, World


class HostCacheStale(SwitchFault):
    """Machines whose host knows their identities as they were."""

    kind = "host-cache-stale"
    family = "data"
    switch = "keep-machines"
    target = ("region", "machines")
    vendor = "azure"  # whose identities alone come and go on machines

    region: str = Field(description="whose host it is")
    machines: tuple[str, ...] = Field((), description="names of machines or scale sets, `web` for `web-1` to the last; all")

    def describe(self) -> str:
        return f"the host of {self.region} keeps the identities of {', '.join(self.machines) or 'all machines'} as they were"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, HOST)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"machines": [machine.resource_id.lower() for machine in known_machines(spec, self.region, self.machines)]}

    def reach(self, spec: StackSpec) -> Reach:
        names = [name for machine in known_machines(spec, self.region, self.machines) for name in machine.names()]
        return Reach(links=(f"client->{in_region(spec, self.region, HOST)}",), machines=tuple(names))

    async def observe(self, world: World) -> Observation:
        """Bitten: kept, and a change waits. Absent: not kept and none waits. Else neither is proven."""
        waiting = (await node_state(world, self.holder(world.spec)))["held_back"]
        held_back = [key for key in self.value(world.spec)["machines"] if key in waiting]
        kept = await self.in_force(world) is not None
        told = (
            f"{len(held_back)} machines wait for a change: {', '.join(key.rpartition('/')[2] for key in held_back) or 'none'}"
        )
        if kept == bool(held_back):
            return Observation("bitten" if kept else "absent", told)
        return Observation("unclear", f"{'kept' if kept else 'not kept'}; {told}")

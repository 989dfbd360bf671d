"""freeze: the deployer and the directory refuse every other change until it ends.

The deployer throws a switch on the directory under the same id, so both are carriers and both are released.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.faults._deployer import DeployerFault
from brownout.faults._targets import home
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import DIRECTORY, Carrier, StackSpec, World


class Freeze(DeployerFault):
    """No roll-out, no configuration change, no key switch, as an incident commander orders first."""

    kind = "freeze"
    switch = "freeze"

    def describe(self) -> str:
        return "all changes are frozen"

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {}

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        return (*super().carriers(spec), Carrier("control", home(spec, DIRECTORY)))

    def reach(self, spec: StackSpec) -> Reach:
        return Reach()  # it refuses acts of operators, and serves requests as before

    async def apply(self, world: World, fault_id: str) -> None:
        deployer = Carrier("control", self.holder(world.spec))
        await world.hold(deployer, fault_id, self.state(world.spec, deployer))

    async def observe(self, world: World) -> Observation:
        frozen = bool((await node_state(world, self.holder(world.spec)))["frozen"])
        return Observation("bitten" if frozen else "absent", f"the deployer is {'frozen' if frozen else 'not frozen'}")

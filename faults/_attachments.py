"""What attaching and detaching an identity share: whose identity, on which machines, and how a machine shows that it has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region, known_machines
from brownout.harness.fault import Observation, Reach, client_answer
from brownout.harness.world import HOST, MANAGEMENT, MachineSpec, StackSpec, World

OWN = "system"
PROVIDER = "Microsoft.ManagedIdentity/userAssignedIdentities"
QUERY = {"api-version": "2018-02-01", "resource": "https://management.azure.com"}


class AttachmentFault(SwitchFault):
    """One identity and some machines of a region. Files add which way it goes."""

    family = "load"
    target = ("region", "machines")
    vendor = "azure"
    attaches: ClassVar[bool]

    region: str = Field(description="where the machines are")
    machines: tuple[str, ...] = Field((), description="names of machines or scale sets, `web` for `web-1` to the last; all")

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, MANAGEMENT)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        machines = self.chosen(spec)
        return {"identity": self.resource_id(machines[0]), "machines": [machine.resource_id for machine in machines]}

    def chosen(self, spec: StackSpec) -> tuple[MachineSpec, ...]:
        """The machines that are meant; raises UsageError."""
        return known_machines(spec, self.region, self.machines)

    def identity_name(self) -> str:
        """The name of the identity that is meant, or OWN."""
        raise NotImplementedError

    def resource_id(self, machine: MachineSpec) -> str:
        """The identity's resource id, in the group of this machine, or OWN."""
        name = self.identity_name()
        return OWN if name == OWN else f"{machine.resource_id.partition('/providers/')[0]}/providers/{PROVIDER}/{name}"

    def reach(self, spec: StackSpec) -> Reach:
        # The link, not the node: what a management node tells the host is no machine's request.
        names = [name for machine in self.chosen(spec) for name in machine.names()]
        return Reach(links=(f"client->{in_region(spec, self.region, HOST)}",), machines=tuple(names))

    async def observe(self, world: World) -> Observation:
        """Asks as a client on each machine that names the identity: a token comes, or there is no such identity there."""
        looks, doubtful = {}, []
        for machine in self.chosen(world.spec):
            name = machine.names()[0] if machine.names() else f"{machine.name}_0"
            wanted = machine.resource_id if self.identity_name() == OWN else self.resource_id(machine)
            path = f"/{name}/metadata/identity/oauth2/token"
            answer = await client_answer(world, in_region(world.spec, self.region, HOST), path, {**QUERY, "msi_res_id": wanted})
            status = 0 if answer is None else answer.status
            if status not in (200, 400):
                doubtful.append(f"{name}: {status or 'no answer'}")
            looks[name] = ((status == 200) == self.attaches, f"{status} for {self.identity_name()}")
        seen = everywhere("machines with the identity" if self.attaches else "machines without the identity", looks)
        if doubtful:
            return Observation("unclear", f"IMDS does not say: {'; '.join(doubtful[:3])}", seen.detail)
        return seen

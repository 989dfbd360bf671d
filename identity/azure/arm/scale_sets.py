"""Virtual machine scale sets in ARM, and their instances.

An instance has its set's identities. `sku.capacity` says how many there are; deleting one leaves the others their numbers.
The scale sets that a stack comes up with have no capacity: every number is an instance's, from its first request on.
Wire facts: docs/reference/azure-wire.md#arm-scale-sets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm import shapes as arm
from brownout.identity.azure.arm.calls import ArmCall, Handlers
from brownout.identity.azure.arm.computed import etag_of, served_change
from brownout.identity.azure.arm.machines import ArmMachines
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import Response
from brownout.identity.core.nodes.machines import WantedIdentities
from brownout.identity.core.records import Json, Machine
from brownout.identity.core.surface import Served

MOST_INSTANCES = 1000
CAPACITY, NUMBERS, NEXT = "capacity", "instances", "next-instance"  # in the set's details


class ArmScaleSets:
    """The scale sets of one management node as ARM shows them."""

    def __init__(self, machines: ArmMachines) -> None:
        self._machines = machines
        self._node, self._desk = machines.node, machines.desk

    @property
    def handlers(self) -> Handlers:
        one = {"GET": self._get, "PUT": self._put, "PATCH": self._put, "DELETE": self._delete}
        return {
            "scale-sets": {"GET": self._list},
            "scale-set": one,
            "set-view": {"GET": self._view},
            "delete-instances": {"POST": self._delete_instances},
            "instances": {"GET": self._instances},
            "instance": {"GET": self._instance, "DELETE": self._delete_instance},
        }

    async def _list(self, call: ArmCall) -> Served:
        found = [known for known in self._node.machines.scale_sets() if known.key.startswith(call.list_prefix)]
        return await self._machines.listed(call, [self.shown(known, call.version) for known in found])

    def shown(self, known: Machine, version: str) -> dict[str, Any]:
        """A scale set as ARM shows it."""
        details = known.details
        sku = {"name": "Standard_B1s", "tier": "Standard", **details.get("sku", {}), "capacity": len(_numbers(known))}
        state = self._machines.state_of(known)
        return {
            "id": known.resource_id,
            "name": known.name,
            "type": versions.SCALE_SETS,
            "location": self._machines.location,
            "tags": details.get("tags", {}),
            "identity": arm.identity_block(known, self._node.stack.tenant_id, version),
            "sku": sku,
            "etag": etag_of(known),
            "properties": {**details.get("properties", {}), "provisioningState": state},
        }

    def _of(self, call: ArmCall) -> tuple[str, Machine | None]:
        """The path of the set that the call is about, and the set if this region has it."""
        path = f"{call.group_path}/providers/{versions.SCALE_SETS}/{call.name}"
        known = self._node.machines.find(path)
        return path, known if known is not None and known.scale_set else None

    async def _known(self, call: ArmCall) -> Machine | Served:
        """The set that the call is about, or what another region says of it; 404 where there is none."""
        path, known = self._of(call)
        relayed = await self._machines.elsewhere(call, path)
        if relayed is not None:
            return relayed
        return known or await self._machines.ask_others(call, refusals.no_resource(call))

    async def _get(self, call: ArmCall) -> Served:
        known = await self._known(call)
        return known if isinstance(known, Served) else Served(Response(200, self.shown(known, call.version)))

    async def _view(self, call: ArmCall) -> Served:
        known = await self._known(call)
        if isinstance(known, Served):
            return known
        count = len(_numbers(known))
        summary = {"statusesSummary": [{"code": "ProvisioningState/succeeded", "count": count}]}
        statuses = [{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}]
        return Served(Response(200, {"virtualMachine": summary, "statuses": statuses}))

    async def _put(self, call: ArmCall) -> Served:
        """PUT and PATCH, which differ in what a body without a set means and in whether identities merge."""
        _, known = self._of(call)
        refused = None if call.relayed else self._machines.link_refusal(call, known)
        if refused is not None:
            return Served(refused)
        relayed = await self._machines.elsewhere(call)
        if relayed is not None:
            return relayed
        if known is None and call.method == "PATCH":
            return await self._machines.ask_others(call, refusals.no_resource(call))
        refused = self._machines.refused(call, known) or self._refused(call, known)
        if refused is not None:
            return Served(refused)
        start = known or self._node.machines.new(call.path, call.name, call.group, scale_set=True)
        changed = await self._machines.change(call, _scaled(start, call.body))
        if changed.failure is not None and call.method == "PATCH":
            return served_change(Response(200), changed)
        headers = await self._machines.operation(call, changed.failure, known=known is not None)
        shown = Response(200 if known else 201, self.shown(changed.machine, call.version), headers)
        return Served(shown, changed.hop, changed.inner)

    def _refused(self, call: ArmCall, known: Machine | None) -> Response | None:
        capacity = (call.body.get("sku") or {}).get("capacity", 0)
        if isinstance(capacity, bool) or not isinstance(capacity, int) or not 0 <= capacity <= MOST_INSTANCES:
            text = f"The capacity {capacity!r} of a scale set is a number from 0 to {MOST_INSTANCES}."
            return error(400, "InvalidParameter", text)
        if known is not None:
            return None
        for other in self._node.machines.scale_sets():
            if other.name.lower() == call.name.lower():
                text = (
                    f"The region has a scale set '{other.name}' in the resource group '{other.scope}': names are its machines'."
                )
                return error(409, "Conflict", text)
        return None

    async def _delete(self, call: ArmCall) -> Served:
        path, known = self._of(call)
        relayed = await self._machines.elsewhere(call, path)
        if relayed is not None:
            return relayed
        if known is None:
            return await self._machines.ask_others(call, Response(204))
        return await self._machines.end(call, known)

    async def _instances(self, call: ArmCall) -> Served:
        known = await self._known(call)
        if isinstance(known, Served):
            return known
        return Served(Response(200, {"value": [self._instance_of(known, number, call.version) for number in _numbers(known)]}))

    def _instance_of(self, known: Machine, number: int, version: str) -> Json:
        return {
            "id": f"{known.resource_id}/virtualMachines/{number}",
            "instanceId": str(number),
            "name": f"{known.name}_{number}",
            "type": versions.INSTANCES,
            "location": self._machines.location,
            "identity": arm.identity_block(known, self._node.stack.tenant_id, version),
            "properties": {"latestModelApplied": True, "provisioningState": "Succeeded"},
        }

    async def _instance(self, call: ArmCall) -> Served:
        known = await self._known(call)
        if isinstance(known, Served):
            return known
        number = _number(call.values["instance"])
        if number not in _numbers(known) and CAPACITY in known.details:
            return Served(_no_instance(call))
        return Served(Response(200, self._instance_of(known, number, call.version)) if number >= 0 else _no_instance(call))

    async def _delete_instance(self, call: ArmCall) -> Served:
        known = await self._known(call)
        if isinstance(known, Served):
            return known
        number = _number(call.values["instance"])
        return await self._without(call, known, [number]) if number in _numbers(known) else Served(Response(204))

    async def _delete_instances(self, call: ArmCall) -> Served:
        known = await self._known(call)
        if isinstance(known, Served):
            return known
        named = call.body.get("instanceIds")
        if not isinstance(named, list) or not named:
            return Served(refusals.bad_content("'instanceIds' is a list of instance ids"))
        numbers = list(_numbers(known)) if named == ["*"] else [_number(str(each)) for each in named]
        if not set(numbers) <= set(_numbers(known)):
            return Served(_no_instance(call))
        return await self._without(call, known, numbers)

    async def _without(self, call: ArmCall, known: Machine, numbers: list[int]) -> Served:
        kept = [number for number in _numbers(known) if number not in numbers]
        details = {**known.details, NUMBERS: kept, CAPACITY: len(kept)}
        changed = await self._node.machines.change(replace(known, details=details), WantedIdentities())
        headers = await self._machines.operation(call)
        location = {"location": headers["azure-asyncoperation"] + "&monitor=true"}
        return served_change(Response(202, None, headers | location), changed)


def _numbers(known: Machine) -> tuple[int, ...]:
    """The numbers of the set's instances."""
    return tuple(int(number) for number in known.details.get(NUMBERS, ()))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _scaled(known: Machine, body: Json) -> Machine:
    """The set with the capacity that the body asks for: new instances get new numbers, the newest go first."""
    capacity = (body.get("sku") or {}).get("capacity")
    if capacity is None:
        return known
    numbers, after = list(_numbers(known)), int(known.details.get(NEXT, 0))
    added = range(after, after + max(0, capacity - len(numbers)))
    details = {**known.details, CAPACITY: capacity, NUMBERS: [*numbers[:capacity], *added], NEXT: after + len(added)}
    return replace(known, details=details)


def _no_instance(call: ArmCall) -> Response:
    text = f"The entity was not found: '{call.name}' has no such instance."
    return error(404, "NotFound", text)

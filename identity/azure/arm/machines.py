"""Virtual machines in ARM: provisioning them, and the identities that they are given.

A create answers at once with an `Azure-AsyncOperation` to poll. A failed identity makes the operation fail with
`FailedIdentityOperation`, and no machine is left behind.
Wire facts: docs/reference/azure-wire.md#arm-virtual-machines.
"""

from __future__ import annotations

from typing import Any

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm import shapes as arm
from brownout.identity.azure.arm.calls import ArmCall, Handlers
from brownout.identity.azure.arm.computed import RETRY_AFTER_S, ArmResources, etag_of, served_change
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import Response
from brownout.identity.core.records import Json, Machine
from brownout.identity.core.surface import Served


class ArmMachines(ArmResources):
    """The machines of one management node as ARM shows them, and the operations that clients poll."""

    @property
    def handlers(self) -> Handlers:
        one = {"GET": self._get, "PUT": self._put, "PATCH": self._patch, "DELETE": self._delete}
        return {
            "machines": {"GET": self._list},
            "machine": one,
            "machine-view": {"GET": self._view},
            "operation": {"GET": self._operation},
        }

    async def _operation(self, call: ArmCall) -> Served:
        """The state of an asynchronous operation, which may be another region's."""
        found = self.desk.operations.find(call.values["operation"])
        if found is not None:
            now_s = self.node.ports.now()
            is_over = found.status_at(now_s) != "InProgress"
            # Who follows `Location` waits for another status than 202, who follows the operation reads its state.
            status = 202 if "monitor" in call.request.query and not is_over else 200
            return Served(Response(status, found.shown(now_s), {} if is_over else {"retry-after": str(RETRY_AFTER_S)}))
        text = f"The entity was not found: there is no operation '{call.values['operation']}'."
        return await self.ask_others(call, error(404, "OperationNotFound", text))

    async def _list(self, call: ArmCall) -> Served:
        found = [machine for machine in self.node.machines.all() if machine.key.startswith(call.list_prefix)]
        return await self.listed(call, [self.shown(machine, call.version) for machine in found])

    def shown(self, machine: Machine, version: str) -> dict[str, Any]:
        """A virtual machine as ARM shows it, with its identity block."""
        details = machine.details
        return {
            "id": machine.resource_id,
            "name": machine.name,
            "type": versions.MACHINES,
            "location": self.location,
            "tags": details.get("tags", {}),
            "identity": arm.identity_block(machine, self.node.stack.tenant_id, version),
            "etag": etag_of(machine),
            "properties": {**details.get("properties", {}), "provisioningState": self.state_of(machine)},
            **({"zones": details["zones"]} if "zones" in details else {}),
        }

    async def _get(self, call: ArmCall) -> Served:
        relayed = await self.elsewhere(call)
        if relayed is not None:
            return relayed
        known = self.find(call, scale_set=False)
        if known is None:
            return await self.ask_others(call, refusals.no_resource(call))
        shown = self.shown(known, call.version)
        if call.request.query.get("$expand", "").lower() == "instanceview":
            shown["properties"] |= {"instanceView": self._view_of(known)}
        return Served(Response(200, shown))

    async def _view(self, call: ArmCall) -> Served:
        path = call.path.rpartition("/")[0]
        relayed = await self.elsewhere(call, path)
        if relayed is not None:
            return relayed
        known = self.node.machines.find(path)
        if known is None or known.scale_set:
            return await self.ask_others(call, refusals.no_resource(call))
        return Served(Response(200, self._view_of(known)))

    def _view_of(self, machine: Machine) -> Json:
        state = self.state_of(machine)
        level = "Error" if state == "Failed" else "Info"
        provisioned = {
            "code": f"ProvisioningState/{state.lower()}",
            "level": level,
            "displayStatus": f"Provisioning {state.lower()}",
        }
        running = {"code": "PowerState/running", "level": "Info", "displayStatus": "VM running"}
        return {"computerName": machine.name, "statuses": [provisioned, running]}

    async def _put(self, call: ArmCall) -> Served:
        known = self.find(call, scale_set=False)
        ended = await self._ended_elsewhere(call, known)
        if ended is not None:
            return ended
        refused = self.refused(call, known) or self._name_refusal(call, known)
        if refused is not None:
            return Served(refused)
        machine = known or self.node.machines.new(call.path, call.name, call.group)
        changed = await self.change(call, machine)
        headers = await self.operation(call, changed.failure, known=known is not None)
        # The create itself succeeds either way: whether the machine came to be is the operation's to say.
        shown = Response(200 if known else 201, self.shown(changed.machine, call.version), headers)
        return Served(shown, changed.hop, changed.inner)

    async def _ended_elsewhere(self, call: ArmCall, known: Machine | None) -> Served | None:
        """The end of a call that is refused for what it links, or that another region answers; None for one to go on with."""
        refused = None if call.relayed else self.link_refusal(call, known)
        return Served(refused) if refused is not None else await self.elsewhere(call)

    def _name_refusal(self, call: ArmCall, known: Machine | None) -> Response | None:
        if known is None and self.node.machines.is_instance(call.name, call.group):
            return error(409, "Conflict", f"'{call.name}' is an instance of a scale set of '{call.group}'.")
        return None

    async def _patch(self, call: ArmCall) -> Served:
        known = self.find(call, scale_set=False)
        ended = await self._ended_elsewhere(call, known)
        if ended is not None:
            return ended
        if known is None:
            return await self.ask_others(call, refusals.no_resource(call))
        refused = self.refused(call, known)
        if refused is not None:
            return Served(refused)
        changed = await self.change(call, known)
        if changed.failure is not None:
            return served_change(Response(200), changed)
        headers = await self.operation(call)
        return served_change(Response(200, self.shown(changed.machine, call.version), headers), changed)

    async def _delete(self, call: ArmCall) -> Served:
        relayed = await self.elsewhere(call)
        if relayed is not None:
            return relayed
        known = self.find(call, scale_set=False)
        if known is None:
            return await self.ask_others(call, Response(204))
        return await self.end(call, known)

    async def end(self, call: ArmCall, known: Machine) -> Served:
        """Deletes a resource with its own identity; the operation says when it is gone."""
        changed = await self.node.machines.delete(known)
        if changed.failure is not None:
            return served_change(Response(202), changed)
        headers = await self.operation(call)
        location = {"location": headers["azure-asyncoperation"] + "&monitor=true"}
        return served_change(Response(202, None, headers | location), changed)

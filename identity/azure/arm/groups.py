"""Resource groups in ARM. Deleting one deletes all that is in it, and the system-assigned identities of what goes.

The deletion is asynchronous: 202 with a `Location`. A client that polls drives the work on, and the front end goes on by itself
where none does, also after a kill. What does not answer is tried again for a while; then the group stays, with what is left.
Wire facts: docs/reference/azure-wire.md#arm-resource-groups.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm import shapes as arm
from brownout.identity.azure.arm.calls import ArmCall, Handlers
from brownout.identity.azure.arm.computed import RETRY_AFTER_S, own_url
from brownout.identity.azure.control import scopes
from brownout.identity.azure.control.desk import AzureDesk, ControlUnavailable
from brownout.identity.azure.control.operations import ArmOperation
from brownout.identity.azure.errors import error
from brownout.identity.azure.records import ResourceGroup, RoleAssignment
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import REGIONS

PATIENCE_S = 900.0
KIND = "group"
DELETING = "Deleting"
NEWEST = versions.COMPUTE[-1]


class ArmGroups:
    """What ARM serves of resource groups."""

    def __init__(self, desk: AzureDesk) -> None:
        self._desk, self._node = desk, desk.front_end
        self._busy: set[str] = set()  # operations that are worked on right now
        desk.workers.append(self.advance_all)

    @property
    def handlers(self) -> Handlers:
        one = {"GET": self._get, "HEAD": self._head, "PUT": self._put, "PATCH": self._patch, "DELETE": self._delete}
        return {"groups": {"GET": self._list}, "group": one, "operation-result": {"GET": self._result}}

    def _shown(self, group: ResourceGroup) -> Json:
        shown: dict[str, Any] = {
            "id": f"{scopes.subscription(self._node.stack.subscription_id)}/resourceGroups/{group.name}",
            "name": group.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": group.location,
            "tags": dict(group.tags),
            "properties": {"provisioningState": group.state},
        }
        return shown | {"managedBy": group.managed_by} if group.managed_by else shown

    async def _list(self, call: ArmCall) -> Served:
        groups = sorted(self._desk.view().table(ResourceGroup).values(), key=lambda group: group.key)
        return Served(Response(200, {"value": [self._shown(group) for group in groups]}))

    async def _get(self, call: ArmCall) -> Served:
        group = await self._desk.find(ResourceGroup, call.group)
        return Served(refusals.no_group(call.group) if group is None else Response(200, self._shown(group)))

    async def _head(self, call: ArmCall) -> Served:
        return Served(Response(404 if await self._desk.find(ResourceGroup, call.group) is None else 204))

    async def _put(self, call: ArmCall) -> Served:
        known, body = await self._desk.find(ResourceGroup, call.group), call.body
        region = arm.region_of(str(body.get("location") or ""), "")
        if not region and known is None:
            return Served(arm.location_required())
        if region and region not in REGIONS:
            return Served(arm.no_location(body.get("location")))
        location = REGIONS[region].azure_name if region else known.location if known else ""
        if known is not None and known.state == DELETING:
            return Served(refusals.group_goes(call.group))
        if known is not None and location != known.location:
            text = f"Invalid resource group location '{location}'."
            text = f"{text} The Resource group already exists in location '{known.location}'."
            return Served(error(409, "InvalidResourceGroupLocation", text))
        wanted = known or ResourceGroup(call.group, location)
        managed_by = str(body.get("managedBy") or wanted.managed_by)
        return await self._save(replace(wanted, tags=body.get("tags") or {}, managed_by=managed_by))

    async def _patch(self, call: ArmCall) -> Served:
        known = await self._desk.find(ResourceGroup, call.group)
        if known is None:
            return Served(refusals.no_group(call.group))
        if known.state == DELETING:
            return Served(refusals.group_goes(call.group))
        return await self._save(replace(known, tags=call.body["tags"] or {}) if "tags" in call.body else known)

    async def _save(self, group: ResourceGroup) -> Served:
        kept = await self._desk.put(group)
        if not kept.ok:
            return Served(kept)
        return Served(Response(200 if (kept.body or {})["existed"] else 201, self._shown(group)))

    async def _delete(self, call: ArmCall) -> Served:
        group = await self._desk.find(ResourceGroup, call.group)
        if group is None:
            return Served(refusals.no_group(call.group))
        await self._desk.put(replace(group, state=DELETING))
        ports = self._node.ports
        now_s = ports.now()
        made = ArmOperation(ports.new_id(), KIND, call.group_path, now_s, now_s, "InProgress", verb=DELETING)
        await self._desk.operations.keep(made)
        return Served(Response(202, None, self._headers(call, made)))

    def _headers(self, call: ArmCall, operation: ArmOperation) -> dict[str, str]:
        base = own_url(self._node, call)
        path = f"{base}/subscriptions/{quote(call.subscription)}/operationresults/{operation.operation_id}"
        return {"location": f"{path}?api-version={call.version}", "retry-after": str(RETRY_AFTER_S)}

    async def _result(self, call: ArmCall) -> Served:
        """How a deletion stands: 202 while it goes on, 200 once it is done, the error that it ended with."""
        operation = self._desk.operations.find(call.values["operation"])
        if operation is None or operation.kind != KIND:
            return await self._ask_others(call)
        if operation.status == "InProgress":
            operation = await self.advance(operation)
        if operation.status == "InProgress":
            return Served(Response(202, None, self._headers(call, operation)))
        if operation.status == "Failed":
            return Served(error(409, operation.error_code, operation.error_text))
        return Served(Response(200))

    async def _ask_others(self, call: ArmCall) -> Served:
        for region in () if call.relayed else self._node.others():
            served = await self._node.relay(region, call.request)
            if served.response.status != 404:
                return served
        text = f"The entity was not found: there is no operation '{call.values['operation']}'."
        return Served(error(404, "OperationNotFound", text))

    async def advance_all(self) -> None:
        """Works on every deletion that is not done."""
        for operation in self._desk.operations.at_work(KIND):
            await self.advance(operation)

    async def advance(self, operation: ArmOperation) -> ArmOperation:
        """Does of a deletion what can be done now. Only one at a time works on one."""
        if operation.operation_id in self._busy or not self._node.ready:
            return operation
        self._busy.add(operation.operation_id)
        try:
            left = await self._empty(operation.target)
            if not left:
                return await self._desk.operations.end(operation)
            if self._node.ports.now() < operation.started_s + PATIENCE_S:
                return operation
            await self._give_up(operation)
            text = (
                f"Deletion of resource group '{operation.target.rpartition('/')[2]}' failed as '{left}' could not be deleted."
            )
            return await self._desk.operations.end(operation, "ResourceGroupDeletionBlocked", text)
        except ControlUnavailable:
            return operation
        finally:
            self._busy.discard(operation.operation_id)

    async def _empty(self, target: str) -> str:
        """Deletes the group with all that is in it; what is in the way, "" when it is gone."""
        for kind in (versions.MACHINES, versions.SCALE_SETS, versions.USER_ASSIGNED):
            blocked = await self._delete_all(f"{target}/providers/{kind}")
            if blocked:
                return blocked
        for assignment in tuple(self._desk.view().table(RoleAssignment).values()):
            if scopes.covers(target, assignment.scope, self._node.stack.tenant_id):
                await self._desk.remove(assignment)
        group = await self._desk.find(ResourceGroup, target.rpartition("/")[2])
        if group is not None:
            await self._desk.remove(group)
        return ""

    async def _delete_all(self, collection: str) -> str:
        """Deletes every resource of a list, region by region; what is in the way, "" for nothing."""
        query = {"api-version": NEWEST}
        for region in (self._node.region, *self._node.others()):
            found = await self._ask(region, Request("GET", collection, query))
            if not found.response.ok:
                return f"{collection} of {region}"
            for item in (found.response.body or {})["value"]:
                gone = await self._ask(region, Request("DELETE", str(item["id"]), query))
                if not gone.response.ok:
                    return str(item["id"])
        return ""

    async def _ask(self, region: str, request: Request) -> Served:
        """The answer of a region's own front end, as to a client that was let in."""
        assert self._node.serve_relayed is not None, "ARM serves what is relayed"
        here = region == self._node.region
        return await self._node.serve_relayed(request) if here else await self._node.relay(region, request)

    async def _give_up(self, operation: ArmOperation) -> None:
        group = await self._desk.find(ResourceGroup, operation.target.rpartition("/")[2])
        if group is not None:
            await self._desk.put(replace(group, state="Succeeded"))

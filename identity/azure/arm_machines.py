"""Virtual machines in ARM: provisioning them, and the identities that they are given.

A create answers at once with an `Azure-AsyncOperation` to poll. A failed identity makes the operation fail with
`FailedIdentityOperation`, and no machine is left behind.
Wire facts: docs/reference/azure-wire.md#arm-virtual-machines, docs/reference/azure-wire.md#arm-asynchronous-operations.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brownout.identity.azure import arm
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.machines import Changed
from brownout.identity.core.nodes.management import Management
from brownout.identity.core.records import Json, Machine
from brownout.identity.core.surface import Failure, Served
from brownout.identity.core.topology import REGIONS

API_VERSION = "2024-07-01"


class ArmMachines:
    """The machines of one management node as ARM shows them, and the operations that clients poll."""

    def __init__(self, node: Management) -> None:
        self._node = node
        self._operations: dict[str, dict[str, Any]] = {}

    async def operation(self, request: Request, operation_id: str, *, relayed: bool) -> Served:
        """The state of an asynchronous operation, which may be another region's."""
        found = self._operations.get(operation_id)
        if found is not None:
            return Served(Response(200, found), self._node.hop())
        absent = Served(arm.error(404, "OperationNotFound", operation_id), self._node.hop())
        return absent if relayed else await self._ask_others(request, absent)

    async def serve(self, request: Request, path: arm.ArmPath, *, relayed: bool) -> Served:
        """GET, PUT, PATCH and DELETE of one machine, and the list of them; another region's are relayed to it."""
        node, body = self._node, request.body or {}
        if not path.name:
            return await self._list(request, path, relayed=relayed)
        known = node.machines.find(path.resource_id)
        home = node.machines.region_of(path.resource_id)
        if request.method == "PUT":
            home = home or arm.region_of(str(body.get("location") or ""), node.region)
            if home not in node.stack.regions:
                text = f"no location {body.get('location')!r}"
                return Served(arm.error(400, "LocationNotAvailableForResourceType", text), node.hop())
        if home not in ("", node.region) and not relayed:
            return await self._relay(home, request)
        if request.method == "PUT":
            return await self._create(path, body, known)
        if known is not None:
            return await self._of(request, known, path)
        none = Response(204) if request.method == "DELETE" else arm.error(404, "ResourceNotFound", f"no machine {path.name}")
        absent = Served(none, node.hop())
        return absent if relayed else await self._ask_others(request, absent)

    async def _of(self, request: Request, known: Machine, path: arm.ArmPath) -> Served:
        """GET, PATCH and DELETE of a machine of this region."""
        if request.method == "GET":
            return Served(Response(200, self._shown(known)), self._node.hop())
        if request.method == "PATCH":
            return await self._patch(path, known, request.body or {})
        if request.method == "DELETE":
            changed = await self._node.machines.delete(known)
            return _served(Response(200, {}), changed)
        refused = arm.not_allowed(request.method, path.spelled, "GET", "PUT", "PATCH", "DELETE")
        return Served(refused, self._node.hop())

    async def _relay(self, region: str, request: Request) -> Served:
        served = await self._node.relay(region, request)
        if served.inner:
            return served
        text = f"The resource provider of {REGIONS[region].azure_name} does not answer."
        return served._replace(response=arm.error(503, "ServiceUnavailable", text))

    async def _ask_others(self, request: Request, absent: Served) -> Served:
        """What another region says of something that is not here; `absent` when none has it either."""
        for region in self._node.others():
            served = await self._relay(region, request)
            if served.response.status not in (204, 404):
                return served
        return absent

    async def _list(self, request: Request, path: arm.ArmPath, *, relayed: bool) -> Served:
        shown = [self._shown(m) for m in self._node.machines.all() if m.key.startswith(path.scope_prefix)]
        for region in () if relayed else self._node.others():
            served = await self._relay(region, request)
            if not served.response.ok:
                return served  # a list without them would say that they do not exist
            shown += (served.response.body or {})["value"]
        return Served(Response(200, {"value": sorted(shown, key=lambda item: str(item["id"]))}), self._node.hop())

    @property
    def _location(self) -> str:
        return REGIONS[self._node.region].azure_name

    def _shown(self, machine: Machine) -> Json:
        return arm.machine_resource(machine, self._location, self._node.stack.tenant_id)

    def _refused(self, path: arm.ArmPath, body: Json, known: Machine | None) -> Response | None:
        """Why there cannot be such a machine here; None when there can."""
        region = arm.region_of(str(body.get("location") or ""), self._node.region)
        if region != self._node.region:
            return arm.elsewhere(path, self._location, str(body["location"]))
        if known is not None:
            return None
        if self._node.machines.is_instance(path.name, path.group):
            return arm.error(409, "Conflict", f"'{path.name}' is an instance of a scale set of '{path.group}'.")
        return arm.check_new(path, body)

    async def _create(self, path: arm.ArmPath, body: Json, known: Machine | None) -> Served:
        refused = self._refused(path, body, known)
        if refused is not None:
            return Served(refused, self._node.hop())
        machine = known or self._node.machines.new(path.resource_id, path.name, path.group)
        wanted = arm.wanted_identities(body.get("identity") or {}, machine.identities)
        changed = await self._node.machines.change(_tagged(machine, body), wanted)
        headers = self._operation(path, changed.failure)
        # The create itself succeeds either way: whether the machine came to be is the operation's to say.
        shown = Response(200 if known else 201, self._shown(changed.machine), headers)
        return Served(shown, changed.hop, changed.inner)

    def _operation(self, path: arm.ArmPath, failure: Failure | None) -> dict[str, str]:
        """Records how the operation ended and returns the headers that lead a client to it."""
        operation_id = self._node.ports.new_id()
        assert operation_id not in self._operations, operation_id
        state: dict[str, Any] = {"name": operation_id, "status": "Succeeded"}
        if failure is not None:
            status = arm.failed(failure).status
            text = f"Identity operation for resource '{path.resource_id}' failed with error '{status}'."
            state |= {"status": "Failed", "error": {"code": "FailedIdentityOperation", "message": text}}
        self._operations[operation_id] = state
        base = self._node.stack.public_urls.get(self._node.name, "http://management")
        url = f"{base}/subscriptions/{path.subscription}/providers/Microsoft.Compute/operationStatuses/{operation_id}"
        return {"azure-asyncoperation": f"{url}?api-version={API_VERSION}", "retry-after": "0"}

    async def _patch(self, path: arm.ArmPath, machine: Machine, body: Json) -> Served:
        refused = self._refused(path, body, machine)
        if refused is not None:
            return Served(refused, self._node.hop())
        changed = await self._node.machines.change(_tagged(machine, body), arm.wanted_identities(body.get("identity") or {}))
        return _served(Response(200, self._shown(changed.machine)), changed)


def _tagged(machine: Machine, body: Json) -> Machine:
    """The machine with the tags that the body names; with its own where it names none."""
    return replace(machine, details={**machine.details, "tags": body["tags"] or {}}) if "tags" in body else machine


def _served(response: Response, changed: Changed) -> Served:
    """The response, or what ARM shows of the failure in its place."""
    shown = response if changed.failure is None else arm.failed(changed.failure)
    return Served(shown, changed.hop, changed.inner)

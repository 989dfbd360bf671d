"""Virtual machines in ARM: provisioning them, and the identities that they are given.

A create answers at once with an `Azure-AsyncOperation` to poll. A failed identity makes the operation fail with
`FailedIdentityOperation`, and no machine is left behind.
Wire facts: docs/reference/azure-wire.md#arm-virtual-machines, docs/reference/azure-wire.md#arm-asynchronous-operations.
"""

from __future__ import annotations

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

    def operation(self, operation_id: str) -> Response:
        """The state of an asynchronous operation."""
        found = self._operations.get(operation_id)
        return Response(200, found) if found else arm.error(404, "OperationNotFound", operation_id)

    async def serve(self, request: Request, path: arm.ArmPath) -> Served:
        """GET, PUT, PATCH and DELETE of one machine."""
        known = self._node.machines.find(path.resource_id)
        if request.method == "PUT":
            return await self._create(path, request.body or {}, known)
        if known is None:
            absent = arm.error(404, "ResourceNotFound", f"no machine {path.name}")
            return Served(Response(204) if request.method == "DELETE" else absent, self._node.hop())
        if request.method == "GET":
            return Served(Response(200, self._shown(known)), self._node.hop())
        if request.method == "PATCH":
            return await self._patch(known, (request.body or {}).get("identity") or {})
        if request.method == "DELETE":
            changed = await self._node.machines.delete(known)
            return _served(Response(200, {}), changed)
        return Served(arm.error(405, "MethodNotAllowed", request.method), self._node.hop())

    def _shown(self, machine: Machine) -> Json:
        return arm.machine_resource(machine, REGIONS[self._node.region].azure_name, self._node.stack.tenant_id)

    async def _create(self, path: arm.ArmPath, body: Json, known: Machine | None) -> Served:
        region = arm.region_of(str(body.get("location", "")), self._node.region)
        if region != self._node.region:
            text = f"create it through the front end of {region}"
            return Served(arm.error(400, "LocationNotAvailableForResourceType", text), self._node.hop())
        machine = known or self._node.machines.new(path.resource_id, path.name)
        changed = await self._node.machines.change(machine, arm.wanted_identities(body.get("identity") or {}))
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

    async def _patch(self, machine: Machine, identity: Json) -> Served:
        changed = await self._node.machines.change(machine, arm.wanted_identities(identity))
        return _served(Response(200, self._shown(changed.machine)), changed)


def _served(response: Response, changed: Changed) -> Served:
    """The response, or what ARM shows of the failure in its place."""
    shown = response if changed.failure is None else arm.failed(changed.failure)
    return Served(shown, changed.hop, changed.inner)

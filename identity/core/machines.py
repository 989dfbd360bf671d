"""Virtual machines behind the management node: provisioning, and assigning identities to them.

A create answers at once with an `Azure-AsyncOperation` to poll; a failed identity makes the operation fail with
`FailedIdentityOperation` and no machine is left behind (docs/reference/azure-wire.md#arm-asynchronous-operations).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from brownout.identity.core import arm
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Value, error
from brownout.identity.core.topology import HOST, REGIONS
from brownout.identity.core.trail import Hop

if TYPE_CHECKING:
    from brownout.identity.core.management import Management

Served = tuple[Response, Hop, str]
Changed = tuple[dict[str, Any], Response | None, Hop, str]


class Machines:
    """The machines that one management node knows: those of the stack's specification and those created since."""

    def __init__(self, node: Management) -> None:
        self._node = node
        self._machines: dict[str, dict[str, Any]] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        for machine in node.stack.machines:
            if machine.region == node.region:
                identities = [_plain(node, name) for name in machine.identities]
                self._machines[machine.resource_id.lower()] = {
                    "arm_id": machine.resource_id,
                    "name": machine.name,
                    "zone": machine.zone,
                    "identities": identities,
                    "scale_set": machine.scale_set,
                }

    def take_up(self, kind: str, name: str, record: Value) -> None:
        if kind == "machine" and record.get("deleted"):
            self._machines.pop(name, None)
        elif kind == "machine":
            self._machines[name] = dict(record)

    def operation(self, operation_id: str) -> Response:
        """The state of an asynchronous operation."""
        found = self._operations.get(operation_id)
        return Response(200, found) if found else error(404, "OperationNotFound", operation_id)

    async def serve(self, request: Request, path: arm.ArmPath) -> Served:
        """GET, PUT, PATCH and DELETE of one machine."""
        known = self._machines.get(path.resource_id.lower())
        if request.method == "PUT":
            return await self._create(path, request.body or {}, known)
        if known is None:
            status = Response(204) if request.method == "DELETE" else None
            return status or error(404, "ResourceNotFound", f"no machine {path.name}"), self._node.hop(), ""
        if request.method == "GET":
            return Response(200, self._shown(known)), self._node.hop(), ""
        if request.method == "PATCH":
            return await self._patch(known, (request.body or {}).get("identity") or {})
        if request.method == "DELETE":
            return await self._delete(known)
        return error(405, "MethodNotAllowed", request.method), self._node.hop(), ""

    def _shown(self, machine: Mapping[str, Any]) -> dict[str, Any]:
        location = REGIONS[self._node.region].azure_name
        tenant = self._node.stack.tenant_id
        return arm.machine_resource(machine["arm_id"], machine["name"], location, machine["identities"], tenant)

    async def _create(self, path: arm.ArmPath, body: Mapping[str, Any], known: Any) -> Served:
        from brownout.identity.core.management import region_of

        region = region_of(str(body.get("location", "")), self._node.region)
        if region != self._node.region:
            wrong = error(400, "LocationNotAvailableForResourceType", f"create it through the front end of {region}")
            return wrong, self._node.hop(), ""
        machine = known or {
            "arm_id": path.resource_id,
            "name": path.name,
            "zone": self._node.stack.zones[0],
            "identities": [],
        }
        changed, failure, hop, inner = await self._with_identities(machine, body.get("identity") or {})
        if failure is None:
            await self._keep(changed)
        shown = Response(200 if known else 201, self._shown(changed), self._operation(path, failure))
        return shown, hop, inner

    def _operation(self, path: arm.ArmPath, failure: Response | None) -> dict[str, str]:
        """Records how the operation ended and returns the headers that lead a client to it."""
        operation_id = self._node.ports.new_id()
        state: dict[str, Any] = {"name": operation_id, "status": "Succeeded"}
        if failure is not None:
            text = f"Identity operation for resource '{path.resource_id}' failed with error '{failure.status}'."
            state |= {"status": "Failed", "error": {"code": "FailedIdentityOperation", "message": text}}
        self._operations[operation_id] = state
        base = self._node.stack.public_urls.get(self._node.name, "http://management")
        url = f"{base}/subscriptions/{path.subscription}/providers/Microsoft.Compute/operationStatuses/{operation_id}"
        return {"azure-asyncoperation": f"{url}?api-version=2024-07-01", "retry-after": "0"}

    async def _patch(self, machine: Mapping[str, Any], wanted: Mapping[str, Any]) -> Served:
        changed, failure, hop, inner = await self._with_identities(machine, wanted)
        if failure is not None:
            return failure, hop, inner
        await self._keep(changed)
        return Response(200, self._shown(changed)), hop, inner

    async def _with_identities(self, machine: Mapping[str, Any], wanted: Mapping[str, Any]) -> Changed:
        """The machine with its identity block changed, and the first failure if there was one.

        A type says all that the machine is to have: what it leaves out is taken away, once the rest is in place.
        """
        hop, inner, changed = self._node.hop(), "", {**machine, "identities": list(machine["identities"])}
        made: dict[str, Any] | None = None
        has_system = any(item["kind"] == "system" for item in machine["identities"])
        if "SystemAssigned" in arm.identity_kinds(wanted) and not has_system:
            made = self._node.new_identity(machine["arm_id"], machine["name"], "system", self._node.region)
            assigned = {**made, "tags": {}, "assigned": [machine["arm_id"].lower()]}
            response, hop, inner = await self._node.write(assigned)
            if not response.ok:
                return changed, response, hop, inner
            changed["identities"].append(made)
        for resource_id, entry in (wanted.get("userAssignedIdentities") or {}).items():
            response, hop, inner = await self._assign(changed, resource_id, present=entry is not None)
            if not response.ok:
                if made is not None:
                    await self._node.erase(made)  # it would belong to a machine that never was
                return changed, response, hop, inner
        away = arm.kinds_taken_away(wanted)
        if any(item["kind"] in away for item in changed["identities"]):
            return await self._without_identities(changed, away)
        return changed, None, hop, inner

    async def _without_identities(self, machine: Mapping[str, Any], kinds: Collection[str]) -> Changed:
        """The machine without identities of these kinds: its own is deleted, those that it shares are no longer assigned."""
        hop, inner, changed = self._node.hop(), "", {**machine, "identities": list(machine["identities"])}
        for item in machine["identities"]:
            if item["kind"] not in kinds:
                continue
            if item["kind"] == "system":
                response, hop, inner = await self._node.erase(item)
            else:
                response, hop, inner = await self._assign(changed, item["resource_id"], present=False)
            if not response.ok:
                return changed, response, hop, inner
        kept = [item for item in changed["identities"] if item["kind"] not in kinds]
        return {**changed, "identities": kept}, None, hop, inner

    async def _assign(self, machine: dict[str, Any], resource_id: str, *, present: bool) -> Served:
        """Writes the assignment to the identity's home store and takes it into the machine's record.

        Taking away what is not there, also because the identity itself is gone, succeeds.
        """
        known = await self._node.find(resource_id)
        if known is None and present:
            text = f"The linked resource '{resource_id}' was not found."
            return error(400, "FailedIdentityOperation", text), self._node.hop(), ""
        response, hop, inner = Response(200), self._node.hop(), ""
        if known is not None:
            body = {"machine": machine["arm_id"].lower(), "present": present}
            request = Request("POST", f"/identities/{known['object_id']}/assign", body=body)
            response, hop, inner = await self._node.ask_store(known["home_region"], request)
        if response.status == 404 and not present:
            response = Response(200)
        if not response.ok:
            from brownout.identity.core.management import store_failed

            return store_failed(response), hop, inner
        wanted = resource_id.lower()
        others = [item for item in machine["identities"] if item["resource_id"].lower() != wanted or item["kind"] == "system"]
        machine["identities"] = [*others, known] if present else others
        return response, hop, inner

    async def _keep(self, machine: Mapping[str, Any]) -> None:
        """Makes the machine durable here and known to the host that runs it."""
        key = machine["arm_id"].lower()
        await self._node.ports.persist(f"machine:{key}", dict(machine))
        self._machines[key] = dict(machine)
        await self._tell_host("PUT", machine)

    async def _tell_host(self, method: str, machine: Mapping[str, Any]) -> None:
        if machine.get("scale_set"):
            return
        body = {"arm_id": machine["arm_id"], "zone": machine["zone"], "identities": machine["identities"]}
        request = self._node.internal(method, f"/machines/{machine['name']}", body)
        try:
            await self._node.ports.call(f"{self._node.region}.{HOST}", request, timeout_s=1.0)
        except CallFailed:
            return  # the machine's IMDS learns of it with the next change; ARM's record is already durable

    async def _delete(self, machine: Mapping[str, Any]) -> Served:
        _, failure, hop, inner = await self._without_identities(machine, ("system", "user"))
        if failure is not None:
            return failure, hop, inner
        key = machine["arm_id"].lower()
        await self._node.ports.persist(f"machine:{key}", {"deleted": True})
        self._machines.pop(key, None)
        await self._tell_host("DELETE", machine)
        return Response(200, {}), hop, inner


def _plain(node: Management, name: str) -> dict[str, Any]:
    spec = node.stack.identity(name)
    return {
        "name": spec.name,
        "kind": spec.kind,
        "home_region": spec.home_region,
        "object_id": spec.object_id,
        "client_id": spec.client_id,
        "resource_id": spec.resource_id,
    }

"""What machines and scale sets in ARM share: identity changes, operations, regions, preconditions.

A change is worked on before it is answered; its operation shows the end when the setting `arm_provisioning_s` says so.
Wire facts: docs/reference/azure-wire.md#arm-virtual-machines, docs/reference/azure-wire.md#arm-asynchronous-operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm import shapes as arm
from brownout.identity.azure.arm.calls import ArmCall
from brownout.identity.azure.base_url import base_url
from brownout.identity.azure.control.desk import AzureDesk
from brownout.identity.azure.control.operations import ArmOperation
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import Response
from brownout.identity.core.nodes.machines import Changed
from brownout.identity.core.nodes.management import Management
from brownout.identity.core.records import Json, Machine
from brownout.identity.core.surface import Failure, Served
from brownout.identity.core.topology import REGIONS

RETRY_AFTER_S = 1  # a client without one waits for half a minute
ASSIGN = f"{versions.USER_ASSIGNED}/assign/action"


class ArmResources:
    """The compute resources of one management node, whatever their type."""

    def __init__(self, node: Management, desk: AzureDesk) -> None:
        self.node, self.desk = node, desk

    @property
    def location(self) -> str:
        return REGIONS[self.node.region].azure_name

    def find(self, call: ArmCall, *, scale_set: bool) -> Machine | None:
        """The resource of that path in this region."""
        known = self.node.machines.find(call.path)
        return known if known is not None and known.scale_set == scale_set else None

    async def elsewhere(self, call: ArmCall, path: str = "") -> Served | None:
        """The answer of the region that the call is about, None where that is this one.

        A new resource is made where its body says; a known one is where it was made.
        """
        home = self.node.machines.region_of(path or call.path)
        if call.method == "PUT":
            home = home or arm.region_of(str(call.body.get("location") or ""), self.node.region)
            if home not in self.node.stack.regions:
                return Served(arm.no_location(call.body.get("location")))
        return await self.relay(home, call) if home not in ("", self.node.region) and not call.relayed else None

    async def relay(self, region: str, call: ArmCall) -> Served:
        served = await self.node.relay(region, call.request)
        if served.inner or served.response.status < 500:
            return served
        text = f"The resource provider of {REGIONS[region].azure_name} does not answer."
        return served._replace(response=error(503, "ServiceUnavailable", text))

    async def ask_others(self, call: ArmCall, absent: Response) -> Served:
        """What another region says of something that is not here; `absent` when none has it either."""
        for region in () if call.relayed else self.node.others():
            served = await self.relay(region, call)
            if served.response.status not in (204, 404):
                return served
        return Served(absent)

    async def listed(self, call: ArmCall, shown: list[Json]) -> Served:
        """A list with what the other regions have; their silence is an error, for their resources do exist."""
        for region in () if call.relayed else self.node.others():
            served = await self.relay(region, call)
            if not served.response.ok:
                return served
            shown += (served.response.body or {})["value"]
        return Served(Response(200, {"value": sorted(shown, key=lambda item: str(item["id"]))}))

    def refused(self, call: ArmCall, known: Machine | None) -> Response | None:
        """Why there cannot be such a resource here; None when there can."""
        wanted = str(call.body.get("location") or "")
        if arm.region_of(wanted, self.node.region) != self.node.region:
            return arm.elsewhere(call, self.location, wanted)
        problem = _precondition(call, known)
        if problem is not None:
            return problem
        return arm.location_required() if known is None and not wanted else None

    def link_refusal(self, call: ArmCall, known: Machine | None) -> Response | None:
        """The refusal of a caller who may not assign an identity that the resource does not have yet; None for others.

        An identity block that cannot be meant is refused first. The front end that let the caller in asks this before it
        relays.
        """
        identity = call.body.get("identity") or {}
        misshapen = arm.check_identity(identity, call.version)
        if misshapen is not None:
            return misshapen
        had = {each.resource_id.lower() for each in known.identities} if known is not None else set()
        for resource_id, entry in arm.entries_of(identity).items():
            if entry is None or resource_id.lower() in had:
                continue
            if not self.desk.decide(call.caller.object_id, ASSIGN, resource_id):
                action = call.route.action(call.method)
                return refusals.linked_unauthorized(call.caller, action, call.path, ASSIGN, resource_id)
        return None

    async def change(self, call: ArmCall, machine: Machine) -> Changed:
        """The resource with what the body names, and with the identities that it asks for."""
        identity = call.body.get("identity") or {}
        wanted = arm.wanted_identities(identity, machine.identities, replaces=call.method == "PUT")
        return await self.node.machines.change(_described(machine, call.body), wanted)

    async def operation(self, call: ArmCall, failure: Failure | None = None, *, known: bool = True) -> dict[str, str]:
        """Records how a change ended, durably, and returns the headers that lead a client to it."""
        ports = self.node.ports
        now_s = ports.now()
        status, code, text = "Succeeded", "", ""
        if failure is not None:
            inner = arm.failed(failure).status
            status, code = "Failed", "FailedIdentityOperation"
            text = f"Identity operation for resource '{call.path}' failed with error '{inner}'."
        ends_s = now_s + self.node.settings.arm_provisioning_s
        made = ArmOperation(ports.new_id(), "machine", call.path, now_s, ends_s, status, code, text, _verb(call, known))
        await self.desk.operations.keep(made)
        return {"azure-asyncoperation": self._url(call, made), "retry-after": str(RETRY_AFTER_S)}

    def _url(self, call: ArmCall, operation: ArmOperation) -> str:
        base = own_url(self.node, call)
        subscription = f"{base}/subscriptions/{quote(call.subscription)}"
        path = f"{subscription}/providers/{versions.COMPUTE_NAMESPACE}/locations/{self.location}/operations"
        return f"{path}/{operation.operation_id}?api-version={call.version}"

    def state_of(self, machine: Machine) -> str:
        """Its `provisioningState`: what the newest operation on it says."""
        return self.desk.operations.state_of(machine.key)


def _precondition(call: ArmCall, known: Machine | None) -> Response | None:
    """The refusal of a change whose `If-Match` or `If-None-Match` does not hold; None when they do."""
    etag = etag_of(known) if known is not None else ""
    match, none = call.request.headers.get("if-match", ""), call.request.headers.get("if-none-match", "")
    if (match and match not in ("*", etag)) or (match and known is None):
        text = "The condition specified using HTTP conditional header(s) is not met."
        return error(412, "ConditionNotMet", text)
    if none and known is not None and none in ("*", etag):
        text = "The resource exists already, and the header 'If-None-Match' says that it must not."
        return error(412, "ConditionNotMet", text)
    return None


def own_url(node: Management, call: ArmCall) -> str:
    """The front end's URL as the client knows it."""
    return base_url(node, call.request) or "http://management"


def _verb(call: ArmCall, known: bool) -> str:
    return "Deleting" if call.method == "DELETE" else "Updating" if known else "Creating"


def etag_of(machine: Machine) -> str:
    return f'"{machine.details.get("changes", 0)}"'


def _described(machine: Machine, body: Json) -> Machine:
    """The resource with the tags and properties that the body names; with its own where it names none."""
    details: dict[str, Any] = {**machine.details, "changes": int(machine.details.get("changes", 0)) + 1}
    if "tags" in body:
        details["tags"] = body["tags"] or {}
    for name in ("properties", "sku", "zones"):
        given = body.get(name)
        if given is not None:
            merged = {**details.get(name, {}), **given} if isinstance(given, Mapping) else given
            details[name] = merged
    return replace(machine, details=details)


def served_change(response: Response, changed: Changed) -> Served:
    """The response, or what ARM shows of the failure in its place."""
    shown = response if changed.failure is None else arm.failed(changed.failure)
    return Served(shown, changed.hop, changed.inner)

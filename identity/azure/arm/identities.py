"""User-assigned identities in ARM, and the system-assigned identity of a resource.

Wire facts: docs/reference/azure-wire.md#arm-user-assigned-identities.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm import shapes as arm
from brownout.identity.azure.arm.calls import ArmCall, ArmCaller, Handlers
from brownout.identity.azure.control.desk import AzureDesk
from brownout.identity.azure.errors import error, iso_time
from brownout.identity.core.messages import Response
from brownout.identity.core.nodes.writer import Written
from brownout.identity.core.records import Json, Principal
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import REGIONS

RESOURCES_KEPT = 4096
_VERBS = (("read", "Get"), ("write", "Create or update"), ("delete", "Delete"))


class ArmIdentities:
    """What ARM serves of `Microsoft.ManagedIdentity`, federated credentials aside."""

    def __init__(self, desk: AzureDesk) -> None:
        self._desk, self._node = desk, desk.front_end
        self._resources: dict[tuple[str, str], tuple[Principal, Json]] = {}  # as shown, by object id and API version

    @property
    def handlers(self) -> Handlers:
        one = {"GET": self._get, "PUT": self._put, "PATCH": self._patch, "DELETE": self._delete}
        return {
            "identities": {"GET": self._list},
            "identity": one,
            "system-identity": {"GET": self._system},
            "identity-operations": {"GET": self._operations},
        }

    async def _get(self, call: ArmCall) -> Served:
        known = await self._find(call.path)
        return Served(refusals.no_resource(call) if known is None else Response(200, self._shown(known, call.version)))

    async def _find(self, path: str) -> Principal | None:
        """The user-assigned identity of that path; None where there is none."""
        known = await self._node.identities.find(path)
        return known if known is not None and known.identity.kind == "user" else None

    async def _list(self, call: ArmCall) -> Served:
        prefix, version = call.list_prefix, call.version
        shown = [
            self._shown(known, version)
            for known in self._node.identities.visible()
            if known.identity.kind == "user" and known.identity.resource_id.lower().startswith(prefix)
        ]
        return Served(Response(200, {"value": sorted(shown, key=lambda item: str(item["id"]))}))

    def _shown(self, principal: Principal, version: str) -> Json:
        """The resource, which stays the same while the record is the same: a list shows every identity again and again."""
        key = (principal.identity.object_id, version)
        known = self._resources.get(key)
        if known is not None and known[0] is principal:
            return known[1]
        made = arm.identity_resource(principal, self._node.stack.tenant_id, version)
        if len(self._resources) >= RESOURCES_KEPT:
            self._resources.clear()
        self._resources[key] = (principal, made)
        return made

    async def _put(self, call: ArmCall) -> Served:
        known, body = await self._find(call.path), call.body
        home = arm.region_of(str(body.get("location") or ""), self._node.region)
        if home not in self._node.stack.regions:
            return Served(arm.no_location(body.get("location")))
        if known is None and not body.get("location"):
            return Served(arm.location_required())
        if known is None:
            known = Principal(self._node.identities.new_identity(call.path, call.name, "user", home))
        refused = _refusal(call, known)
        return Served(refused) if refused is not None else await self._save(call, self._changed(known, call))

    async def _patch(self, call: ArmCall) -> Served:
        known = await self._find(call.path)
        refused = refusals.no_resource(call) if known is None else _refusal(call, known)
        if known is None or refused is not None:
            return Served(refused or refusals.no_resource(call))
        return await self._save(call, self._changed(known, call))

    def _changed(self, known: Principal, call: ArmCall) -> Principal:
        """The identity with what the body names; what it does not name stays."""
        properties, tags = call.body.get("properties") or {}, call.body.get("tags", known.tags)
        scope = properties.get("isolationScope") or known.details.get("isolationScope", arm.ISOLATION_SCOPES[0])
        data = changed_data(known.details.get("systemData"), call.caller, self._node.ports.now())
        return replace(known, tags=tags or {}, details={**known.details, "isolationScope": scope, "systemData": data})

    async def _save(self, call: ArmCall, principal: Principal) -> Served:
        written = await self._node.identities.write(principal)
        if written.failure is not None:
            return served_failure(written)
        status = 201 if written.effect == "created" else 200
        return Served(Response(status, self._shown(principal, call.version)), written.hop, written.inner)

    async def _delete(self, call: ArmCall) -> Served:
        """Deleting what another node has deleted already is tried at its store once more."""
        return await self.erase(call.path)

    async def erase(self, path: str) -> Served:
        """Deletes the identity of that path: 200, 204 where there is none."""
        principal = await self._find(path) or self._node.identities.last_known(path)
        if principal is None or principal.identity.kind != "user":
            return Served(Response(204))
        written = await self._node.identities.erase(principal)
        if written.failure is not None:
            return served_failure(written)
        return Served(Response(200 if written.effect == "deleted" else 204), written.hop, written.inner)

    async def _system(self, call: ArmCall) -> Served:
        """The identity that lives and dies with the resource of the scope."""
        scope = call.values["scope"]
        found = next(
            (
                known
                for known in self._node.identities.visible()
                if known.identity.is_system and known.identity.resource_id.lower() == scope.lower()
            ),
            None,
        )
        if found is None:
            return Served(error(404, "ResourceNotFound", f"The resource '{scope}' has no system-assigned identity."))
        identity, tenant = found.identity, self._node.stack.tenant_id
        secret = f"https://control-{REGIONS[identity.home_region].azure_name}.identity.azure.net{scope}/credentials"
        shown = {
            "id": f"{scope}/providers/{versions.SYSTEM_ASSIGNED}/default",
            "name": "default",
            "type": versions.SYSTEM_ASSIGNED,
            "location": REGIONS[identity.home_region].azure_name,
            "properties": {
                "tenantId": tenant,
                "principalId": identity.object_id,
                "clientId": identity.client_id,
                "clientSecretUrl": f"{secret}?tid={tenant}&oid={identity.object_id}&aid={identity.client_id}",
            },
        }
        return Served(Response(200, shown))

    async def _operations(self, call: ArmCall) -> Served:
        kinds = (versions.USER_ASSIGNED, versions.FEDERATED_CREDENTIALS)
        named = [(f"{kind}/{verb}", text, kind) for kind in kinds for verb, text in _VERBS]
        named.append((f"{versions.USER_ASSIGNED}/*/assign/action", "Assign", versions.USER_ASSIGNED))
        named.append((f"{versions.SYSTEM_ASSIGNED}/read", "Get", versions.SYSTEM_ASSIGNED))
        return Served(Response(200, {"value": [_operation(name, text, kind) for name, text, kind in named]}))


def _operation(name: str, text: str, kind: str) -> Json:
    display = {"provider": "Microsoft Managed Identity", "resource": kind.partition("/")[2], "operation": text}
    return {"name": name, "display": display | {"description": f"{text} {kind.rpartition('/')[2]}"}}


def _refusal(call: ArmCall, known: Principal) -> Response | None:
    """Why the identity cannot be made what the body says; None when it can."""
    home, wanted = known.identity.home_region, str(call.body.get("location") or "")
    if arm.region_of(wanted, home) != home:
        return arm.elsewhere(call, REGIONS[home].azure_name, wanted)
    scope = (call.body.get("properties") or {}).get("isolationScope")
    if scope is None:
        return None
    if scope not in arm.ISOLATION_SCOPES:
        return refusals.bad_content(f"'{scope}' is no isolation scope")
    if call.version < versions.WITH_ISOLATION:
        return refusals.bad_content(f"'isolationScope' is not a member of api-version {call.version}")
    return None


def changed_data(before: Any, caller: ArmCaller, now_s: float) -> dict[str, Any]:
    """A resource's `systemData` after a change of it by that caller."""
    by, at = {"By": caller.object_id, "ByType": caller.kind}, iso_time(now_s)
    made = {f"created{name}": value for name, value in by.items()} | {"createdAt": at}
    return {**(before or made), **{f"lastModified{name}": value for name, value in by.items()}, "lastModifiedAt": at}


def served_failure(written: Written) -> Served:
    """What ARM shows of a change that failed."""
    assert written.failure is not None, written
    return Served(arm.failed(written.failure), written.hop, written.inner)

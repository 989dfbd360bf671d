"""ARM's shapes: resource paths, resources of identities and machines, errors.

Wire facts: docs/reference/azure-wire.md#arm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brownout.identity.core.messages import Response
from brownout.identity.core.nodes.machines import WantedIdentities
from brownout.identity.core.records import KINDS, Identity, Json, Machine, Principal
from brownout.identity.core.surface import Code, Failure
from brownout.identity.core.topology import REGIONS

LOCATIONS: Mapping[str, str] = {region.azure_name: name for name, region in REGIONS.items()}
UAI_TYPE = "microsoft.managedidentity/userassignedidentities"
VM_TYPE = "microsoft.compute/virtualmachines"
_NAMES = {
    VM_TYPE: re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?"),
    UAI_TYPE: re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"),
}
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
ISOLATION_SCOPES = ("None", "Regional")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z]+)?")
IDENTITY_KINDS = frozenset({"None", "SystemAssigned", "UserAssigned"})
# How each failure of the service shows: status and code.
_SHOWN: Mapping[Code, tuple[int, str]] = {
    "not-found": (404, "ResourceNotFound"),
    "not-assignable": (400, "FailedIdentityOperation"),
    "unready": (503, "ServiceUnavailable"),
    "unreachable": (503, "InternalServerError"),
    "unavailable": (500, "InternalServerError"),
    "unpublished": (503, "ServiceUnavailable"),
}


@dataclass(frozen=True, slots=True)
class ArmPath:
    """A resource path taken apart, its slashes made single. ARM compares without regard to case.

    `kind` is `provider/type` in lower case; `name` is empty for a list; `group` is empty for a list of the whole subscription.
    """

    subscription: str
    group: str
    kind: str
    name: str
    spelled: str

    @property
    def resource_id(self) -> str:
        return self.spelled

    @property
    def scope_prefix(self) -> str:
        """What the ids of all resources of a list begin with, in lower case."""
        group = f"resourcegroups/{self.group.lower()}/" if self.group else ""
        return f"/subscriptions/{self.subscription}/{group}"


def error(status: int, code: str, message: str) -> Response:
    """An error in ARM's envelope (docs/reference/azure-wire.md#arm-errors)."""
    return Response(status, {"error": {"code": code, "message": message}})


def failed(failure: Failure) -> Response:
    """What ARM shows of a failure of the service: the inner status, never the key."""
    status, code = _SHOWN[failure.code]
    if code == "InternalServerError":
        return error(status, code, f"The identity service could not complete the operation: {failure.message}.")
    return error(status, code, failure.message)


def region_of(location: str, default: str) -> str:
    """Our region's name for an Azure location (or for our own name); `default` when none is given."""
    if not location:
        return default
    bare = location.replace(" ", "").lower()
    return LOCATIONS.get(bare, bare)


def parse_path(path: str) -> ArmPath | None:
    """The parts of `/subscriptions/S[/resourceGroups/G]/providers/P/T[/NAME]`; None for any other path."""
    parts = [part for part in path.split("/") if part]
    lower = [part.lower() for part in parts]
    if len(parts) < 5 or lower[0] != "subscriptions":
        return None
    grouped = len(parts) >= 7 and lower[2] == "resourcegroups"
    rest = lower[4:] if grouped else lower[2:]
    if len(rest) not in (3, 4) or rest[0] != "providers":
        return None
    name = parts[-1] if len(rest) == 4 else ""
    return ArmPath(lower[1], parts[3] if grouped else "", f"{rest[1]}/{rest[2]}", name, "/" + "/".join(parts))


def identity_kinds(identity: Json) -> frozenset[str]:
    """The parts of an identity block's type, which comes with or without a space after the comma; empty without one."""
    return frozenset(part.strip() for part in str(identity.get("type") or "").split(",") if part.strip())


def kinds_taken_away(identity: Json) -> frozenset[str]:
    """Kinds of identity, `system` and `user`, that the block's type leaves out and so takes away; none without a type."""
    wanted = identity_kinds(identity)
    named = frozenset(kind for name, kind in (("SystemAssigned", "system"), ("UserAssigned", "user")) if name in wanted)
    return KINDS - named if wanted else frozenset()


def wanted_identities(identity: Json, replaced: tuple[Identity, ...] = ()) -> WantedIdentities:
    """What an identity block asks for: a type says all that the machine is to have, an entry of null takes away.

    PATCH merges the entries with what there is. PUT puts them in place of it: `replaced` is then what the machine has.
    """
    entries = identity.get("userAssignedIdentities") or {}
    assignments = tuple((str(resource_id), entry is not None) for resource_id, entry in entries.items())
    named = {resource_id.lower() for resource_id, _ in assignments}
    if named:
        others = (known.resource_id for known in replaced if not known.is_system and known.resource_id.lower() not in named)
        assignments += tuple((resource_id, False) for resource_id in others)
    own = "SystemAssigned" in identity_kinds(identity)
    return WantedIdentities(own, assignments, kinds_taken_away(identity))


def body_problem(body: Json) -> str:
    """What is wrong with the shape of a resource that a client sent, "" for nothing."""
    identity = body.get("identity") or {}
    for name, value, shape in (
        ("location", body.get("location") or "", str),
        ("tags", body.get("tags") or {}, Mapping),
        ("identity", identity, Mapping),
        ("properties", body.get("properties") or {}, Mapping),
    ):
        if not isinstance(value, shape):
            return f"'{name}' cannot be {value!r}"
    scope = (body.get("properties") or {}).get("isolationScope")
    if scope is not None and scope not in ISOLATION_SCOPES:
        return f"'{scope}' is no isolation scope"
    unknown = identity_kinds(identity) - IDENTITY_KINDS
    if unknown:
        return f"'{sorted(unknown)[0]}' is no type of identity"
    if len(identity_kinds(identity)) > 1 and "None" in identity_kinds(identity):
        return "'None' goes with no other type of identity"
    if not isinstance(identity.get("userAssignedIdentities") or {}, Mapping):
        return "'userAssignedIdentities' is not an object"
    return ""


def check_version(query: Json) -> Response | None:
    """The refusal of a request without a good `api-version` (docs/reference/azure-wire.md#arm-errors)."""
    version = str(query.get("api-version", ""))
    if not version:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        return error(400, "MissingApiVersionParameter", text)
    if _VERSION.fullmatch(version):
        return None
    return error(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")


def check_new(path: ArmPath, body: Json) -> Response | None:
    """The refusal to create a resource without a location, or under a name or in a group that there cannot be."""
    if not body.get("location"):
        return error(400, "LocationRequired", "The location property is required for this definition.")
    if not _NAMES[path.kind].fullmatch(path.name):
        return error(400, "InvalidParameter", f"The name '{path.name}' is invalid.")
    if not _GROUP.fullmatch(path.group):
        return error(400, "InvalidParameter", f"The resource group name '{path.group}' is invalid.")
    return None


def elsewhere(path: ArmPath, location: str, wanted: str) -> Response:
    """The refusal to move a resource: its location cannot change."""
    text = (
        f"The resource '{path.name}' already exists in location '{location}' in resource group '{path.group}'. "
        f"A resource with the same name cannot be created in location '{wanted}'. Please select a new resource name."
    )
    return error(409, "InvalidResourceLocation", text)


def not_allowed(method: str, path: str, *allowed: str) -> Response:
    """The refusal of a verb that a path does not take."""
    text = f"The http method '{method}' is not supported at {path}."
    return error(405, "MethodNotAllowed", text).with_headers({"allow": ", ".join(allowed)})


def identity_resource(principal: Principal, tenant_id: str) -> dict[str, Any]:
    """A user-assigned identity as ARM shows it."""
    identity = principal.identity
    return {
        "id": identity.resource_id,
        "name": identity.name,
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "location": REGIONS[identity.home_region].azure_name,
        "tags": principal.tags or {},
        "properties": {
            "tenantId": tenant_id,
            "principalId": identity.object_id,
            "clientId": identity.client_id,
            "isolationScope": principal.details.get("isolationScope", "None"),
        },
    }


def machine_resource(machine: Machine, location: str, tenant_id: str) -> dict[str, Any]:
    """A virtual machine as ARM shows it, with its identity block."""
    system = [identity for identity in machine.identities if identity.is_system]
    user = [identity for identity in machine.identities if not identity.is_system]
    kinds = ["SystemAssigned"] * bool(system) + ["UserAssigned"] * bool(user)
    block: dict[str, Any] = {"type": ", ".join(kinds) or "None"}
    if system:
        block |= {"principalId": system[0].object_id, "tenantId": tenant_id}
    if user:
        block["userAssignedIdentities"] = {
            identity.resource_id: {"principalId": identity.object_id, "clientId": identity.client_id} for identity in user
        }
    return {
        "id": machine.resource_id,
        "name": machine.name,
        "type": "Microsoft.Compute/virtualMachines",
        "location": location,
        "tags": machine.details.get("tags", {}),
        "identity": block,
        "properties": {"provisioningState": "Succeeded"},
    }

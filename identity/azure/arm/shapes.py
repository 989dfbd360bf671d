"""ARM's shapes: locations, identity blocks, bodies, resources of identities and machines.

Wire facts: docs/reference/azure-wire.md#arm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from brownout.identity.azure.arm import versions
from brownout.identity.azure.arm.calls import ArmCall
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import Response
from brownout.identity.core.nodes.machines import WantedIdentities
from brownout.identity.core.records import KINDS, Identity, Json, Machine, Principal
from brownout.identity.core.surface import Code, Failure
from brownout.identity.core.topology import REGIONS

LOCATIONS: Mapping[str, str] = {region.azure_name: name for name, region in REGIONS.items()}
_MACHINE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?")
_NAMES = {
    versions.MACHINES: _MACHINE_NAME,
    versions.SCALE_SETS: _MACHINE_NAME,
    versions.USER_ASSIGNED: re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"),
}
_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}")
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
ISOLATION_SCOPES = ("None", "Regional")
IDENTITY_KINDS = frozenset({"None", "SystemAssigned", "UserAssigned"})
MOST_TAGS = 50
# How each failure of the service shows: status and code.
_SHOWN: Mapping[Code, tuple[int, str]] = {
    "not-found": (404, "ResourceNotFound"),
    "not-assignable": (400, "FailedIdentityOperation"),
    "unready": (503, "ServiceUnavailable"),
    "unreachable": (503, "InternalServerError"),
    "unavailable": (500, "InternalServerError"),
    "overloaded": (503, "ServiceUnavailable"),
    "unpublished": (503, "ServiceUnavailable"),
}


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


def no_location(location: object) -> Response:
    text = f"The provided location '{location}' is not available for the resource type."
    return error(400, "LocationNotAvailableForResourceType", text)


def identity_kinds(identity: Json) -> frozenset[str]:
    """The parts of an identity block's type, which comes with or without a space after the comma; empty without one."""
    return frozenset(part.strip() for part in str(identity.get("type") or "").split(",") if part.strip())


def kinds_taken_away(identity: Json) -> frozenset[str]:
    """Kinds of identity, `system` and `user`, that the block's type leaves out and so takes away; none without a type."""
    wanted = identity_kinds(identity)
    named = frozenset(kind for name, kind in (("SystemAssigned", "system"), ("UserAssigned", "user")) if name in wanted)
    return KINDS - named if wanted else frozenset()


def entries_of(identity: Json) -> Mapping[str, Any]:
    """The user-assigned identities that a block names, with what it says of each (None takes one away)."""
    listed = identity.get("identityIds")
    if listed is not None:
        return {str(resource_id): {} for resource_id in listed}
    return {str(resource_id): entry for resource_id, entry in (identity.get("userAssignedIdentities") or {}).items()}


def wanted_identities(identity: Json, known: tuple[Identity, ...], *, replaces: bool) -> WantedIdentities:
    """What an identity block asks of a resource that has the identities `known`.

    A type says all that the resource is to have, and an entry of null takes one away. PATCH merges a dictionary with what
    there is; PUT, and the older array in every case, `replaces` it.
    """
    entries = entries_of(identity)
    assignments = tuple((resource_id, entry is not None) for resource_id, entry in entries.items())
    named = {resource_id.lower() for resource_id in entries}
    if (replaces and named) or "identityIds" in identity:
        others = (each.resource_id for each in known if not each.is_system and each.resource_id.lower() not in named)
        assignments += tuple((resource_id, False) for resource_id in others)
    own = "SystemAssigned" in identity_kinds(identity)
    return WantedIdentities(own, assignments, kinds_taken_away(identity))


def body_problem(body: Json) -> str:
    """What is wrong with the shape of a resource that a client sent, "" for nothing."""
    for name, shape in (("location", str), ("tags", Mapping), ("identity", Mapping), ("properties", Mapping), ("sku", Mapping)):
        value = body.get(name)
        if value is not None and not isinstance(value, shape):
            return f"'{name}' cannot be {value!r}"
    tags = body.get("tags") or {}
    if not all(isinstance(value, str) for value in tags.values()):
        return "the value of a tag is text"
    if len(tags) > MOST_TAGS:
        return f"a resource has at most {MOST_TAGS} tags"
    return ""


def check_identity(identity: Json, version: str) -> Response | None:
    """The refusal of an identity block that cannot be meant under this API version of compute."""
    problem = _identity_problem(identity, version)
    return None if not problem else error(400, "InvalidRequestContent", f"The request content was invalid: {problem}.")


def _identity_problem(identity: Json, version: str) -> str:
    kinds, listed = identity_kinds(identity), identity.get("identityIds")
    named = identity.get("userAssignedIdentities")
    if kinds - IDENTITY_KINDS:
        return f"'{sorted(kinds - IDENTITY_KINDS)[0]}' is no type of identity"
    if len(kinds) > 1 and "None" in kinds:
        return "'None' goes with no other type of identity"
    if named is not None and not isinstance(named, Mapping):
        return "'userAssignedIdentities' is not an object"
    if not all(entry is None or isinstance(entry, Mapping) for entry in (named or {}).values()):
        return "an entry of 'userAssignedIdentities' is an object or null"
    if listed is not None and not (isinstance(listed, list) and all(isinstance(each, str) for each in listed)):
        return "'identityIds' is not a list of resource ids"
    if listed is not None and version >= versions.WITH_DICTIONARY:
        return f"'identityIds' is not a member of api-version {version}: name identities in 'userAssignedIdentities'"
    if named is not None and version < versions.WITH_DICTIONARY:
        return f"'userAssignedIdentities' is not a member of api-version {version}: list identities in 'identityIds'"
    entries = entries_of(identity)
    if any(entry is not None for entry in entries.values()) and kinds and "UserAssigned" not in kinds:
        return f"identities are named for the identity type '{identity.get('type')}'"
    if "UserAssigned" in kinds and listed == []:
        return "the identity type 'UserAssigned' needs identities"
    return ""


def check_names(call: ArmCall) -> Response | None:
    """The refusal to create a resource under a name or in a group that there cannot be."""
    pattern = _NAMES.get(call.route.kind)
    if pattern is not None and not pattern.fullmatch(call.name):
        return error(400, "InvalidParameter", f"The name '{call.name}' is invalid.")
    credential = call.values.get("credential")
    if credential is not None and not _CREDENTIAL.fullmatch(credential):
        return error(400, "BadRequest", f"The name of the federated identity credential '{credential}' is invalid.")
    if call.group and not _GROUP.fullmatch(call.group):
        return error(400, "InvalidParameter", f"The resource group name '{call.group}' is invalid.")
    return None


def location_required() -> Response:
    return error(400, "LocationRequired", "The location property is required for this definition.")


def elsewhere(call: ArmCall, location: str, wanted: str) -> Response:
    """The refusal to move a resource: its location cannot change."""
    text = (
        f"The resource '{call.name}' already exists in location '{location}' in resource group '{call.group}'. "
        f"A resource with the same name cannot be created in location '{wanted}'. Please select a new resource name."
    )
    return error(409, "InvalidResourceLocation", text)


def identity_resource(principal: Principal, tenant_id: str, version: str) -> dict[str, Any]:
    """A user-assigned identity as ARM shows it under an API version."""
    identity, details = principal.identity, principal.details
    properties = {"tenantId": tenant_id, "principalId": identity.object_id, "clientId": identity.client_id}
    if version >= versions.WITH_ISOLATION:
        properties["isolationScope"] = details.get("isolationScope", ISOLATION_SCOPES[0])
    shown: dict[str, Any] = {
        "id": identity.resource_id,
        "name": identity.name,
        "type": versions.USER_ASSIGNED,
        "location": REGIONS[identity.home_region].azure_name,
        "tags": principal.tags or {},
        "properties": properties,
    }
    return shown | {"systemData": details["systemData"]} if "systemData" in details else shown


def identity_block(machine: Machine, tenant_id: str, version: str) -> dict[str, Any]:
    """The identity block of a machine or scale set, as the API version has it."""
    system = [identity for identity in machine.identities if identity.is_system]
    user = [identity for identity in machine.identities if not identity.is_system]
    kinds = ["SystemAssigned"] * bool(system) + ["UserAssigned"] * bool(user)
    block: dict[str, Any] = {"type": ", ".join(kinds) or "None"}
    if system:
        block |= {"principalId": system[0].object_id, "tenantId": tenant_id}
    if user and version < versions.WITH_DICTIONARY:
        block["identityIds"] = [identity.resource_id for identity in user]
    elif user:
        block["userAssignedIdentities"] = {
            identity.resource_id: {"principalId": identity.object_id, "clientId": identity.client_id} for identity in user
        }
    return block

"""ARM's shapes: resource paths, identity and machine resources, asynchronous operations (docs/reference/azure-wire.md#arm)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UAI_TYPE = "microsoft.managedidentity/userassignedidentities"
VM_TYPE = "microsoft.compute/virtualmachines"
IDENTITY_KINDS = frozenset({"None", "SystemAssigned", "UserAssigned"})
_KINDS = frozenset({"system", "user"})


@dataclass(frozen=True, slots=True)
class ArmPath:
    """A resource path taken apart, lower-cased for comparison (ARM compares case-insensitively).

    `kind` is `provider/type`; `name` is empty for a list; `group` is empty for a list of the whole subscription.
    """

    subscription: str
    group: str
    kind: str
    name: str
    spelled: str

    @property
    def resource_id(self) -> str:
        return self.spelled


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
    return ArmPath(lower[1], lower[3] if grouped else "", f"{rest[1]}/{rest[2]}", name, path)


def identity_kinds(identity: Mapping[str, Any]) -> frozenset[str]:
    """The parts of an identity block's type, which comes with or without a space after the comma; empty without one."""
    return frozenset(part.strip() for part in str(identity.get("type") or "").split(",") if part.strip())


def kinds_taken_away(identity: Mapping[str, Any]) -> frozenset[str]:
    """Kinds of identity, `system` and `user`, that the block's type leaves out and so takes away; none without a type."""
    wanted = identity_kinds(identity)
    named = frozenset(kind for name, kind in (("SystemAssigned", "system"), ("UserAssigned", "user")) if name in wanted)
    return _KINDS - named if wanted else frozenset()


def body_problem(body: Mapping[str, Any]) -> str:
    """What is wrong with the shape of a resource that a client sent, "" for nothing."""
    identity = body.get("identity") or {}
    for name, value, shape in (
        ("location", body.get("location") or "", str),
        ("tags", body.get("tags") or {}, Mapping),
        ("identity", identity, Mapping),
    ):
        if not isinstance(value, shape):
            return f"'{name}' cannot be {value!r}"
    unknown = identity_kinds(identity) - IDENTITY_KINDS
    if unknown:
        return f"'{sorted(unknown)[0]}' is no type of identity"
    if len(identity_kinds(identity)) > 1 and "None" in identity_kinds(identity):
        return "'None' goes with no other type of identity"
    if not isinstance(identity.get("userAssignedIdentities") or {}, Mapping):
        return "'userAssignedIdentities' is not an object"
    return ""


def identity_resource(record: Mapping[str, Any], tenant_id: str, location: str) -> dict[str, Any]:
    """A user-assigned identity as ARM shows it."""
    return {
        "id": record["resource_id"],
        "name": record["name"],
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "location": location,
        "tags": record.get("tags", {}),
        "properties": {
            "tenantId": tenant_id,
            "principalId": record["object_id"],
            "clientId": record["client_id"],
            "isolationScope": "None",
        },
    }


def machine_resource(arm_id: str, name: str, location: str, identities: Any, tenant_id: str) -> dict[str, Any]:
    """A virtual machine as ARM shows it, with its identity block."""
    system = [item for item in identities if item["kind"] == "system"]
    user = [item for item in identities if item["kind"] == "user"]
    kinds = ["SystemAssigned"] * bool(system) + ["UserAssigned"] * bool(user)
    block: dict[str, Any] = {"type": ", ".join(kinds) or "None"}
    if system:
        block |= {"principalId": system[0]["object_id"], "tenantId": tenant_id}
    if user:
        block["userAssignedIdentities"] = {
            item["resource_id"]: {"principalId": item["object_id"], "clientId": item["client_id"]} for item in user
        }
    return {
        "id": arm_id,
        "name": name,
        "type": "Microsoft.Compute/virtualMachines",
        "location": location,
        "identity": block,
        "properties": {"provisioningState": "Succeeded"},
    }

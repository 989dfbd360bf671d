"""Azure's own records: what ARM keeps beside identities and machines, and what it decides by.

Wire facts: docs/reference/azure-wire.md#arm-role-assignments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from brownout.identity.formed import FormedRecord

FEDERATED_CREDENTIALS = "federatedCredentials"  # where `Principal.details` has those of an identity
MOST_FEDERATED_CREDENTIALS = 20  # of one identity
NO_TAGS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class FederatedCredential(FormedRecord):
    """A trust of a user-assigned identity: tokens of that issuer, subject and audience may be exchanged for the identity's."""

    name: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]


def federated_credentials(details: Mapping[str, Any]) -> tuple[FederatedCredential, ...]:
    """The federated credentials in an identity's details, in the order in which they were made."""
    return tuple(FederatedCredential.from_json(each) for each in details.get(FEDERATED_CREDENTIALS) or ())


@dataclass(frozen=True, slots=True)
class ControlRecord(FormedRecord):
    """A record that the directory keeps and publishes. `KIND` names its table, `key` is what it stands under there."""

    KIND: ClassVar[str] = ""

    @property
    def key(self) -> str:
        """What the record stands under among those of its kind, in lower case."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class StampedRecord(ControlRecord):
    """A record that says who made it and who changed it last, and when, in emulated epoch seconds."""

    created_s: float = 0.0
    updated_s: float = 0.0
    created_by: str = ""
    updated_by: str = ""

    def stamped(self, before: Self | None, *, by: str, now_s: float) -> Self:
        """The record as a change by that caller leaves it: of its making it says what the one says that it replaces."""
        first = (now_s, by) if before is None else (before.created_s, before.created_by)
        return replace(self, created_s=first[0], created_by=first[1], updated_s=now_s, updated_by=by)


@dataclass(frozen=True, slots=True)
class RolePermission(FormedRecord):
    """What a role allows: actions and data actions with `*` for any text, less those that are taken out again."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleDefinition(StampedRecord):
    """A role. `name` is its GUID, `role_name` what people call it."""

    KIND: ClassVar[str] = "role-definition"

    name: str
    role_name: str
    description: str
    permissions: tuple[RolePermission, ...]
    assignable_scopes: tuple[str, ...] = ("/",)
    is_built_in: bool = False

    @property
    def key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class RoleAssignment(StampedRecord):
    """A role that a principal has at a scope and below it. `name` is its GUID, `role` that of the role's definition."""

    KIND: ClassVar[str] = "role-assignment"

    name: str
    scope: str
    role: str
    principal_id: str
    principal_type: str
    description: str = ""

    @property
    def key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class ResourceGroup(ControlRecord):
    """A resource group of the stack's one subscription; `location` is Azure's name of a region."""

    KIND: ClassVar[str] = "resource-group"

    name: str
    location: str
    tags: Mapping[str, str] = field(default_factory=dict)
    managed_by: str = ""
    state: str = "Succeeded"  # or "Deleting"

    @property
    def key(self) -> str:
        return self.name.lower()


CONTROL_KINDS: Mapping[str, type[ControlRecord]] = {kind.KIND: kind for kind in (RoleDefinition, RoleAssignment, ResourceGroup)}

"""What a stack comes up with: the resource groups of its machines, its operator's role, and those of its identities.

The identities that a stack comes up with are members of one group, so that three assignments do for all of them; an identity
that is created later has no role.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from brownout.identity.azure.control import scopes
from brownout.identity.azure.control.built_in_roles import (
    KEY_VAULT_SECRETS_USER,
    OWNER,
    READER,
    STORAGE_BLOB_DATA_READER,
)
from brownout.identity.azure.entra.claims import OPERATOR
from brownout.identity.azure.records import ControlRecord, ResourceGroup, RoleAssignment
from brownout.identity.core.topology import REGIONS, StackSpec


def first_identities_group(stack: StackSpec) -> str:
    """The object id of the group that holds the identities that the stack came up with."""
    return _guid(stack, "first-identities")


def initial_records(stack: StackSpec) -> Iterator[ControlRecord]:
    """The records that a directory begins with."""
    location = REGIONS[stack.home_region].azure_name
    ids = (*(each.resource_id for each in stack.identities), *(each.resource_id for each in stack.machines))
    yield from (ResourceGroup(name, location) for name in dict.fromkeys(resource_id.split("/")[4] for resource_id in ids))
    yield _assignment(stack, OWNER, OPERATOR, "User")
    for role in (READER, KEY_VAULT_SECRETS_USER, STORAGE_BLOB_DATA_READER):
        yield _assignment(stack, role, first_identities_group(stack), "Group")


def _assignment(stack: StackSpec, role: str, principal_id: str, principal_type: str) -> RoleAssignment:
    name = _guid(stack, f"{role}/{principal_id}")
    return RoleAssignment(name, scopes.subscription(stack.subscription_id), role, principal_id, principal_type)


def _guid(stack: StackSpec, text: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{stack.tenant_id}/{stack.subscription_id}/{text}"))

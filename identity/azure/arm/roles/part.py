"""What role definitions and assignments in ARM share: filters, GUIDs, roles by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from brownout.identity.azure.arm.calls import ArmCall
from brownout.identity.azure.control import scopes
from brownout.identity.azure.control.built_in_roles import BUILT_IN_ROLES
from brownout.identity.azure.control.desk import AzureDesk
from brownout.identity.azure.errors import error, iso_time
from brownout.identity.azure.records import RoleDefinition, RolePermission, StampedRecord
from brownout.identity.core.messages import Response

_TERM = re.compile(r"\s*(?:(atScope)\(\)|(assignedTo)\('([^']*)'\)|(roleName|type|principalId)\s+eq\s+'([^']*)')\s*", re.I)


class RolePart:
    """One front end's part of `Microsoft.Authorization`."""

    def __init__(self, desk: AzureDesk) -> None:
        self.desk, self.node = desk, desk.front_end
        self.tenant = self.node.stack.tenant_id

    async def role(self, name: str) -> RoleDefinition | None:
        """The role of that GUID, built in or custom."""
        return BUILT_IN_ROLES.get(name.lower()) or await self.desk.find(RoleDefinition, name)

    def is_offered(self, assignable: str, scope: str) -> bool:
        """True when a role that may be assigned at `assignable` has to do with `scope`."""
        return scopes.covers(assignable, scope, self.tenant) or scopes.covers(scope, assignable, self.tenant)


def permission_shown(permission: RolePermission) -> dict[str, Any]:
    return {
        "actions": list(permission.actions),
        "notActions": list(permission.not_actions),
        "dataActions": list(permission.data_actions),
        "notDataActions": list(permission.not_data_actions),
    }


def stamps_shown(record: StampedRecord) -> dict[str, Any]:
    """Who made a record and changed it last, as ARM shows it."""
    return {
        "createdOn": iso_time(record.created_s),
        "updatedOn": iso_time(record.updated_s),
        "createdBy": record.created_by or None,
        "updatedBy": record.updated_by or None,
    }


def filter_terms(call: ArmCall) -> Mapping[str, str] | None:
    """What a `$filter` asks for by lower-case name; None for a filter that is none of ARM's."""
    text = call.request.query.get("$filter", "")
    if not text:
        return {}
    found = [_TERM.fullmatch(term) for term in re.split(r"\s+and\s+", text, flags=re.I)]
    terms: dict[str, str] = {}
    for each in found:
        if each is None:
            return None
        name = next(each[group] for group in (1, 2, 4) if each[group])
        terms[name.lower()] = each[3] or each[5] or ""
    return terms


def bad_filter(call: ArmCall) -> Response:
    asked = call.request.query["$filter"]
    text = f"The filter '{asked}' is not supported. Supported filters are either 'atScope()' or a principal."
    return error(400, "UnsupportedFilter", text)


def is_guid(text: str) -> bool:
    """True for a GUID as ARM writes one."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def bad_guid(what: str, name: str) -> Response:
    """The refusal of a name that is no GUID."""
    code = "InvalidRoleAssignmentId" if what == "role assignment" else "InvalidRoleDefinitionId"
    return error(400, code, f"The {what} ID '{name}' is not valid. The {what} ID must be a GUID.")


def no_role(name: str) -> Response:
    return error(404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{name}' does not exist.")

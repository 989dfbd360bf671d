"""What the directory refuses because of what it has already; one place decides it, so two front ends cannot both succeed.

Wire facts: docs/reference/azure-wire.md#arm-role-assignments.
"""

from __future__ import annotations

from brownout.identity.azure.control.tables import ControlTables
from brownout.identity.azure.errors import error
from brownout.identity.azure.records import ControlRecord, RoleAssignment, RoleDefinition
from brownout.identity.core.messages import Response

MOST_ASSIGNMENTS = 4000
MOST_CUSTOM_ROLES = 5000


def conflict(tables: ControlTables, before: ControlRecord | None, after: ControlRecord | None) -> Response | None:
    """Why `after` cannot take the place of `before` (None: there is none); None when it can."""
    if isinstance(after, RoleAssignment):
        return _assignment(tables, before, after)
    if isinstance(after, RoleDefinition):
        return _definition(tables, before, after)
    if after is None and isinstance(before, RoleDefinition):
        used = sum(1 for each in tables.table(RoleAssignment).values() if each.role.lower() == before.key)
        if used:
            text = f"There are existing role assignments referencing role (code: {used})."
            return error(400, "RoleDefinitionHasAssignments", text)
    return None


def _assignment(tables: ControlTables, before: ControlRecord | None, after: RoleAssignment) -> Response | None:
    known = tables.table(RoleAssignment)
    if isinstance(before, RoleAssignment):
        return None if _what(before) == _what(after) else _fixed()
    if any(_what(each) == _what(after) for each in known.values()):
        return error(409, "RoleAssignmentExists", "The role assignment already exists.")
    if len(known) >= MOST_ASSIGNMENTS:
        text = "No more role assignments can be created for this subscription."
        return error(400, "RoleAssignmentLimitExceeded", text)
    return None


def _fixed() -> Response:
    text = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
    return error(400, "RoleAssignmentUpdateNotPermitted", text)


def _what(assignment: RoleAssignment) -> tuple[str, str, str]:
    """What no two assignments may share."""
    return assignment.scope.lower(), assignment.role.lower(), assignment.principal_id.lower()


def _definition(tables: ControlTables, before: ControlRecord | None, after: RoleDefinition) -> Response | None:
    known = tables.table(RoleDefinition)
    same = [each for each in known.values() if each.role_name.lower() == after.role_name.lower() and each.key != after.key]
    if same:
        text = f"A custom role with the same name already exists in this directory. Use a different name: '{after.role_name}'."
        return error(409, "RoleDefinitionWithSameNameExists", text)
    if before is None and len(known) >= MOST_CUSTOM_ROLES:
        return error(400, "RoleDefinitionLimitExceeded", "No more custom roles can be created in this directory.")
    return None

"""Who may do what: role assignments at a scope and above it, by their roles' actions.

A role allows what one of its permissions allows: an action that matches `actions` and not `notActions`, or for data
`dataActions` and not `notDataActions`. What any of a principal's roles allows is allowed: `notActions` deny nothing, they only
take out of their own role. Wire facts: docs/reference/azure-wire.md#arm-role-assignments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from brownout.identity.azure.control import scopes
from brownout.identity.azure.control.built_in_roles import BUILT_IN_ROLES
from brownout.identity.azure.control.tables import ControlTables
from brownout.identity.azure.records import RoleAssignment, RoleDefinition, RolePermission

DECISIONS_KEPT = 4096


@lru_cache(maxsize=4096)
def _pattern(action: str) -> re.Pattern[str]:
    text = ".*".join(map(re.escape, action.lower().split("*")))
    return re.compile(text.replace("/.*/", "/(?:.*/)?"), re.DOTALL)


def matches(actions: Iterable[str], action: str) -> bool:
    """True when one of the patterns means the action; case does not matter. A star between slashes may stand for nothing."""
    return any(_pattern(each).fullmatch(action.lower()) for each in actions)


def allows(permission: RolePermission, action: str, *, data: bool) -> bool:
    """True when the permission has the action, or with `data` the data action, and does not take it out again."""
    granted, without = (
        (permission.data_actions, permission.not_data_actions) if data else (permission.actions, permission.not_actions)
    )
    return matches(granted, action) and not matches(without, action)


class RoleBook:
    """The role assignments of one version of the tables, by principal."""

    def __init__(self, tables: ControlTables, tenant_id: str) -> None:
        self._tables, self._tenant_id = tables, tenant_id
        self._decided: dict[tuple[tuple[str, ...], str, str, bool], bool] = {}  # a book never changes, so neither do these
        self._assigned: dict[str, list[RoleAssignment]] = {}
        for assignment in tables.table(RoleAssignment).values():
            self._assigned.setdefault(assignment.principal_id.lower(), []).append(assignment)

    def role(self, name: str) -> RoleDefinition | None:
        """The role of that GUID, built in or custom; None where there is none."""
        return BUILT_IN_ROLES.get(name.lower()) or self._tables.find(RoleDefinition, name)

    def assigned(self, principals: Iterable[str]) -> list[RoleAssignment]:
        """The assignments to any of these principals, wherever they hold."""
        return [assignment for principal in principals for assignment in self._assigned.get(principal.lower(), ())]

    def held(self, principals: Iterable[str], scope: str) -> list[RoleAssignment]:
        """The assignments to any of these principals that hold at the scope."""
        return [each for each in self.assigned(principals) if scopes.covers(each.scope, scope, self._tenant_id)]

    def permissions(self, principals: Iterable[str], scope: str) -> list[RolePermission]:
        """What these principals' roles permit at the scope."""
        roles = (self.role(assignment.role) for assignment in self.held(principals, scope))
        return [permission for role in roles if role is not None for permission in role.permissions]

    def decide(self, principals: tuple[str, ...], action: str, scope: str, *, data: bool) -> bool:
        """True when one of these principals' roles allows the action at the scope."""
        asked = (principals, action, scope, data)
        decided = self._decided.get(asked)
        if decided is None:
            if len(self._decided) >= DECISIONS_KEPT:
                self._decided.clear()
            permitted = self.permissions(principals, scopes.normal(scope))
            decided = self._decided[asked] = any(allows(each, action, data=data) for each in permitted)
        return decided

"""Role definitions in ARM: the built-in roles, and custom ones that can be changed.

Wire facts: docs/reference/azure-wire.md#arm-role-definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm.calls import ArmCall, Handlers
from brownout.identity.azure.arm.roles.part import (
    RolePart,
    bad_filter,
    bad_guid,
    filter_terms,
    is_guid,
    no_role,
    permission_shown,
    stamps_shown,
)
from brownout.identity.azure.control import scopes
from brownout.identity.azure.control.built_in_roles import BUILT_IN_ROLES
from brownout.identity.azure.errors import error
from brownout.identity.azure.records import RoleDefinition, RolePermission
from brownout.identity.core.messages import Response
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served


class ArmRoleDefinitions(RolePart):
    """What ARM serves of role definitions, and what callers may do by theirs."""

    @property
    def handlers(self) -> Handlers:
        one = {"GET": self._definition, "PUT": self._put_definition, "DELETE": self._delete_definition}
        return {
            "role-definitions": {"GET": self._definitions},
            "role-definition": one,
            "permissions": {"GET": self._permissions},
        }

    def _definition_shown(self, role: RoleDefinition) -> Json:
        """The role as ARM shows it: a built-in one too has the subscription's id in front, as role assignments name it."""
        base = scopes.subscription(self.node.stack.subscription_id)
        kind = "BuiltInRole" if role.is_built_in else "CustomRole"
        return {
            "id": f"{base}/providers/{versions.ROLE_DEFINITIONS}/{role.name}",
            "name": role.name,
            "type": versions.ROLE_DEFINITIONS,
            "properties": {
                "roleName": role.role_name,
                "type": kind,
                "description": role.description,
                "assignableScopes": list(role.assignable_scopes),
                "permissions": [permission_shown(each) for each in role.permissions],
                **stamps_shown(role),
            },
        }

    async def _definitions(self, call: ArmCall) -> Served:
        terms = filter_terms(call)
        if terms is None:
            return Served(bad_filter(call))
        found = [*BUILT_IN_ROLES.values(), *self.desk.view().table(RoleDefinition).values()]
        name, kind = terms.get("rolename"), terms.get("type")
        kept = [
            role
            for role in found
            if (name is None or role.role_name.lower() == name.lower())
            and (kind is None or kind.lower() == ("builtinrole" if role.is_built_in else "customrole"))
            and any(self.is_offered(scope, call.values["scope"]) for scope in role.assignable_scopes)
        ]
        return Served(Response(200, {"value": [self._definition_shown(role) for role in kept]}))

    async def _definition(self, call: ArmCall) -> Served:
        role = await self.role(call.name)
        return Served(no_role(call.name) if role is None else Response(200, self._definition_shown(role)))

    async def _put_definition(self, call: ArmCall) -> Served:
        if not is_guid(call.name):
            return Served(bad_guid("role definition", call.name))
        if call.name.lower() in BUILT_IN_ROLES:
            text = "Built-in roles cannot be changed."
            return Served(error(403, "RoleDefinitionCannotUpdateBuiltInRole", text))
        read = _read_definition(call)
        if isinstance(read, Response):
            return Served(read)
        for scope in read.assignable_scopes:
            if scope == scopes.ROOT or not scopes.covers(f"{scopes.MANAGEMENT_GROUPS}{self.tenant}", scope, self.tenant):
                text = f"The assignable scope '{scope}' is not within the subscription '{self.node.stack.subscription_id}'."
                return Served(error(400, "InvalidAssignableScopes", text))
            if not self.desk.decide(call.caller.object_id, f"{versions.ROLE_DEFINITIONS}/write", scope):
                return Served(refusals.unauthorized(call.caller, f"{versions.ROLE_DEFINITIONS}/write", scope))
        known = await self.desk.find(RoleDefinition, call.name)
        made = read.stamped(known, by=call.caller.object_id, now_s=self.node.ports.now())
        kept = await self.desk.put(made)
        return Served(Response(201, self._definition_shown(made)) if kept.ok else kept)

    async def _delete_definition(self, call: ArmCall) -> Served:
        if call.name.lower() in BUILT_IN_ROLES:
            return Served(error(403, "RoleDefinitionCannotDeleteBuiltInRole", "Built-in roles cannot be deleted."))
        known = await self.desk.find(RoleDefinition, call.name)
        if known is None:
            return Served(Response(204))
        gone = await self.desk.remove(known)
        return Served(Response(200, self._definition_shown(known)) if gone.ok else gone)

    async def _permissions(self, call: ArmCall) -> Served:
        """What the caller itself may do at the scope: every caller may ask."""
        found = self.desk.book.permissions(self.desk.principals(call.caller.object_id), call.values["scope"])
        return Served(Response(200, {"value": [permission_shown(each) for each in found]}))


def _read_definition(call: ArmCall) -> RoleDefinition | Response:
    """The custom role that a client sent, or what is wrong with it."""
    properties = call.body.get("properties") or {}
    role_name, permissions = properties.get("roleName"), properties.get("permissions")
    assignable = properties.get("assignableScopes")
    if not isinstance(role_name, str) or not role_name:
        return error(400, "RoleDefinitionNameNullOrEmpty", "The role definition has no name.")
    if not isinstance(permissions, list) or not all(isinstance(each, Mapping) for each in permissions):
        return refusals.bad_content("'permissions' is a list of permissions")
    if not _are_texts(assignable) or not assignable:
        return error(400, "InvalidAssignableScopes", "The role definition has no assignable scopes.")
    made = []
    for each in permissions:
        lists = [each.get(name) or [] for name in ("actions", "notActions", "dataActions", "notDataActions")]
        if not all(_are_texts(found) for found in lists):
            return refusals.bad_content("actions are lists of texts")
        made.append(RolePermission(*(tuple(found) for found in lists)))
    if not any(each.actions or each.data_actions for each in made):
        return error(400, "RoleDefinitionHasNoActions", "The role definition allows no action.")
    normal = tuple(scopes.normal(scope) for scope in assignable)
    return RoleDefinition(call.name, role_name, str(properties.get("description") or ""), tuple(made), normal)


def _are_texts(found: Any) -> bool:
    return isinstance(found, Iterable) and not isinstance(found, str | Mapping) and all(isinstance(each, str) for each in found)

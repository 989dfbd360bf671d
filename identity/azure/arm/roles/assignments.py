"""Role assignments in ARM.

The directory alone takes changes, and every region decides by what was published to it.
Wire facts: docs/reference/azure-wire.md#arm-role-assignments.
"""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm.calls import ArmCall, Handlers
from brownout.identity.azure.arm.roles.part import RolePart, bad_filter, bad_guid, filter_terms, is_guid, no_role, stamps_shown
from brownout.identity.azure.control import scopes
from brownout.identity.azure.control.seed import first_identities_group
from brownout.identity.azure.entra.claims import OPERATOR
from brownout.identity.azure.errors import error
from brownout.identity.azure.records import ResourceGroup, RoleAssignment, RoleDefinition
from brownout.identity.core.messages import Response
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served

PRINCIPAL_TYPES = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")
_WITHOUT_CHECK = "ServicePrincipal"  # of a principal that was made a moment ago: its existence is not looked up


class ArmRoleAssignments(RolePart):
    """What ARM serves of role assignments."""

    @property
    def handlers(self) -> Handlers:
        one = {"GET": self._assignment, "PUT": self._put_assignment, "DELETE": self._delete_assignment}
        return {"role-assignments": {"GET": self._assignments}, "role-assignment": one}

    def _assignment_shown(self, known: RoleAssignment) -> Json:
        below = "" if known.scope == scopes.ROOT else known.scope
        role = f"{scopes.subscription(self.node.stack.subscription_id)}/providers/{versions.ROLE_DEFINITIONS}/{known.role}"
        return {
            "id": f"{below}/providers/{versions.ROLE_ASSIGNMENTS}/{known.name}",
            "name": known.name,
            "type": versions.ROLE_ASSIGNMENTS,
            "properties": {
                "roleDefinitionId": role,
                "principalId": known.principal_id,
                "principalType": known.principal_type,
                "scope": known.scope,
                "description": known.description or None,
                "condition": None,
                "conditionVersion": None,
                **stamps_shown(known),
                "delegatedManagedIdentityResourceId": None,
            },
        }

    async def _assignments(self, call: ArmCall) -> Served:
        """Those at the scope, above it and, without `atScope()`, below it."""
        terms = filter_terms(call)
        if terms is None:
            return Served(bad_filter(call))
        scope = call.values["scope"]
        found = [known for known in self.desk.view().table(RoleAssignment).values() if self._is_listed(known, scope, terms)]
        return Served(Response(200, {"value": [self._assignment_shown(known) for known in found]}))

    def _is_listed(self, known: RoleAssignment, scope: str, terms: Mapping[str, str]) -> bool:
        holds = scopes.covers(known.scope, scope, self.tenant)
        if not holds and ("atscope" in terms or not scopes.covers(scope, known.scope, self.tenant)):
            return False
        principal, holder = terms.get("principalid"), terms.get("assignedto")
        if principal is not None and known.principal_id.lower() != principal.lower():
            return False
        return holder is None or known.principal_id in self.desk.principals(holder)

    async def _found(self, call: ArmCall) -> RoleAssignment | None:
        known = await self.desk.find(RoleAssignment, call.name)
        return known if known is not None and known.scope.lower() == call.values["scope"].lower() else None

    async def _assignment(self, call: ArmCall) -> Served:
        known = await self._found(call)
        if known is None:
            text = f"The role assignment '{call.name}' is not found."
            return Served(error(404, "RoleAssignmentNotFound", text))
        return Served(Response(200, self._assignment_shown(known)))

    async def _put_assignment(self, call: ArmCall) -> Served:
        if not is_guid(call.name):
            return Served(bad_guid("role assignment", call.name))
        refused = await self._no_resource(call.values["scope"])
        properties = call.body.get("properties") or {}
        refused = refused or _assignment_problem(properties)
        if refused is not None:
            return Served(refused)
        role = await self.role(str(properties["roleDefinitionId"]).rstrip("/").rpartition("/")[2])
        if role is None:
            return Served(no_role(str(properties["roleDefinitionId"]).rpartition("/")[2]))
        principal, kind = str(properties["principalId"]), properties.get("principalType")
        if not any(self.is_offered(scope, call.values["scope"]) for scope in role.assignable_scopes):
            text = f"The role '{role.role_name}' cannot be assigned at the scope '{call.values['scope']}'."
            return Served(error(400, "RoleDefinitionNotAssignableAtScope", text))
        if kind != _WITHOUT_CHECK and not self._exists(principal):
            text = (
                f"Principal {principal.replace('-', '')} does not exist in the directory {self.tenant}. Check that you have "
                "the correct principal ID. If you are creating this principal and then immediately assigning a role, this "
                "error might be related to a replication delay. In this case, set the role assignment principalType property "
                "to a value, such as ServicePrincipal, User, or Group."
            )
            return Served(error(400, "PrincipalNotFound", text))
        return await self._keep(call, role, principal, str(kind or self._kind_of(principal)))

    async def _keep(self, call: ArmCall, role: RoleDefinition, principal: str, kind: str) -> Served:
        description = str((call.body.get("properties") or {}).get("description") or "")
        known = await self.desk.find(RoleAssignment, call.name)
        made = RoleAssignment(call.name, call.values["scope"], role.name, principal, kind, description)
        made = made.stamped(known, by=call.caller.object_id, now_s=self.node.ports.now())
        kept = await self.desk.put(made)
        if not kept.ok:
            return Served(kept)
        return Served(Response(200 if (kept.body or {})["existed"] else 201, self._assignment_shown(made)))

    async def _delete_assignment(self, call: ArmCall) -> Served:
        known = await self._found(call)
        if known is None:
            return Served(Response(204))
        gone = await self.desk.remove(known)
        return Served(Response(200, self._assignment_shown(known)) if gone.ok else gone)

    def _exists(self, principal: str) -> bool:
        if principal in (OPERATOR, first_identities_group(self.node.stack)):
            return True
        return self.node.knows(principal)

    def _kind_of(self, principal: str) -> str:
        if principal == OPERATOR:
            return "User"
        return "Group" if principal == first_identities_group(self.node.stack) else "ServicePrincipal"

    async def _no_resource(self, scope: str) -> Response | None:
        """The refusal of a scope in a subscription or group that there is not; None for others."""
        words = scope.lower().split("/")
        if len(words) > 2 and words[1] == "subscriptions" and words[2] != self.node.stack.subscription_id:
            return refusals.no_subscription(words[2])
        if len(words) > 4 and words[3] == "resourcegroups":
            return await self._no_group(scope.split("/")[4])
        return None

    async def _no_group(self, name: str) -> Response | None:
        return refusals.no_group(name) if await self.desk.find(ResourceGroup, name) is None else None


def _assignment_problem(properties: Json) -> Response | None:
    """What is wrong with an assignment that a client sent; None for nothing."""
    for name in ("roleDefinitionId", "principalId"):
        if not isinstance(properties.get(name), str) or not properties[name]:
            return error(400, "InvalidCreateRoleAssignmentRequest", f"The request has no '{name}'.")
    kind = properties.get("principalType")
    if kind is not None and kind not in PRINCIPAL_TYPES:
        return error(400, "InvalidPrincipalType", f"'{kind}' is no type of principal: {', '.join(PRINCIPAL_TYPES)}.")
    if properties.get("condition"):
        text = "Conditions of role assignments are not evaluated here, so an assignment with one is not taken."
        return error(400, "RoleAssignmentConditionNotSupported", text)
    return None

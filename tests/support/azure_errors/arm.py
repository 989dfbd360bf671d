"""The errors of ARM: tokens and roles, versions, bodies, what is not there, conflicts, outages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.control import conflicts
from brownout.identity.azure.control.built_in_roles import OWNER, READER
from brownout.identity.core.messages import Request, Response
from support.azure_errors.endpoints import NOBODY, Provoke
from support.azure_errors.rows import ErrorRow, ErrorStack
from support.client_requests import arm_version
from support.identity_stacks import ARM as RESOURCE
from support.identity_stacks import VAULT

M = "ARM errors"
HERE = {"location": "australiaeast"}
SYSTEM: Mapping[str, Any] = HERE | {"identity": {"type": "SystemAssigned"}}
VIRTUAL_MACHINE_CONTRIBUTOR = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"
GUIDS = [f"5b1f6e0c-2f0d-4a57-9c1e-{number:012}" for number in range(9)]


def path_of(on: ErrorStack, path: str) -> str:
    """A path with SUB, GROUP, IDENTITIES, MACHINES and SETS put in."""
    group = on.stack.group
    compute = f"{group}/providers/Microsoft.Compute"
    places = {
        "IDENTITIES": f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
        "MACHINES": f"{compute}/virtualMachines",
        "SETS": f"{compute}/virtualMachineScaleSets",
        "GROUP": group,
        "SUB": f"/subscriptions/{on.world.spec.subscription_id}",
    }
    for name, place in places.items():
        path = path.replace(name, place)
    return path


def calling(method: str, path: str, content: Mapping[str, Any] | None = None, **more: Any) -> Provoke:
    return lambda on: on.arm(method, path_of(on, path), content, **more)


def with_token(make: Callable[[ErrorStack], str], method: str = "GET", path: str = "IDENTITIES/only-id") -> Provoke:
    """A caller that shows another token than the operator's."""
    return lambda on: on.arm(method, path_of(on, path), HERE, token=make(on))


def signed(**claims: Any) -> Callable[[ErrorStack], str]:
    """A token that the tenant signed, over claims that differ from good ones."""

    def make(on: ErrorStack) -> str:
        now_s = int(on.world.now())
        issuer = f"https://sts.windows.net/{on.world.spec.tenant_id}/"
        good = {"aud": RESOURCE, "iss": issuer, "oid": "x", "nbf": now_s - 300, "iat": now_s, "exp": now_s + 3600}
        return on.azure.sign(good | {name: now_s + value if name == "exp" else value for name, value in claims.items()})

    return make


def without_version(on: ErrorStack) -> Response:
    headers = {"authorization": f"Bearer {on.stack.user_token}"}
    return on.send("sydney.management", Request("GET", path_of(on, "IDENTITIES"), {}, headers))


def unless(header: str, value: str) -> Provoke:
    """A change of a machine on a condition that does not hold."""

    def provoke(on: ErrorStack) -> Response:
        path = path_of(on, "MACHINES/web-1")
        headers = {"authorization": f"Bearer {on.stack.user_token}", header: value}
        return on.send("sydney.management", Request("PUT", path, arm_version(path), headers, SYSTEM))

    return provoke


def linked(on: ErrorStack) -> Response:
    """A contributor of machines assigns an identity on which it has no role."""
    on.azure.grant(on.world.spec.identity("web-2-system").object_id, VIRTUAL_MACHINE_CONTRIBUTOR)
    identity = path_of(on, "IDENTITIES/first-id")
    block = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {identity: {}}}
    return on.arm("PATCH", path_of(on, "MACHINES/web-2"), {"identity": block}, token=on.token("web-2", RESOURCE))


def new_group(on: ErrorStack, name: str) -> str:
    path = path_of(on, f"SUB/resourceGroups/{name}")
    assert on.arm("PUT", path, HERE).ok
    return path


def in_a_group_that_goes(on: ErrorStack) -> Response:
    group = new_group(on, "going")
    assert on.arm("DELETE", group).status == 202
    return on.arm("PUT", f"{group}/providers/Microsoft.Compute/virtualMachines/late", HERE)


def deletion_that_is_blocked(on: ErrorStack) -> Response:
    """The other region, whose part of the group nobody can see, does not answer for a quarter of an hour."""
    group = new_group(on, "stuck")
    with on.held(Carrier("node", "melbourne.management"), NodeEffect("down")):
        started = on.arm("DELETE", group)
        on.run(on.stack.wait(1000))
    return on.arm("GET", urlsplit(started.headers["location"]).path)


def moved_group(on: ErrorStack) -> Response:
    return on.arm("PUT", new_group(on, "fixed"), {"location": "australiasoutheast"})


CREDENTIAL = {"properties": {"issuer": "https://a.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"]}}


def second_credential(on: ErrorStack) -> Response:
    path = path_of(on, "IDENTITIES/first-id/federatedIdentityCredentials")
    assert on.arm("PUT", f"{path}/one", CREDENTIAL).ok
    return on.arm("PUT", f"{path}/two", CREDENTIAL)


def closed(on: ErrorStack) -> Response:
    with on.thrown("sydney.management", "admit", closed_s=3600.0):
        return on.arm("GET", on.stack.group)


def refused_by_the_store(on: ErrorStack) -> Response:
    with on.without_store_key():
        return on.arm("PUT", path_of(on, "IDENTITIES/fresh"), HERE)


def without(node: str, method: str, path: str) -> Provoke:
    def provoke(on: ErrorStack) -> Response:
        with on.held(Carrier("node", node), NodeEffect("down")):
            return on.arm(method, path_of(on, path), HERE)

    return provoke


def failed_operation(on: ErrorStack) -> Response:
    """What the operation says of a machine whose own identity could not be made."""
    with on.without_store_key():
        made = on.arm("PUT", path_of(on, "MACHINES/doomed"), SYSTEM)
    assert made.status == 201
    return on.arm("GET", urlsplit(made.headers["azure-asyncoperation"]).path)


REQUESTS = (
    ErrorRow(
        "arm no token", M, 401, "AuthenticationFailed", "'Authorization' header", calling("GET", "IDENTITIES/x", token="")
    ),
    ErrorRow(
        "arm bad token", M, 401, "InvalidAuthenticationToken", "invalid", calling("GET", "IDENTITIES/x", token="nonsense")
    ),
    ErrorRow(
        "arm other audience",
        M,
        401,
        "InvalidAuthenticationTokenAudience",
        RESOURCE,
        with_token(lambda on: on.token("web-1", VAULT)),
    ),
    ErrorRow(
        "arm other tenant",
        M,
        401,
        "InvalidAuthenticationTokenTenant",
        "wrong issuer",
        with_token(signed(iss=f"https://sts.windows.net/{NOBODY}/")),
    ),
    ErrorRow("arm expired token", M, 401, "ExpiredAuthenticationToken", "expired", with_token(signed(exp=-301))),
    ErrorRow(
        "arm no role",
        M,
        403,
        "AuthorizationFailed",
        "userAssignedIdentities/write",
        with_token(lambda on: on.token("web-1", RESOURCE), "PUT"),
    ),
    ErrorRow("arm no role on an identity", M, 403, "LinkedAuthorizationFailed", "assign/action", linked),
    ErrorRow("arm no version", M, 400, "MissingApiVersionParameter", "api-version", without_version),
    ErrorRow(
        "arm version no date", M, 400, "InvalidApiVersionParameter", "'latest'", calling("GET", "IDENTITIES", version="latest")
    ),
    ErrorRow(
        "arm version of another type",
        M,
        400,
        "NoRegisteredProviderFound",
        "2017-12-01",
        calling("GET", "IDENTITIES", version="2017-12-01"),
    ),
    ErrorRow("arm body", M, 400, "InvalidRequestContent", "'tags'", calling("PUT", "IDENTITIES/a", HERE | {"tags": "blue"})),
    ErrorRow(
        "arm identity block",
        M,
        400,
        "InvalidRequestContent",
        "no type of identity",
        calling("PUT", "MACHINES/a", HERE | {"identity": {"type": "Mine"}}),
    ),
    ErrorRow("arm no location", M, 400, "LocationRequired", "location", calling("PUT", "IDENTITIES/a", {})),
    ErrorRow(
        "arm unknown location",
        M,
        400,
        "LocationNotAvailableForResourceType",
        "atlantis",
        calling("PUT", "IDENTITIES/a", {"location": "atlantis"}),
    ),
    ErrorRow("arm name", M, 400, "InvalidParameter", "'a!'", calling("PUT", "MACHINES/a!", HERE)),
    ErrorRow("arm capacity", M, 400, "InvalidParameter", "-1", calling("PUT", "SETS/a", HERE | {"sku": {"capacity": -1}})),
    ErrorRow(
        "arm page",
        M,
        400,
        "InvalidQueryParameter",
        "$top",
        calling("GET", "IDENTITIES/first-id/federatedIdentityCredentials", query={"$top": "0"}),
    ),
    ErrorRow(
        "arm filter",
        M,
        400,
        "InvalidFilterInQueryString",
        "name ne",
        calling("GET", "SUB/resources", query={"$filter": "name ne 'a'"}),
    ),
    ErrorRow(
        "arm credential",
        M,
        400,
        "BadRequest",
        "https URL",
        calling(
            "PUT",
            "IDENTITIES/first-id/federatedIdentityCredentials/bad",
            {"properties": CREDENTIAL["properties"] | {"issuer": "http://a.example"}},
        ),
    ),
    ErrorRow("arm verb", M, 405, "MethodNotAllowed", "POST", calling("POST", "IDENTITIES/only-id")),
)
ABSENT = (
    ErrorRow(
        "arm subscription", M, 404, "SubscriptionNotFound", NOBODY, calling("GET", f"/subscriptions/{NOBODY}/resourceGroups")
    ),
    ErrorRow("arm group", M, 404, "ResourceGroupNotFound", "'none'", calling("GET", "SUB/resourceGroups/none")),
    ErrorRow("arm identity", M, 404, "ResourceNotFound", "none", calling("GET", "IDENTITIES/none")),
    ErrorRow("arm machine", M, 404, "ResourceNotFound", "none", calling("GET", "MACHINES/none")),
    ErrorRow(
        "arm credential's identity",
        M,
        404,
        "ParentResourceNotFound",
        "'none'",
        calling("PUT", "IDENTITIES/none/federatedIdentityCredentials/one", CREDENTIAL),
    ),
    ErrorRow("arm namespace", M, 404, "InvalidResourceNamespace", "'Foo'", calling("GET", "SUB/providers/Foo")),
    ErrorRow(
        "arm type",
        M,
        404,
        "InvalidResourceType",
        "storageAccounts",
        calling("GET", "GROUP/providers/Microsoft.Storage/storageAccounts/x"),
    ),
    ErrorRow(
        "arm operation",
        M,
        404,
        "OperationNotFound",
        "'no'",
        calling("GET", "SUB/providers/Microsoft.Compute/locations/a/operations/no"),
    ),
    ErrorRow("arm instance", M, 404, "NotFound", "scaleout", calling("GET", "SETS/scaleout/virtualMachines/none")),
)
CONFLICTS = (
    ErrorRow(
        "arm moved identity",
        M,
        409,
        "InvalidResourceLocation",
        "already exists",
        calling("PUT", "IDENTITIES/only-id", {"location": "australiasoutheast"}),
    ),
    ErrorRow("arm moved group", M, 409, "InvalidResourceGroupLocation", "already exists", moved_group),
    ErrorRow("arm group goes", M, 409, "ResourceGroupBeingDeleted", "deprovisioning", in_a_group_that_goes),
    ErrorRow(
        "arm group stays", M, 409, "ResourceGroupDeletionBlocked", "could not be deleted", deletion_that_is_blocked, fresh=True
    ),
    ErrorRow("arm second credential", M, 409, "Conflict", "already exists", second_credential),
    ErrorRow("arm name of an instance", M, 409, "Conflict", "scale set", calling("PUT", "MACHINES/scaleout_1", HERE)),
    ErrorRow("arm if-match", M, 412, "ConditionNotMet", "condition", unless("if-match", '"none"')),
    ErrorRow("arm if-none-match", M, 412, "ConditionNotMet", "If-None-Match", unless("if-none-match", "*")),
)
OUTAGES = (
    ErrorRow(
        "arm throttled", M, 429, "TooManyRequests", "throttled", closed, settings={"capacity": {"management": {"status": 429}}}
    ),
    ErrorRow("arm busy", M, 503, "ServiceUnavailable", "admission", closed),
    ErrorRow(
        "arm without directory", M, 503, "ServiceUnavailable", "", without("sydney.directory", "PUT", "SUB/resourceGroups/new")
    ),
    ErrorRow("arm store refuses", M, 500, "InternalServerError", "answered 403", refused_by_the_store),
    ErrorRow("arm store is silent", M, 503, "InternalServerError", "", without("sydney.store", "PUT", "IDENTITIES/silent")),
    ErrorRow("arm failed operation", M, 200, "FailedIdentityOperation", "doomed", failed_operation),
)


def assigning(name: str, at: str = "SUB", **changed: Any) -> Provoke:
    """The assignment of a role to a machine's identity, with properties changed (None takes one away)."""

    def provoke(on: ErrorStack) -> Response:
        role = path_of(on, f"SUB/providers/Microsoft.Authorization/roleDefinitions/{READER}")
        good = {"roleDefinitionId": role, "principalId": on.world.spec.identity("web-1-system").object_id}
        content = {key: value for key, value in (good | changed).items() if value is not None}
        return on.arm(
            "PUT", path_of(on, f"{at}/providers/Microsoft.Authorization/roleAssignments/{name}"), {"properties": content}
        )

    return provoke


def defining(name: str, **changed: Any) -> Provoke:
    """A custom role, with properties changed."""

    def provoke(on: ErrorStack) -> Response:
        good = {"roleName": f"role {name}", "permissions": [{"actions": ["a/read"]}], "assignableScopes": [path_of(on, "SUB")]}
        properties = {key: value for key, value in (good | changed).items() if value is not None}
        path = path_of(on, f"SUB/providers/Microsoft.Authorization/roleDefinitions/{name}")
        return on.arm("PUT", path, {"properties": properties})

    return provoke


def after(first: Provoke, second: Provoke) -> Provoke:
    """What the second of two changes is answered; the first one succeeds."""

    def provoke(on: ErrorStack) -> Response:
        assert first(on).ok
        return second(on)

    return provoke


def on_other_scopes(on: ErrorStack) -> Response:
    """A custom role of one group is assigned in another."""
    group = new_group(on, "elsewhere")
    assert defining(GUIDS[5], assignableScopes=[group])(on).ok
    return assigning(GUIDS[5], "GROUP", roleDefinitionId=f"/x/{GUIDS[5]}")(on)


def role_in_use(on: ErrorStack) -> Response:
    assert defining(GUIDS[6])(on).ok
    assert assigning(GUIDS[6], roleDefinitionId=f"/x/{GUIDS[6]}")(on).ok
    return on.arm("DELETE", path_of(on, f"SUB/providers/Microsoft.Authorization/roleDefinitions/{GUIDS[6]}"))


def at_most(name: str, provoke: Provoke) -> Provoke:
    """The change while nothing more fits: the limit is lowered to what there is."""

    def limited(on: ErrorStack) -> Response:
        with mock.patch.object(conflicts, name, 0):
            return provoke(on)

    return limited


ROLES_AT = "SUB/providers/Microsoft.Authorization"
ROLES = (
    ErrorRow("role assignment's name", M, 400, "InvalidRoleAssignmentId", "GUID", assigning("mine")),
    ErrorRow("role definition's name", M, 400, "InvalidRoleDefinitionId", "GUID", defining("mine")),
    ErrorRow(
        "role missing",
        M,
        400,
        "InvalidCreateRoleAssignmentRequest",
        "roleDefinitionId",
        assigning(GUIDS[0], roleDefinitionId=None),
    ),
    ErrorRow("role of a robot", M, 400, "InvalidPrincipalType", "Robot", assigning(GUIDS[0], principalType="Robot")),
    ErrorRow("role of nobody", M, 400, "PrincipalNotFound", "does not exist", assigning(GUIDS[0], principalId=NOBODY)),
    ErrorRow(
        "role on a condition",
        M,
        400,
        "RoleAssignmentConditionNotSupported",
        "not evaluated",
        assigning(GUIDS[0], condition="x"),
    ),
    ErrorRow(
        "role changed",
        M,
        400,
        "RoleAssignmentUpdateNotPermitted",
        "not allowed",
        after(assigning(GUIDS[1], "GROUP"), assigning(GUIDS[1], "GROUP", roleDefinitionId=f"/x/{OWNER}")),
    ),
    ErrorRow("role twice", M, 409, "RoleAssignmentExists", "already exists", after(assigning(GUIDS[2]), assigning(GUIDS[3]))),
    ErrorRow("role of other scopes", M, 400, "RoleDefinitionNotAssignableAtScope", "cannot be assigned", on_other_scopes),
    ErrorRow("role in use", M, 400, "RoleDefinitionHasAssignments", "existing role assignments", role_in_use),
    ErrorRow("role without a name", M, 400, "RoleDefinitionNameNullOrEmpty", "no name", defining(GUIDS[4], roleName=None)),
    ErrorRow("role of no action", M, 400, "RoleDefinitionHasNoActions", "no action", defining(GUIDS[4], permissions=[{}])),
    ErrorRow(
        "role of no scope", M, 400, "InvalidAssignableScopes", "no assignable scopes", defining(GUIDS[4], assignableScopes=[])
    ),
    ErrorRow(
        "role filter",
        M,
        400,
        "UnsupportedFilter",
        "nonsense",
        calling("GET", f"{ROLES_AT}/roleAssignments", query={"$filter": "nonsense"}),
    ),
    ErrorRow(
        "role too many assignments",
        M,
        400,
        "RoleAssignmentLimitExceeded",
        "No more",
        at_most("MOST_ASSIGNMENTS", assigning(GUIDS[7], roleDefinitionId=f"/x/{OWNER}")),
    ),
    ErrorRow(
        "role too many", M, 400, "RoleDefinitionLimitExceeded", "No more", at_most("MOST_CUSTOM_ROLES", defining(GUIDS[7]))
    ),
    ErrorRow("role built in", M, 403, "RoleDefinitionCannotUpdateBuiltInRole", "Built-in", defining(OWNER)),
    ErrorRow(
        "role built in deleted",
        M,
        403,
        "RoleDefinitionCannotDeleteBuiltInRole",
        "Built-in",
        calling("DELETE", f"{ROLES_AT}/roleDefinitions/{OWNER}"),
    ),
    ErrorRow(
        "role unknown", M, 404, "RoleDefinitionDoesNotExist", NOBODY, assigning(GUIDS[0], roleDefinitionId=f"/x/{NOBODY}")
    ),
    ErrorRow(
        "role assignment unknown",
        M,
        404,
        "RoleAssignmentNotFound",
        NOBODY,
        calling("GET", f"{ROLES_AT}/roleAssignments/{NOBODY}"),
    ),
    ErrorRow(
        "role of that name",
        M,
        409,
        "RoleDefinitionWithSameNameExists",
        "same name",
        after(defining(GUIDS[8], roleName="Taken"), defining(GUIDS[0], roleName="taken")),
    ),
)
ROWS = (*REQUESTS, *ABSENT, *CONFLICTS, *OUTAGES, *ROLES)

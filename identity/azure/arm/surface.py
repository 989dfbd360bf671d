"""ARM on a management node: who calls, which resource is meant, whether the caller may, and who serves it.

The portal is a second front end of the same provider: the same paths under `/portal`. A call that another front end relayed
was let in there. Wire facts: docs/reference/azure-wire.md#arm, docs/azure-arm.md.
"""

from __future__ import annotations

from brownout.identity.azure.arm import refusals
from brownout.identity.azure.arm import shapes as arm
from brownout.identity.azure.arm.calls import ArmCall, ArmCaller, Handlers
from brownout.identity.azure.arm.federation import ArmFederation
from brownout.identity.azure.arm.groups import ArmGroups
from brownout.identity.azure.arm.identities import ArmIdentities
from brownout.identity.azure.arm.machines import ArmMachines
from brownout.identity.azure.arm.roles.assignments import ArmRoleAssignments
from brownout.identity.azure.arm.roles.definitions import ArmRoleDefinitions
from brownout.identity.azure.arm.routes import find_route
from brownout.identity.azure.arm.scale_sets import ArmScaleSets
from brownout.identity.azure.arm.subscriptions import ArmSubscriptions
from brownout.identity.azure.control.desk import AzureDesk, ControlUnavailable
from brownout.identity.azure.entra.claims import ARM_AUDIENCES, RefusedToken, Verifier, bearer_token
from brownout.identity.azure.errors import error
from brownout.identity.azure.records import ResourceGroup
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.management import Management
from brownout.identity.core.ports import BadToken
from brownout.identity.core.surface import Overloaded, Served
from brownout.identity.core.topology import REGIONS

PORTAL = "/portal"
ENDPOINTS = "/metadata/endpoints"


class Arm:
    """ARM's surface. It takes every request that no other surface took."""

    def __init__(self, node: Management) -> None:
        self._node = node
        desk = node.annexes["azure"]
        assert isinstance(desk, AzureDesk), "roles gives every management node this annex"
        self._desk = desk
        self._verifier = Verifier(node, node.replica, ARM_AUDIENCES)
        machines = ArmMachines(node, self._desk)
        sets = ArmScaleSets(machines)
        groups = ArmGroups(self._desk)
        parts = (
            *(ArmSubscriptions(self._desk, machines, sets), groups, machines, sets),
            *(ArmIdentities(self._desk), ArmFederation(self._desk)),
            *(ArmRoleDefinitions(self._desk), ArmRoleAssignments(self._desk)),
        )
        self._handlers: Handlers = {name: verbs for part in parts for name, verbs in part.handlers.items()}
        node.serve_relayed = self._serve_relayed

    @property
    def handlers(self) -> Handlers:
        """What serves each route, by its verbs."""
        return self._handlers

    def takes(self, request: Request) -> bool:
        return True

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        return refusals.busy(refusal.status, refusal.message)

    async def serve(self, request: Request) -> Served:
        path = _resource_path(request)
        caller = ArmCaller()
        if path.lower() != ENDPOINTS:  # clients look there before they sign in
            found = self._caller(request)
            if isinstance(found, Response):
                return self._refused(found)
            caller = found
        refused = refusals.check_version(str(request.query.get("api-version", "")))
        if refused is not None:
            return self._refused(refused)
        try:
            return await self._serve(request, path, caller)
        except ControlUnavailable:
            return self._refused(refusals.unavailable())

    async def _serve(self, request: Request, path: str, caller: ArmCaller) -> Served:
        match = find_route([word for word in path.split("/") if word])
        if match is None:
            return self._refused(self._no_route(path))
        call = ArmCall(request, match.route, match.values, path, caller)
        refused = self._refusal(call) or await self._group_refusal(call)
        return self._refused(refused) if refused is not None else await self._dispatch(call)

    async def _serve_relayed(self, request: Request) -> Served:
        """The answer to a call that the front end that relayed it has let in."""
        path = _resource_path(request)
        match = find_route([word for word in path.split("/") if word])
        if match is None:
            return self._refused(self._no_route(path))
        call = ArmCall(request, match.route, match.values, path, relayed=True)
        refused = _misshapen(call)
        if refused is not None:
            return self._refused(refused)
        try:
            return await self._dispatch(call)
        except ControlUnavailable:
            return self._refused(refusals.unavailable())

    async def _dispatch(self, call: ArmCall) -> Served:
        served = await self._handlers[call.route.handler][call.method](call)
        return served if served.hop is not None else served._replace(hop=self._node.hop())

    def _refused(self, response: Response) -> Served:
        return Served(response, self._node.hop())

    def _no_route(self, path: str) -> Response:
        words = path.split("/")
        if len(words) > 2 and words[1].lower() == "subscriptions" and words[2].lower() != self._node.stack.subscription_id:
            return refusals.no_subscription(words[2])
        return refusals.no_route(path)

    def _caller(self, request: Request) -> ArmCaller | Response:
        """Who calls, or the 401 of a caller without a good token for ARM; 503 without a replica to judge with."""
        tenant = self._node.stack.tenant_id
        token = bearer_token(request.headers.get("authorization", ""))
        if not token:
            text = "Authentication failed. The 'Authorization' header is missing."
            return refusals.bad_token(tenant, "AuthenticationFailed", text)
        if not self._node.ready:
            return error(503, "ServiceUnavailable", "the service has not loaded its configuration yet")
        try:
            claims = self._verifier.check(token)
        except RefusedToken as refused:
            return refusals.bad_token(tenant, refused.code, f"The access token is invalid: {refused}.")
        except BadToken as bad:
            return refusals.bad_token(tenant, "InvalidAuthenticationToken", f"The access token is invalid: {bad}.")
        return ArmCaller(str(claims.get("oid", "")), str(claims.get("appid", "")))

    def _refusal(self, call: ArmCall) -> Response | None:
        """Why the call is refused before its operation is looked at; None when it is not."""
        if call.method not in call.route.verbs:
            return refusals.not_allowed(call)
        if call.subscription.lower() not in ("", self._node.stack.subscription_id):
            return refusals.no_subscription(call.subscription)
        wrong_version = refusals.check_type_version(call, (REGIONS[region].azure_name for region in self._node.stack.regions))
        if wrong_version is not None:
            return wrong_version
        if not call.route.open:
            action = call.route.action(call.method).replace("{namespace}", call.values.get("namespace", ""))
            if not self._desk.decide(call.caller.object_id, action, call.scope):
                return refusals.unauthorized(call.caller, action, call.scope)
        return _misshapen(call)

    async def _group_refusal(self, call: ArmCall) -> Response | None:
        """The refusal of a call about what is in a group that there is not, or that is being deleted."""
        if not call.group or call.route.handler == "group":
            return None
        group = await self._desk.find(ResourceGroup, call.group)
        if group is None:
            return refusals.no_group(call.group)
        if call.method in ("PUT", "PATCH", "POST") and group.state == "Deleting":
            return refusals.group_goes(call.group)
        return None


def _misshapen(call: ArmCall) -> Response | None:
    """The refusal of a verb that the path does not take, of a body or of a name that cannot be; None for any other call."""
    if call.method not in call.route.verbs:
        return refusals.not_allowed(call)
    problem = arm.body_problem(call.body)
    if problem:
        return refusals.bad_content(problem)
    return arm.check_names(call) if call.method == "PUT" else None


def _resource_path(request: Request) -> str:
    """The path with single slashes, without the portal's prefix."""
    path = "/" + "/".join(request.words)
    return path.removeprefix(PORTAL) if path.startswith(f"{PORTAL}/") else path

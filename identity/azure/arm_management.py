"""ARM on a management node: who may call, which resource is meant, and user-assigned identities.

The portal is a second front end of the same provider: the same paths under `/portal`.
Wire facts: docs/reference/azure-wire.md#arm-user-assigned-identities.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from brownout.identity.azure import arm
from brownout.identity.azure.arm_machines import ArmMachines
from brownout.identity.azure.entra_claims import ARM_AUDIENCES, Verifier, bearer_token
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.management import Management
from brownout.identity.core.nodes.writer import Written
from brownout.identity.core.ports import BadToken
from brownout.identity.core.records import Json, Principal
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import REGIONS

PORTAL = "/portal"


class Arm:
    """ARM's surface. It takes every request that no other surface took."""

    def __init__(self, node: Management) -> None:
        self._node = node
        self._verifier = Verifier(node, node.replica, ARM_AUDIENCES)
        self._machines = ArmMachines(node)
        node.serve_relayed = partial(self._serve, relayed=True)

    def takes(self, request: Request) -> bool:
        return True

    async def serve(self, request: Request) -> Served:
        refused = self._unauthorized(request) or arm.check_version(request.query)
        return Served(refused, self._node.hop()) if refused is not None else await self._serve(request)

    async def _serve(self, request: Request, *, relayed: bool = False) -> Served:
        """The answer to a client that was let in, here or by the front end that relayed its request."""
        refused = _misshapen(request)
        if refused is not None:
            return Served(refused, self._node.hop())
        path = "/".join(("", *request.words))
        path = path.removeprefix(PORTAL) if path.startswith(f"{PORTAL}/") else path
        if "/operationstatuses/" in path.lower():
            return await self._machines.operation(request, path.rsplit("/", 1)[1], relayed=relayed)
        parsed = arm.parse_path(path)
        if parsed is None:
            return Served(self._subscriptions(request, path), self._node.hop())
        if parsed.subscription != self._node.stack.subscription_id:
            text = f"The subscription '{parsed.subscription}' could not be found."
            return Served(arm.error(404, "SubscriptionNotFound", text), self._node.hop())
        if parsed.kind not in (arm.UAI_TYPE, arm.VM_TYPE):
            return Served(arm.error(404, "InvalidResourceType", f"no resource type {parsed.kind}"), self._node.hop())
        if not parsed.name and request.method != "GET":
            return Served(arm.not_allowed(request.method, path, "GET"), self._node.hop())
        if parsed.kind == arm.UAI_TYPE:
            return await self._identity(request, parsed)
        return await self._machines.serve(request, parsed, relayed=relayed)

    def _subscriptions(self, request: Request, path: str) -> Response:
        """The one subscription, or the list of it; 404 for any other path."""
        stack = self._node.stack
        shown = {
            "id": f"/subscriptions/{stack.subscription_id}",
            "subscriptionId": stack.subscription_id,
            "displayName": "Brownout",
            "state": "Enabled",
            "tenantId": stack.tenant_id,
        }
        if request.method == "GET" and path.lower() in ("/subscriptions", str(shown["id"]).lower()):
            return Response(200, {"value": [shown]} if path.lower() == "/subscriptions" else shown)
        return arm.error(404, "InvalidResourceType", f"no resource at {path}")

    def _unauthorized(self, request: Request) -> Response | None:
        """The 401 of a caller without a good token for ARM; 503 without a replica to judge with; None for a good one."""
        token = bearer_token(request.headers.get("authorization", ""))
        if not token:
            return arm.error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        if not self._node.ready:
            return arm.error(503, "ServiceUnavailable", "the service has not loaded its configuration yet")
        try:
            self._verifier.check(token)
        except BadToken as bad:
            return arm.error(401, "InvalidAuthenticationToken", f"The access token is invalid: {bad}.")
        return None

    async def _identity(self, request: Request, path: arm.ArmPath) -> Served:
        if not path.name:
            return Served(self._list(path), self._node.hop())
        known = await self._node.identities.find(path.resource_id)
        if request.method == "GET":
            found = Response(200, self._shown(known)) if known else _absent(path)
            return Served(found, self._node.hop())
        if request.method == "PUT":
            return await self._put(path, request.body or {}, known)
        if request.method == "PATCH" and known is not None:
            moved = self._moved(path, request.body or {}, known)
            return moved or await self._save(_changed(known, request.body or {}))
        if request.method == "DELETE":
            return await self._delete(path, known)
        allowed = "GET", "PUT", "PATCH", "DELETE"
        refused = _absent(path) if request.method == "PATCH" else arm.not_allowed(request.method, path.spelled, *allowed)
        return Served(refused, self._node.hop())

    def _moved(self, path: arm.ArmPath, body: Json, known: Principal) -> Served | None:
        """The refusal of a change of the identity's location; None where there is none."""
        home = known.identity.home_region
        if arm.region_of(str(body.get("location") or ""), home) == home:
            return None
        return Served(arm.elsewhere(path, REGIONS[home].azure_name, str(body["location"])), self._node.hop())

    def _list(self, path: arm.ArmPath) -> Response:
        prefix = path.scope_prefix
        shown = [
            self._shown(known)
            for known in self._node.identities.visible()
            if known.identity.kind == "user" and known.identity.resource_id.lower().startswith(prefix)
        ]
        return Response(200, {"value": sorted(shown, key=lambda item: str(item["id"]))})

    def _shown(self, principal: Principal) -> Json:
        return arm.identity_resource(principal, self._node.stack.tenant_id)

    async def _put(self, path: arm.ArmPath, body: Json, known: Principal | None) -> Served:
        home = arm.region_of(str(body.get("location", "")), self._node.region)
        if home not in self._node.stack.regions:
            text = f"no location {body.get('location')!r}"
            return Served(arm.error(400, "LocationNotAvailableForResourceType", text), self._node.hop())
        refused = arm.check_new(path, body) if known is None else None
        if refused is not None:
            return Served(refused, self._node.hop())
        if known is None:
            known = Principal(self._node.identities.new_identity(path.resource_id, path.name, "user", home))
        return self._moved(path, body, known) or await self._save(_changed(known, body))

    async def _save(self, principal: Principal) -> Served:
        written = await self._node.identities.write(principal)
        if written.failure is not None:
            return _failed(written)
        status = 201 if written.effect == "created" else 200
        return Served(Response(status, self._shown(principal)), written.hop, written.inner)

    async def _delete(self, path: arm.ArmPath, known: Principal | None) -> Served:
        """Deleting what another node has deleted already is tried at its store once more."""
        principal = known or self._node.identities.last_known(path.resource_id)
        if principal is None:
            return Served(Response(204), self._node.hop())
        written = await self._node.identities.erase(principal)
        if written.failure is not None:
            return _failed(written)
        return Served(Response(200 if written.effect == "deleted" else 204), written.hop, written.inner)


def _changed(known: Principal, body: Json) -> Principal:
    """The identity with what the body names; what it does not name stays."""
    properties, tags = body.get("properties") or {}, body.get("tags", known.tags)
    scope = properties.get("isolationScope") or known.details.get("isolationScope", arm.ISOLATION_SCOPES[0])
    return replace(known, tags=tags or {}, details={**known.details, "isolationScope": scope})


def _failed(written: Written) -> Served:
    assert written.failure is not None, written
    return Served(arm.failed(written.failure), written.hop, written.inner)


def _misshapen(request: Request) -> Response | None:
    problem = arm.body_problem(request.body or {})
    return arm.error(400, "InvalidRequestContent", f"The request content was invalid: {problem}.") if problem else None


def _absent(path: arm.ArmPath) -> Response:
    return arm.error(404, "ResourceNotFound", f"The Resource '{path.kind}/{path.name}' was not found.")

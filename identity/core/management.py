"""The management node: ARM's front end (and the portal's, one path for both: claim C6) for identities and machines.

A change of an identity is written to its *home* region's store, signed with the key that this node's build and
configuration know, then made known to the directory. Lists and reads are served from the replica. Creating a machine with
an identity of its own includes creating that identity, so it fails with it (claim C7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.identity.core import arm, claims
from brownout.identity.core.machines import Machines
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Value, error
from brownout.identity.core.ports import BadToken, Ports
from brownout.identity.core.reader import Reader
from brownout.identity.core.topology import MANAGEMENT, REGIONS, NodeSpec
from brownout.identity.core.trail import Hop, with_hop

AUDIENCE = "https://management.azure.com"
LOCATIONS: Mapping[str, str] = {region.azure_name: name for name, region in REGIONS.items()}


class Management(Reader):
    """One region's management node."""

    role = MANAGEMENT

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self._known: dict[str, dict[str, Any]] = {}
        self._good_until_s: dict[str, float] = {}
        self._good_for: Mapping[str, Any] = {}
        self.machines = Machines(self)

    def take_up(self, kind: str, name: str, record: Value) -> None:
        super().take_up(kind, name, record)
        self.machines.take_up(kind, name, record)
        if kind == "resource":
            self._known[name] = dict(record)

    async def serve(self, request: Request) -> Response:
        if request.path == "/snapshot" and request.method in ("GET", "PUT") and self.is_internal(request):
            return await self.take_snapshot(request)
        portal = request.path.startswith("/portal/")
        path = request.path.removeprefix("/portal") if portal else request.path
        response, hop, inner = await self._answer(request, path)
        return with_hop(response, hop, inner)

    async def _answer(self, request: Request, path: str) -> tuple[Response, Hop, str]:
        refused = self._unauthorized(request) or _misshapen(request)
        if refused is not None:
            return refused, self.hop(), ""
        if "/operationstatuses/" in path.lower():
            return self.machines.operation(path.rsplit("/", 1)[1]), self.hop(), ""
        parsed = arm.parse_path(path)
        if parsed is None:
            return error(404, "InvalidResourceType", f"no resource at {path}"), self.hop(), ""
        if parsed.subscription != self.stack.subscription_id:
            text = f"The subscription '{parsed.subscription}' could not be found."
            return error(404, "SubscriptionNotFound", text), self.hop(), ""
        if parsed.kind == arm.UAI_TYPE:
            return await self._identity(request, parsed)
        if parsed.kind == arm.VM_TYPE:
            return await self.machines.serve(request, parsed)
        return error(404, "InvalidResourceType", f"no resource type {parsed.kind}"), self.hop(), ""

    def _unauthorized(self, request: Request) -> Response | None:
        """ARM's 401 unless a token for ARM, signed by a key of the replica, comes with the request; 503 without a replica."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        if not self.ready:
            return error(503, "ServiceUnavailable", "the service has not loaded its configuration yet")
        if self._good_for != self.replica.key_set:
            self._good_for, self._good_until_s = self.replica.key_set, {}
        now_s = self.ports.now()
        if now_s < self._good_until_s.get(token, 0.0):
            return None
        try:
            known = claims.check(
                self.ports.signer,
                token,
                self.replica.key_set,
                audience=AUDIENCE,
                tenant_id=self.stack.tenant_id,
                now_s=now_s,
            )
        except BadToken as bad:
            return error(401, "InvalidAuthenticationToken", f"The access token is invalid: {bad}.")
        self._good_until_s[token] = float(known["exp"])
        return None

    async def _identity(self, request: Request, path: arm.ArmPath) -> tuple[Response, Hop, str]:
        if not path.name:
            return self._list(path), self.hop(), ""
        known = await self.find(path.resource_id)
        if request.method == "GET":
            found = Response(200, self._shown(known)) if known else _absent(path)
            return found, self.hop(), ""
        if request.method == "PUT":
            return await self._put(path, request.body or {}, known)
        if request.method == "PATCH" and known is not None:
            return await self._save({**known, "tags": (request.body or {}).get("tags", {})})
        if request.method == "DELETE":
            return await self._delete(path, known)
        return (_absent(path) if known is None else error(405, "MethodNotAllowed", request.method)), self.hop(), ""

    def _list(self, path: arm.ArmPath) -> Response:
        prefix = f"/subscriptions/{path.subscription}/" + (f"resourcegroups/{path.group}/" if path.group else "")
        own = {record["object_id"]: record for record in self._known.values() if self._is_newer(record)}
        shown = [
            self._shown(item)
            for item in {**self.replica.identities, **own}.values()
            if not item.get("deleted") and item["kind"] == "user" and item["resource_id"].lower().startswith(prefix)
        ]
        return Response(200, {"value": sorted(shown, key=lambda item: str(item["id"]))})

    def _is_newer(self, record: Mapping[str, Any]) -> bool:
        """True for a write of our own that the replica does not show yet; afterwards the replica is right."""
        return int(record["version"]) > self.replica.version

    def _shown(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return arm.identity_resource(record, self.stack.tenant_id, REGIONS[record["home_region"]].azure_name)

    async def find(self, resource_id: str) -> dict[str, Any] | None:
        """The identity of that ARM id as ARM knows it: our own writes, the replica, else the directory."""
        wanted = resource_id.lower()
        known = self._known.get(wanted)
        if known is not None and self._is_newer(known):
            return None if known.get("deleted") else known
        if known is not None and not known.get("deleted") and known["object_id"] not in self.replica.identities:
            return await self._tell_again(known)
        for record in self.replica.identities.values():
            if record["resource_id"].lower() == wanted:
                return None if record.get("deleted") else dict(record)
        return await self._ask_directory(resource_id)

    async def _tell_again(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """A write of our own that the directory has lost, with the disk on which it acknowledged it."""
        body = {key: value for key, value in known.items() if key not in ("deleted", "version")}
        told = await self.tell_directory(self.internal("PUT", f"/principals/{known['object_id']}", body))
        record = {**known, "version": (told.body or {})["version"]} if told.ok else dict(known)
        await self._remember(record)
        return record

    def knows(self, object_id: str) -> bool:
        """Also what this node itself wrote and its replica does not show yet."""
        own = (record for record in self._known.values() if record["object_id"] == object_id and self._is_newer(record))
        return super().knows(object_id) or any(not record.get("deleted") for record in own)

    async def _ask_directory(self, resource_id: str) -> dict[str, Any] | None:
        base = self.internal("GET", "/resources")
        asked = Request(base.method, base.path, {"id": resource_id}, base.headers)
        answer = await self.tell_directory(asked)
        return dict(answer.body) if answer.ok and answer.body else None

    async def _put(
        self, path: arm.ArmPath, body: Mapping[str, Any], known: Mapping[str, Any] | None
    ) -> tuple[Response, Hop, str]:
        home = region_of(str(body.get("location", "")), self.region)
        if home not in self.stack.regions:
            wrong = error(400, "LocationNotAvailableForResourceType", f"no location {body.get('location')!r}")
            return wrong, self.hop(), ""
        record = known or self.new_identity(path.resource_id, path.name, "user", home)
        return await self._save({**record, "tags": body.get("tags", record.get("tags", {}))})

    def new_identity(self, resource_id: str, name: str, kind: str, home: str) -> dict[str, Any]:
        """The record of an identity that is about to be created."""
        return {
            "name": name,
            "kind": kind,
            "home_region": home,
            "object_id": self.ports.new_id(),
            "client_id": self.ports.new_id(),
            "resource_id": resource_id,
        }

    async def _save(self, record: Mapping[str, Any]) -> tuple[Response, Hop, str]:
        response, hop, inner = await self.write(record)
        return (Response(response.status, self._shown(record)) if response.ok else response), hop, inner

    async def write(self, record: Mapping[str, Any]) -> tuple[Response, Hop, str]:
        """Writes an identity to its home store, then to the directory; the store's answer or why it failed."""
        body = {key: value for key, value in record.items() if key not in ("deleted", "version")}
        request = Request("PUT", f"/identities/{record['object_id']}", body=body)
        response, hop, inner = await self.ask_store(record["home_region"], request)
        if not response.ok:
            return store_failed(response), hop, inner
        told = await self.tell_directory(self.internal("PUT", f"/principals/{record['object_id']}", body))
        if not told.ok:
            return error(503, "ServiceUnavailable", f"the directory did not take the change: {told.status}"), hop, inner
        await self._remember({**body, "deleted": False, "version": (told.body or {})["version"]})
        return response, hop, inner

    async def _remember(self, record: dict[str, Any]) -> None:
        key = record["resource_id"].lower()
        await self.ports.persist(f"resource:{key}", record)
        self._known[key] = record

    async def _delete(self, path: arm.ArmPath, known: Mapping[str, Any] | None) -> tuple[Response, Hop, str]:
        record = known or self._tombstone(path.resource_id)
        if record is None:
            return Response(204), self.hop(), ""
        return await self.erase(record)

    def _tombstone(self, resource_id: str) -> Mapping[str, Any] | None:
        wanted = resource_id.lower()
        found = (item for item in self.replica.identities.values() if item["resource_id"].lower() == wanted)
        return self._known.get(wanted) or next(found, None)

    async def erase(self, record: Mapping[str, Any]) -> tuple[Response, Hop, str]:
        """Deletes an identity in its home store and in the directory; 200, or 204 when it was gone already."""
        request = Request("DELETE", f"/identities/{record['object_id']}")
        response, hop, inner = await self.ask_store(record["home_region"], request)
        if not response.ok:
            return store_failed(response), hop, inner
        told = await self.tell_directory(self.internal("DELETE", f"/principals/{record['object_id']}"))
        if not told.ok:
            return error(503, "ServiceUnavailable", f"the directory did not take the change: {told.status}"), hop, inner
        await self._remember({**record, "deleted": True, "version": (told.body or {"version": 0})["version"]})
        return Response(response.status), hop, inner


def region_of(location: str, default: str) -> str:
    """Our region's name for an Azure location (or for our own name); `default` when none is given."""
    if not location:
        return default
    bare = location.replace(" ", "").lower()
    return LOCATIONS.get(bare, bare)


def store_failed(response: Response) -> Response:
    """What ARM shows when the identity service could not reach its metadata: the inner status, never the key."""
    if response.status == 404:
        return response
    text = f"The identity service could not complete the operation: its metadata store answered {response.status}."
    return error(503 if response.status in (502, 504) else 500, "InternalServerError", text)


def _misshapen(request: Request) -> Response | None:
    problem = arm.body_problem(request.body or {})
    return error(400, "InvalidRequestContent", f"The request content was invalid: {problem}.") if problem else None


def _absent(path: arm.ArmPath) -> Response:
    return error(404, "ResourceNotFound", f"The Resource '{path.kind}/{path.name}' was not found.")

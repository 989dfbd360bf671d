"""The directory: the control plane in the home region. It knows every identity, holds the secrets, and publishes.

Its knowledge is a Catalog, which a Publisher sends to all replicas; the KeyManager rolls store keys. An identity that its
store has lost with the disk is given back on demand (`POST /principals/ID/restore`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

from brownout.identity.core.holds import PASSIVE
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node, read_as
from brownout.identity.core.nodes.assigned.signing_keys import SigningKeys
from brownout.identity.core.nodes.catalog import Catalog
from brownout.identity.core.nodes.key_manager import KeyManager
from brownout.identity.core.nodes.publisher import Publisher, managed_keys
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json, Principal, keys_to_json
from brownout.identity.core.surface import Served, error
from brownout.identity.core.topology import DIRECTORY, STORE, NodeSpec, StackSpec

OPERATOR_TOKEN_LIFETIME_S = 3600.0


class OperatorClaims(Protocol):
    """A vendor's claims of a token for the stack's operator."""

    def __call__(self, *, tenant_id: str, issued_s: float, lifetime_s: float) -> Json: ...


Seed = Callable[[StackSpec], tuple[Principal, ...]]


class Directory(Node):
    """The one directory of a stack. `seed` gives the principals that it begins with beside the stack's identities."""

    role = DIRECTORY
    pages = ("snapshot", "resources", "principals")
    worked_pages = ("resources", "principals")

    def __init__(self, spec: NodeSpec, ports: Ports, *, operator_claims: OperatorClaims, seed: Seed) -> None:
        super().__init__(spec, ports)
        self.catalog = Catalog(self.stack, ports, seed(self.stack))
        self._publisher = Publisher(self, self.catalog)
        self._operator_claims = operator_claims
        keys = KeyManager(self, self._publisher)
        self.holds.add({**keys.switches, **self._publisher.switches, "freeze": PASSIVE})
        self._signing_keys = SigningKeys(
            self.holds, self.catalog, ports, self.settings, lambda: self._publisher.publish(self._publisher.readers())
        )

    async def start(self) -> None:
        await super().start()
        await self.catalog.start()
        await self._signing_keys.settle()

    def take_up(self, kind: str, name: str, record: Json) -> None:
        self.catalog.take_up(kind, name, record)

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return self._publisher.background()

    def state(self) -> Json:
        return {
            **self.holdings(),
            "identities": len(self.catalog.alive()),
            "managed_keys": {region: key.key_id for region, key in managed_keys(self.holds).items()},
            "signing_key_id": self.catalog.signing.key_id,
        }

    def holdings(self) -> Json:
        return {"version": self.catalog.version}

    async def serve(self, request: Request, path: str) -> Served | None:
        response = await self._answer(request, path)
        return None if response is None else Served(response, self.hop())

    async def _answer(self, request: Request, path: str) -> Response | None:
        if path == "/snapshot/keys":
            keys = keys_to_json(managed_keys(self.holds))
            return Response(200, {"store_keys": keys, "version": self.catalog.version})
        if path == "/resources" and request.method == "GET":
            resource_id = request.query.get("id", "").lower()
            found = self.catalog.of_resource(resource_id)
            return error(404, "ResourceNotFound", resource_id) if found is None else Response(200, found.to_json())
        if path.startswith("/principals/") and path.endswith("/restore"):
            return await self._restore(path.split("/")[2])
        if path.startswith("/principals/"):
            return await self._principal(request, path.removeprefix("/principals/"))
        return None

    async def _principal(self, request: Request, object_id: str) -> Response:
        known = self.catalog.identities.get(object_id)
        if request.method == "PUT":
            before = known.to_json() if known else {}
            wanted = read_as(lambda raw: Principal.from_json({**before, **raw, "deleted": False}), request)
            return Response(200, (await self.catalog.save(wanted)).to_json())
        if request.method == "DELETE" and known:
            return Response(200, (await self.catalog.save(replace(known, deleted=True))).to_json())
        return Response(204)

    async def _restore(self, object_id: str) -> Response:
        """Gives an identity back to its home store, which has lost it; 201 when the store took it."""
        known = self.catalog.identities.get(object_id)
        if known is None or known.deleted:
            return error(404, "ResourceNotFound", object_id)
        request = self.internal("PUT", f"/admin/records/{object_id}", known.content())
        try:
            answer = await self.ports.call(f"{known.identity.home_region}.{STORE}", request, timeout_s=self.call_timeout_s)
        except CallFailed:
            return error(502, "Unreachable", "the store did not answer")
        return Response(answer.status, answer.body)  # its headers were for one journey

    async def publish(self) -> dict[str, bool]:
        """Sends the newest snapshot to every node at once, beside the rounds; which of them took it."""
        return await self._publisher.publish(self._publisher.readers())

    async def control(self, request: Request, path: str) -> Response:
        if path == "/admin/user-token" and request.method == "POST":
            lifetime_s = float((request.body or {}).get("lifetime_s", OPERATOR_TOKEN_LIFETIME_S))
            return Response(200, {"access_token": self._operator_token(lifetime_s)})
        if path == "/admin/deletions" and request.method == "GET":
            gone = {name: known.identity.resource_id for name, known in self.catalog.identities.items() if known.deleted}
            return Response(200, {"version": self.catalog.version, "deleted": gone})
        return await super().control(request, path)

    def _operator_token(self, lifetime_s: float) -> str:
        """A token for the stack's operator: people do not sign in through managed identities."""
        signing = self.catalog.signing
        claims = self._operator_claims(tenant_id=self.stack.tenant_id, issued_s=self.ports.now(), lifetime_s=lifetime_s)
        return self.ports.signer.sign(signing.key_id, signing.private, claims)

"""The token node: issues tokens for identities from its zone, and publishes the keys that verify them.

A miss of its cache reads the identity's metadata from the *home* region's store with the key that this node's build and
configuration know. When that fails and a cached token has life left, that token is served (`stale`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import read_as
from brownout.identity.core.nodes.reader import Reader, failure_of_store
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import CachedToken, Identity, Json, StoreRecord, TokenRequest
from brownout.identity.core.surface import Failure, Issued, Served
from brownout.identity.core.token_cache import TokenCache
from brownout.identity.core.topology import TOKEN, NodeSpec
from brownout.identity.core.trail import Hop

UNREADY = Failure("unready", "the identity service has not loaded its configuration yet")
NOT_FOUND = Failure("not-found", "Identity not found")


class IdentityClaims(Protocol):
    """A vendor's claims of a token for an identity, used from `machine` by `holder` (TokenRequest has their meaning)."""

    def __call__(
        self,
        *,
        tenant_id: str,
        identity: Identity,
        machine: str,
        holder: str,
        resource: str,
        issued_s: float,
        lifetime_s: float,
    ) -> Json: ...


@dataclass(frozen=True, slots=True)
class Looked:
    """What a store says of a wanted token: the identity that it would be for, or why there would be none."""

    hop: Hop
    inner: str = ""
    identity: Identity | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        assert (self.identity is None) != (self.failure is None), "an identity or a failure, and not both"


class TokenNode(Reader):
    """One zone's data plane."""

    role = TOKEN
    pages: ClassVar[tuple[str, ...]] = ("snapshot", "token")
    worked_pages = ("token",)

    def __init__(self, spec: NodeSpec, ports: Ports, *, claims: IdentityClaims) -> None:
        super().__init__(spec, ports)
        fraction = self.settings.instance_refresh_fraction
        self.cache = TokenCache(refresh_fraction=fraction, margin_s=self.settings.expiry_margin_s)
        self._claims = claims
        self._bootstrapped = False
        self._own_token_ends_s = 0.0

    async def start(self) -> None:
        await super().start()
        assert self._own_token_ends_s == 0, "no life starts with a token of its own from an earlier one"
        if self.settings.store_access == "managed-identity" and not self._bootstrapped:
            self._own_token_ends_s = self.ports.now() + self.settings.token_lifetime_s
            await self.ports.persist("bootstrap:", {"done": True})

    def take_up(self, kind: str, name: str, record: Json) -> None:
        assert kind in ("replica", "bootstrap"), kind
        super().take_up(kind, name, record)
        self._bootstrapped = self._bootstrapped or kind == "bootstrap"

    def drop_caches(self) -> int:
        dropped = len(self.cache)
        self.cache.clear()
        return dropped

    def state(self) -> Json:
        return {**super().state(), "cached": len(self.cache)}

    def holdings(self) -> Json:
        return {"replica_version": self.replica.version, "published_keys": dict(self.replica.keys_since_s)}

    async def serve(self, request: Request, path: str) -> Served | None:
        if path == "/token" and request.method == "POST":
            return await self._token(read_as(TokenRequest.from_json, request))
        if path == "/token/dry-run" and request.method == "POST":
            return await self._dry_run(read_as(TokenRequest.from_json, request))
        return await super().serve(request, path)

    async def _token(self, wanted: TokenRequest) -> Served:
        issued = await self.issue(wanted)
        if issued.failure is not None:
            return Served(issued.failure.to_response(), issued.hop, issued.inner)
        assert issued.token is not None
        return Served(Response(200, issued.token.to_json()), issued.hop, issued.inner)

    async def issue(self, wanted: TokenRequest) -> Issued:
        """A token from the cache or a new one; failures are `unready`, `not-found` and `unavailable`."""
        if not self.ready:
            return Issued(self.hop(), failure=UNREADY)
        uses_cache = self.settings.instance_cache and not wanted.bypass
        # Where the cache may not answer, freshness is "none": what is done with `cached` goes by freshness alone.
        freshness = self.cache.freshness(wanted.key, self.ports.now()) if uses_cache else "none"
        cached = self.cache.get(wanted.key)
        if freshness == "fresh" and cached is not None and wanted.issued_s is None:
            if self.capacity.on:
                await self.capacity.work("hit")
            return Issued(Hop(self.name, self.build, cache="hit"), token=cached)
        if self.capacity.on:
            await self.capacity.work("miss")
        made = await self._issue(wanted)
        failed = made.failure is not None and made.failure.is_outage
        if failed and freshness == "due" and cached is not None:
            return Issued(made.hop._replace(cache="stale"), made.inner, token=cached)
        return Issued(made.hop._replace(cache="miss"), made.inner, made.token, made.failure)

    async def _dry_run(self, wanted: TokenRequest) -> Served:
        """What would become of the request if no token were cached, and until when the cache would hide that.

        The store is really asked. No token is made, and the cache stays as it is.
        """
        looked = await self._look_up(wanted) if self.ready else Looked(self.hop(), failure=UNREADY)
        failure, cached = looked.failure, self.cache.get(wanted.key) if self.settings.instance_cache else None
        body: dict[str, Any] = {"failure": None if failure is None else {"code": failure.code, "message": failure.message}}
        if cached is not None:
            body |= {"due_s": self.cache.due_s(cached), "ends_s": self.cache.ends_s(cached)}
        return Served(Response(200, body), looked.hop, looked.inner)

    async def _issue(self, wanted: TokenRequest) -> Issued:
        """A new token, made from what the home region's store says of the identity."""
        looked = await self._look_up(wanted)
        if looked.identity is None:
            return Issued(looked.hop, looked.inner, failure=looked.failure)
        token = self._sign(looked.identity, wanted)
        self.cache.put(wanted.key, token)
        self._own_token_ends_s = self.ports.now() + self.settings.token_lifetime_s
        return Issued(looked.hop, looked.inner, token=token)

    async def _look_up(self, wanted: TokenRequest) -> Looked:
        """The identity that a token is wanted for, as the home region's store has it, or why it gets none."""
        assert self.replica.version > 0, "a node that is ready has a replica"
        if self.replica.is_deleted(wanted.object_id):
            return Looked(self.hop(), failure=NOT_FOUND)
        if self._locked_out():
            text = "the store wants a token of ours, which only the store lets us make"
            return Looked(self.hop(), failure=Failure("unavailable", text))
        found = await self.ask_store(wanted.home_region, Request("GET", f"/identities/{wanted.object_id}"))
        response, hop = found.response, found.hop or self.hop()
        if response.status == 404:
            return Looked(hop, found.inner, failure=NOT_FOUND)
        if not response.ok or response.body is None:
            return Looked(hop, found.inner, failure=failure_of_store(response))
        record = StoreRecord.from_json(response.body)
        if wanted.machine.lower() not in record.assigned:
            return Looked(hop, found.inner, failure=NOT_FOUND)
        return Looked(hop, found.inner, identity=record.identity)

    def _sign(self, identity: Identity, wanted: TokenRequest) -> CachedToken:
        assert identity.object_id == wanted.object_id, "a token is for the identity that was asked for"
        issued_s = self.ports.now() if wanted.issued_s is None else wanted.issued_s
        lifetime_s = self.settings.token_lifetime_s
        claims = self._claims(
            tenant_id=self.stack.tenant_id,
            identity=identity,
            machine=wanted.machine,
            holder=wanted.holder,
            resource=wanted.resource,
            issued_s=issued_s,
            lifetime_s=lifetime_s,
        )
        signing = self.replica.signing
        token = self.ports.signer.sign(signing.key_id, signing.private, claims)
        return CachedToken(token, identity.client_id, issued_s, issued_s + lifetime_s)

    def _locked_out(self) -> bool:
        """True when store access goes through a managed identity and our own token has ended (claim C10).

        Only a token opens the store, and only the store's metadata makes a token: after a full loss of caches no node can
        start. That circle is why the real service has key-based access.
        """
        if self.settings.store_access != "managed-identity":
            return False
        return self.ports.now() >= self._own_token_ends_s

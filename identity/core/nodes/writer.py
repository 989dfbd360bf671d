"""How a management node finds and changes identities.

A change is written to the identity's *home* region's store, signed with the key that the node's build and configuration
know, and then made known to the directory. What this node has written itself it knows at once; everything else it reads
from the replica, and asks the directory for what that does not show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from brownout.identity.core import trail
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.reader import Reader
from brownout.identity.core.records import Identity, Json, Machine, Principal
from brownout.identity.core.surface import Failure, Served
from brownout.identity.core.trail import Hop

WriteEffect = Literal["created", "updated", "deleted", "none"]


@dataclass(frozen=True, slots=True)
class Written:
    """How a change of an identity ended; `effect` is `none` for a failure and for a change that changed nothing."""

    hop: Hop
    inner: str = ""
    effect: WriteEffect = "none"
    failure: Failure | None = None


class IdentityWriter:
    """Finds, writes, erases and assigns identities for one management node."""

    def __init__(self, node: Reader) -> None:
        self._node = node
        self._own: dict[str, Principal] = {}  # written here, by resource id in lower case, deleted ones too

    def take_up(self, record: Json) -> None:
        """Takes up one durable record of a write of our own."""
        known = Principal.from_json(record)
        key = known.identity.resource_id.lower()
        assert key not in self._own, "a resource id has one record, whatever its case"
        self._own[key] = known

    def _is_newer(self, own: Principal) -> bool:
        """True for a write of our own that the replica does not show yet; afterwards the replica is right."""
        return own.version > self._node.replica.version

    def visible(self) -> tuple[Principal, ...]:
        """Every identity that exists, as far as the replica and our own newer writes say."""
        own = {known.identity.object_id: known for known in self._own.values() if self._is_newer(known)}
        everything = {**self._node.replica.snapshot.identities, **own}
        return tuple(known for known in everything.values() if not known.deleted)

    def wrote(self, object_id: str) -> bool:
        """True for an identity that this node has written and its replica does not show yet."""
        return any(
            own.identity.object_id == object_id and self._is_newer(own) and not own.deleted for own in self._own.values()
        )

    async def find(self, resource_id: str) -> Principal | None:
        """The identity of that resource id: from our own writes, the replica, else the directory; None if there is none."""
        own = self._own.get(resource_id.lower())
        if own is not None and self._is_newer(own):
            return None if own.deleted else own
        if own is not None and not own.deleted and self._node.replica.known(own.identity.object_id) is None:
            # The replica is past our write and does not have it: the directory lost it with its disk.
            return await self._tell_again(own)
        known = self._node.replica.by_resource(resource_id)
        if known is not None:
            return None if known.deleted else known
        answer = await self._node.ask_directory(self._node.internal("GET", "/resources", query={"id": resource_id}))
        return Principal.from_json(answer.body) if answer.ok and answer.body else None

    def last_known(self, resource_id: str) -> Principal | None:
        """The identity of that resource id as it was last known, deleted or not; None for one that never was."""
        return self._own.get(resource_id.lower()) or self._node.replica.by_resource(resource_id)

    async def _tell_again(self, own: Principal) -> Principal:
        """Repeats a write of our own that the directory has lost, with the disk on which it acknowledged it."""
        assert not own.deleted, "a deleted identity is not brought back"
        told = await self._tell_directory("PUT", own)
        record = replace(own, version=int((told.body or {})["version"])) if told.ok else own
        await self._remember(record)
        return record

    async def _tell_directory(self, method: str, principal: Principal) -> Response:
        content = principal.content() if method == "PUT" else None
        return await self._node.ask_directory(
            self._node.internal(method, f"/principals/{principal.identity.object_id}", content)
        )

    def new_identity(self, resource_id: str, name: str, kind: str, home: str) -> Identity:
        """An identity that is about to be created."""
        new_id = self._node.ports.new_id
        return Identity(name, kind, home, object_id=new_id(), client_id=new_id(), resource_id=resource_id)

    async def write(self, principal: Principal) -> Written:
        """Writes an identity to its home store, then to the directory."""
        asked = await self._ask_store("PUT", principal.identity, body=principal.content())
        hop, response = asked.hop or self._node.hop(), asked.response
        if not response.ok:
            return Written(hop, asked.inner, failure=_failure(response))
        told = await self._tell_directory("PUT", principal)
        inner = trail.joined(asked.inner, trail.of(told))
        if not told.ok:
            return Written(hop, inner, failure=_unpublished(told))
        await self._remember(replace(principal, deleted=False, version=int((told.body or {})["version"])))
        return Written(hop, inner, "created" if response.status == 201 else "updated")

    async def erase(self, principal: Principal) -> Written:
        """Deletes an identity in its home store and in the directory."""
        asked = await self._ask_store("DELETE", principal.identity)
        hop, response = asked.hop or self._node.hop(), asked.response
        if not response.ok:
            return Written(hop, asked.inner, failure=_failure(response))
        told = await self._tell_directory("DELETE", principal)
        inner = trail.joined(asked.inner, trail.of(told))
        if not told.ok:
            return Written(hop, inner, failure=_unpublished(told))
        version = int((told.body or {"version": 0})["version"])  # 204: the directory never knew it
        await self._remember(replace(principal, deleted=True, version=version))
        return Written(hop, inner, "none" if response.status == 204 else "deleted")

    async def assign(self, identity: Identity, machine: Machine, *, present: bool) -> Written:
        """Writes to the identity's home store whether the machine may use it."""
        body = {"machine": machine.key, "present": present}
        asked = await self._ask_store("POST", identity, "/assign", body)
        hop = asked.hop or self._node.hop()
        if not asked.response.ok:
            return Written(hop, asked.inner, failure=_failure(asked.response))
        return Written(hop, asked.inner, "updated")

    async def _ask_store(self, method: str, identity: Identity, action: str = "", body: Json | None = None) -> Served:
        path = f"/identities/{identity.object_id}{action}"
        return await self._node.ask_store(identity.home_region, Request(method, path, body=body))

    async def _remember(self, principal: Principal) -> None:
        assert principal.deleted or principal.version > 0, "an identity that exists was published under a version"
        key = principal.identity.resource_id.lower()
        await self._node.ports.persist(f"resource:{key}", principal.to_json())
        self._own[key] = principal  # after the disk: what we claim to have written would survive a kill


def _failure(response: Response) -> Failure:
    """What a store's answer means to the caller: the inner status, never the key."""
    if response.status == 404:
        return Failure("not-found", str((response.body or {}).get("error", {}).get("message", "")))
    told = Failure.from_response(response)
    if told.code == "overloaded":
        return told
    text = f"its metadata store answered {response.status}"
    return Failure("unreachable" if response.status in (502, 504) else "unavailable", text)


def _unpublished(response: Response) -> Failure:
    return Failure("unpublished", f"the directory did not take the change: {response.status}")

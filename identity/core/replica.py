"""A node's copy of what the directory publishes: identities, public keys, and for token nodes the signing keys.

Law: a replica never goes backwards. A snapshot older than the one held is dropped, whoever sends it. The newest one is
durable, so a node that is killed serves again at once, also while the directory is away, and forgets no deletion.

It is also the directory's own insurance. Every snapshot names the lives of the directory that it goes back to (`lines`: one
for each disk). One that lost its disk begins a new line: such a stranger's snapshots are not taken, and it is told so; then
it learns from the replicas what it had published, and its lines go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import error
from brownout.identity.core.ports import Ports


class Replica:
    """The newest snapshot seen."""

    def __init__(self) -> None:
        self.version = 0
        self.identities: Mapping[str, Mapping[str, Any]] = {}
        self.key_set: Mapping[str, Mapping[str, Any]] = {}
        self.signing: Mapping[str, Any] = {}
        self.store_keys: Mapping[str, Mapping[str, Any]] = {}
        self.lines: Sequence[str] = ()

    def take(self, snapshot: Mapping[str, Any]) -> bool:
        """Takes a snapshot unless it is older than what is held, or a stranger's; True when it was taken."""
        if int(snapshot["version"]) < self.version or self.is_strange(snapshot):
            return False
        self.version = int(snapshot["version"])
        self.identities = snapshot["identities"]
        self.key_set = snapshot["key_set"]
        self.signing = snapshot.get("signing", {})
        self.store_keys = snapshot.get("store_keys", {})
        self.lines = snapshot.get("lines", ())
        return True

    def is_strange(self, snapshot: Mapping[str, Any]) -> bool:
        """True when it comes from a directory that knows nothing of the one that was ours."""
        lines = snapshot.get("lines", ())
        return bool(lines) and bool(self.lines) and not any(line in self.lines for line in lines)

    def is_deleted(self, object_id: str) -> bool:
        """True when the replica holds a tombstone of the identity (one it has never heard of is not deleted)."""
        return bool(self.identities.get(object_id, {}).get("deleted"))

    def snapshot(self) -> dict[str, Any]:
        """The newest snapshot as the directory sent it."""
        common = {"version": self.version, "identities": self.identities, "key_set": self.key_set}
        return common | {"signing": self.signing, "store_keys": self.store_keys, "lines": self.lines}

    def has(self, object_id: str) -> bool:
        """True when the replica knows the identity and no deletion of it."""
        return object_id in self.identities and not self.is_deleted(object_id)

    async def serve(self, request: Request, ports: Ports) -> Response:
        """The answer to the directory's `/snapshot`: PUT gives one (durable when it is answered), GET asks for the newest."""
        if request.method == "GET":
            return Response(200, self.snapshot())
        snapshot = request.body or {}
        if not {"version", "identities", "key_set"} <= snapshot.keys():
            return error(400, "BadSnapshot", "a snapshot has a version, identities and a key set")
        newer, stranger = int(snapshot["version"]) > self.version, self.is_strange(snapshot)
        taken = self.take(snapshot)
        if newer and taken:
            await ports.persist("replica:", snapshot)
        return Response(200, {"taken": taken, "version": self.version} | ({"stranger": True} if stranger else {}))

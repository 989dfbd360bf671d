"""A node's copy of what the directory publishes: identities, public keys, and for token nodes the signing keys.

Law: a replica never goes backwards. A snapshot older than the one held is dropped, whoever sends it. The newest one is
durable, so a node that is killed serves again at once, also while the directory is away, and forgets no deletion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from identity.core.messages import Request, Response
from identity.core.node import error
from identity.core.ports import Ports


class Replica:
    """The newest snapshot seen."""

    def __init__(self) -> None:
        self.version = 0
        self.identities: Mapping[str, Mapping[str, Any]] = {}
        self.key_set: Mapping[str, Mapping[str, Any]] = {}
        self.signing: Mapping[str, Any] = {}
        self.store_keys: Mapping[str, Mapping[str, Any]] = {}

    def take(self, snapshot: Mapping[str, Any]) -> bool:
        """Takes a snapshot unless it is older than what is held; True when it was taken."""
        if int(snapshot["version"]) < self.version:
            return False
        self.version = int(snapshot["version"])
        self.identities = snapshot["identities"]
        self.key_set = snapshot["key_set"]
        self.signing = snapshot.get("signing", {})
        self.store_keys = snapshot.get("store_keys", {})
        return True

    def is_deleted(self, object_id: str) -> bool:
        """True when the replica holds a tombstone of the identity (one it has never heard of is not deleted)."""
        return bool(self.identities.get(object_id, {}).get("deleted"))

    async def serve(self, request: Request, ports: Ports) -> Response:
        """The answer to the directory's `PUT /snapshot`; what is newer than before is durable when it is answered."""
        snapshot = request.body or {}
        if not {"version", "identities", "key_set"} <= snapshot.keys():
            return error(400, "BadSnapshot", "a snapshot has a version, identities and a key set")
        newer = int(snapshot["version"]) > self.version
        taken = self.take(snapshot)
        if newer:
            await ports.persist("replica:", snapshot)
        return Response(200, {"taken": taken, "version": self.version})

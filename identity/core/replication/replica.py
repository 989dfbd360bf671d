"""A node's copy of what the directory publishes: identities, public keys, for some roles signing and store keys.

Law: a replica never goes backwards. A snapshot older than the one held is dropped, from any directory. The
newest is durable, so a node that is killed serves again at once, also while the directory is away, and forgets no deletion.

Replicas also insure the directory. A *line* stands for one life of the directory; every snapshot names the lines that its
content goes back to, and how far (brownout.identity.core.replication.lines). A directory whose disk was lost, or was replaced
by an older copy, lacks some of what the replica holds. Its snapshot is a stranger's: it is not taken, and the answer says so.
The directory then learns from the replicas what it had published, and names their lines from then on
(brownout.identity.core.nodes.publisher).
"""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import NONE_KNOWN, NOTHING, Json, Principal, SentSnapshot, SigningKey, Snapshot, lines_of
from brownout.identity.core.replication.lines import contains
from brownout.identity.core.surface import error


class Replica:
    """The newest snapshot seen."""

    def __init__(self) -> None:
        self.snapshot: Snapshot = NOTHING
        self.keys_since_s: Mapping[str, float | None] = {}  # by id of each key that is held; None for "since it started"
        self._raw: Json | None = None  # what the snapshot was read from
        self._by_resource: dict[str, Principal] | None = None  # by resource id in lower case; made when it is asked for

    @property
    def version(self) -> int:
        return self.snapshot.version

    @property
    def signing(self) -> SigningKey:
        """The key that tokens are signed with, which only token nodes are sent."""
        assert self.snapshot.signing is not None, "this role is sent no signing key"
        return self.snapshot.signing

    def take(self, raw: Json, now_s: float | None = None) -> bool:
        """Takes a snapshot unless it is older than what is held, or a stranger's; True when it was taken.

        `now_s` is when it came, None for one that was held before the node started.
        Raises KeyError, TypeError or ValueError for what is no snapshot.
        """
        if raw is self._raw:
            return True  # publishing goes on when nothing changes, and inside one process it is the same object
        version, before = int(raw["version"]), self.snapshot.version
        if version < before or self.is_strange(raw):
            return False
        # One version of one line has one content, so it is not read again.
        same_lines = lines_of(raw) == self.snapshot.lines
        if version > before or not same_lines:
            known = self.snapshot.identities if same_lines else NONE_KNOWN
            self.snapshot = raw.read(known) if isinstance(raw, SentSnapshot) else Snapshot.from_json(raw, known)
            self._by_resource = None
            self.keys_since_s = {key_id: self.keys_since_s.get(key_id, now_s) for key_id in self.snapshot.key_set}
        self._raw = raw
        assert self.snapshot.version == version >= before, "a replica never goes backwards"
        return True

    def came_in(self, request: Request) -> bool:
        """True when the newest snapshot is the one that this request gave: to give it again changes nothing."""
        return request.method == "PUT" and request.body is self._raw

    def is_strange(self, raw: Json) -> bool:
        """True when it comes from a directory that does not know all that this replica was sent."""
        return raw is not self._raw and not contains(lines_of(raw), self.snapshot.lines, self.version)

    def known(self, object_id: str) -> Principal | None:
        """The identity as it was published, deleted ones too; None for one that was never heard of."""
        return self.snapshot.identities.get(object_id)

    def by_resource(self, resource_id: str) -> Principal | None:
        """The identity of that resource id, deleted ones too; case does not matter."""
        if self._by_resource is None:
            in_turn = reversed(tuple(self.snapshot.identities.values()))  # of two with one resource id, the first one counts
            self._by_resource = {known.identity.resource_id.lower(): known for known in in_turn}
            assert len(self._by_resource) <= len(self.snapshot.identities), "the index is of this snapshot"
        return self._by_resource.get(resource_id.lower())

    def is_deleted(self, object_id: str) -> bool:
        """True when the replica holds a tombstone of the identity (one that it has never heard of is not deleted)."""
        known = self.known(object_id)
        return known is not None and known.deleted

    def has(self, object_id: str) -> bool:
        """True when the replica knows the identity and no deletion of it."""
        known = self.known(object_id)
        return known is not None and not known.deleted

    async def serve(self, request: Request, ports: Ports) -> Response:
        """The answer to the directory's `/snapshot`: PUT gives one (durable when it is answered), GET asks for the newest."""
        if request.method == "GET":
            return Response(200, self.snapshot.to_json())
        raw, before = request.body or {}, self.version
        try:
            stranger, taken = self.is_strange(raw), self.take(raw, ports.now())
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            return error(400, "BadSnapshot", f"this is no snapshot: {type(wrong).__name__}: {wrong}")
        assert not (taken and stranger), "a stranger's snapshot is not taken"
        if taken and self.version > before:
            await ports.persist("replica:", raw)
        return Response(200, {"taken": taken, "version": self.version} | ({"stranger": True} if stranger else {}))

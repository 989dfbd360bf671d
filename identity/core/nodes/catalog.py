"""The directory's knowledge: identities, versions, signing keys, and the lines that it goes back to. Durable.

Every change has a version of its own. Versions are reserved on the disk in blocks before one is given out, so that no life
of the directory gives out a version that an earlier life gave out already. What was really *reached* is durable too: it is what
a later life goes back to. An older copy of the disk reached less than replicas know, and so is told from the disk itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from brownout.identity.core.planted import TOMBSTONES_LOST
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json, Jwk, Principal, SentSnapshot, SigningKey, Snapshot, StoreKey
from brownout.identity.core.replication.lines import begun, learned
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import MANAGEMENT, TOKEN, StackSpec

VERSIONS_AHEAD = 1000


class PublishedPart(Protocol):
    """What a vendor's annex of the directory publishes with each snapshot. A change of it takes `Catalog.next_version`."""

    def published(self, role: str) -> Json | None:
        """The part as nodes of that role are sent it, None for a role that is sent none; it never changes once given."""
        ...

    async def learn(self, lost: Json) -> None:
        """Takes over a part that was published before the directory's disk was lost or replaced by an older copy."""
        ...


class Catalog:
    """What one directory knows."""

    def __init__(self, stack: StackSpec, ports: Ports, seeded: tuple[Principal, ...] = ()) -> None:
        """`seeded` are what a directory begins with beside the specification's identities."""
        self._stack, self._ports, self._seeded = stack, ports, seeded
        self._forgets_deletions = TOMBSTONES_LOST in Settings.of(stack.settings).planted
        self.version = 1
        self._reserved = 0
        self._reached = 0  # by the lives before, as far as the disk knows
        self._announced = 0  # the newest version that is durably told as reached; an identity tells of its own
        self._began_at = 1  # the version at which this life began
        self.identities: Mapping[str, Principal] = {}
        self._indexed: Mapping[str, Principal] = {}  # the identities that `_by_resource` is of
        self._by_resource: dict[str, list[str]] = {}  # their object ids, in their order, by resource id in lower case
        self.key_set: Mapping[str, Jwk] = {}
        self.withdrawn: frozenset[str] = frozenset()  # ids of keys that are good and not published
        self.standby: Mapping[str, Jwk] = {}  # keys that are published beside our own
        self.rolled: SigningKey | None = None  # the key that signs in place of our own
        self.lines: tuple[str, ...] = ()
        self._signing: SigningKey | None = None
        self._learned: Json = {}  # from a replica, after the disk was lost
        self._sent: dict[str, SentSnapshot] = {}  # this version's snapshot by role
        self._parts: dict[str, PublishedPart] = {}  # by vendor
        self._told: dict[str, tuple[Principal, Json]] = {}  # each identity as the last snapshot had it, and its JSON form

    def take_up(self, kind: str, name: str, record: Json) -> None:
        """Takes up one durable record."""
        assert self.version == 1, "what an earlier life knew is taken up before a version is given out"
        if kind == "identity":
            known = Principal.from_json(record)
            if known.deleted and self._forgets_deletions:
                return
            assert known.identity.object_id == name, "an identity stands under its own id"
            self.identities = {**self.identities, name: known}
            self._reached = max(self._reached, known.version)
        elif kind == "lines":
            self.lines = tuple(str(line) for line in record["known"])
        elif kind == "learned":
            self._learned = record
        elif kind == "signing":
            self._signing = SigningKey.from_json(record)
        elif kind == "versions":
            self._reserved = int(record["reserved"])
            self._reached = max(self._reached, int(record["reached"]))

    def add_part(self, vendor: str, part: PublishedPart) -> None:
        """Publishes a vendor's part from the first snapshot on."""
        assert vendor not in self._parts, "a vendor publishes one part"
        self._parts[vendor] = part

    @property
    def signing(self) -> SigningKey:
        """The key that tokens are signed with."""
        assert self._signing is not None, "a directory that has started has a signing key"
        return self.rolled or self._signing

    async def start(self) -> None:
        """Completes what was taken up: the specification's identities, a version, a line, a signing key."""
        details = self._stack.details
        ours = (Principal(identity, details=details.get(identity.name, {})) for identity in self._stack.identities)
        first = (*ours, *self._seeded)
        seeded = {known.identity.object_id: replace(known, version=1) for known in first}
        since = int(self._learned.get("since", 0))  # what was changed later is newer than what was learned
        changed = {name: known for name, known in self.identities.items() if known.version > since}
        self.identities = {**seeded, **self.identities, **_principals(self._learned.get("identities", {})), **changed}
        self.version = self._began_at = max(self.version, self._reserved)
        await self._go_back_to(begun(self.lines, self._ports.new_id(), self._reached))
        await self._reach(self.version)
        if self._signing is None:
            key_id = f"signing-{self._ports.new_id()[:8]}"  # a name that no other life of ours gives to another key
            await self._sign_with(SigningKey(key_id, self._ports.signer.generate(key_id)))
        current = {self.signing.key_id: self._ports.signer.public(self.signing.key_id, self.signing.private)}
        self.key_set = {**self._learned.get("key_set", {}), **current}
        assert self.lines
        assert self.signing.key_id in self.key_set, "what we sign with can be verified"

    async def reserve(self) -> None:
        """Makes durable that the next version is reached. `next_version` right after this awaits nothing."""
        while self._announced <= self.version:  # others may have taken the one that was announced
            await self._reach(self.version + 1)

    async def _reach(self, version: int) -> None:
        """Makes durable that `version` is reached, and that those after it are ours, before any of them is given out."""
        self._reserved = max(self._reserved, version + VERSIONS_AHEAD)
        await self._ports.persist("versions:", {"reserved": self._reserved, "reached": version})
        self._announced = max(self._announced, version)

    async def next_version(self) -> None:
        """A version for a change that is no identity's, such as one of store keys."""
        await self.reserve()
        self._change(self.version + 1)

    async def publish_keys(
        self, *, withdrawn: frozenset[str], standby: Mapping[str, Jwk], rolled: SigningKey | None = None
    ) -> None:
        """From the next version on the public keys are published without some, and with others, of which one may sign."""
        await self.reserve()
        self.withdrawn, self.standby, self.rolled = withdrawn, standby, rolled
        assert rolled is None or rolled.key_id in standby, "what signs can be verified, unless it is withdrawn"
        self._change(self.version + 1)

    def _published_keys(self) -> dict[str, Jwk]:
        known = {**self.key_set, **self.standby}
        return {key_id: key for key_id, key in known.items() if key_id not in self.withdrawn}

    async def save(self, principal: Principal) -> Principal:
        """Makes the identity durable under the next version, and returns it with that version."""
        if self.version + VERSIONS_AHEAD // 2 > self._reserved:
            await self._reach(self.version)
        object_id = principal.identity.object_id
        durable = replace(principal, version=self.version + 1)
        await self._ports.persist(f"identity:{object_id}", durable.to_json())
        self._change(self.version + 1)
        made = replace(principal, version=self.version)
        before, self.identities = self.identities, {**self.identities, object_id: made}
        if object_id not in before and before is self._indexed:
            self._by_resource.setdefault(made.identity.resource_id.lower(), []).append(object_id)
            self._indexed = self.identities
        elif before is self._indexed and before[object_id].identity.resource_id == made.identity.resource_id:
            self._indexed = self.identities
        return made

    def _change(self, version: int) -> None:
        assert self.version < version <= self._reserved, "versions grow, and each is reserved before it is given out"
        self.version = version
        self._sent = {}

    async def take_over(self, lost: Sequence[Json]) -> None:
        """Goes on from the last of these snapshots that we lost, well ahead of replicas that did not answer.

        What was changed since our start is newer. Our own key stays good, for tokens may be signed with it by now.
        """
        newest = lost[-1]
        self.key_set = {**newest["key_set"], **self.key_set}
        self._learned = {"identities": newest["identities"], "key_set": self.key_set, "since": self._began_at}
        await self._ports.persist("learned:", self._learned)
        changed = {name: known for name, known in self.identities.items() if known.version > self._began_at}
        self.identities = {**self.identities, **_principals(newest["identities"]), **changed}
        version = max(self.version, int(newest["version"])) + VERSIONS_AHEAD
        await self._reach(version)
        self._change(version)
        await self._go_back_to(learned(self.lines, tuple(newest["lines"]), int(newest["version"])))
        signings = [each["signing"] for each in lost if each.get("signing")]
        if signings:
            await self._sign_with(SigningKey.from_json(signings[-1]))
        for vendor, part in self._parts.items():
            known = [each["parts"][vendor] for each in lost if vendor in (each.get("parts") or {})]
            if known:
                await part.learn(known[-1])
        self._sent = {}  # what a round sent meanwhile had not all of this

    async def _go_back_to(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        await self._ports.persist("lines:", {"known": list(lines)})

    async def _sign_with(self, signing: SigningKey) -> None:
        self._signing = signing
        await self._ports.persist("signing:current", signing.to_json())

    def alive(self) -> tuple[Principal, ...]:
        """Every identity that is not deleted."""
        return tuple(known for known in self.identities.values() if not known.deleted)

    def of_resource(self, resource_id: str) -> Principal | None:
        """The identity of a resource id in any case, the first of them that is not deleted; None where there is none."""
        if self._indexed is not self.identities:
            self._indexed, self._by_resource = self.identities, {}
            for object_id, known in self.identities.items():
                self._by_resource.setdefault(known.identity.resource_id.lower(), []).append(object_id)
        every = (self.identities[object_id] for object_id in self._by_resource.get(resource_id.lower(), ()))
        found = next((known for known in every if not known.deleted), None)
        assert found is None or found.identity.resource_id.lower() == resource_id.lower(), "the index is of these identities"
        return found

    def snapshot(self, role: str, store_keys: Mapping[str, StoreKey]) -> SentSnapshot:
        """The current version in its JSON form, as a role is sent it.

        All roles get the identities and public keys, token nodes the signing key, readers of stores the store keys. It is
        made once for a version and role, and never changes then: it may be on its way.
        """
        if role not in self._sent:
            own = Snapshot(
                self.version,
                {},
                self._published_keys(),
                self.lines,
                self.signing if role == TOKEN else None,
                store_keys if role in (TOKEN, MANAGEMENT) else None,
                self._parts_for(role),
            ).to_json()
            # Nearly all of it, so all roles share one.
            shared = next((sent["identities"] for sent in self._sent.values()), None)
            self._sent[role] = SentSnapshot(own, identities=shared or self._identities_told())
        assert self._sent[role]["version"] == self.version, "a snapshot is of the version that it names"
        return self._sent[role]

    def _parts_for(self, role: str) -> dict[str, Json]:
        made = {vendor: part.published(role) for vendor, part in self._parts.items()}
        return {vendor: part for vendor, part in made.items() if part is not None}

    def _identities_told(self) -> dict[str, Json]:
        """The JSON form of every identity; those that have not changed since the last snapshot are not made again."""
        before = self._told
        self._told = {
            name: before[name] if name in before and before[name][0] is known else (known, known.to_json())
            for name, known in self.identities.items()
        }
        return {name: told for name, (_, told) in self._told.items()}


def _principals(known: Json) -> dict[str, Principal]:
    """Identities by object id, from their JSON form."""
    return {name: Principal.from_json(each) for name, each in known.items()}

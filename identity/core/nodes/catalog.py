"""The directory's knowledge: identities, versions, signing keys, and the lines that it goes back to. Durable.

Every change has a version of its own. Versions are reserved on the disk in blocks before one is given out, so that no life
of the directory gives out a version that an earlier life gave out already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json, Jwk, Principal, SigningKey, Snapshot, StoreKey
from brownout.identity.core.topology import MANAGEMENT, TOKEN, StackSpec

VERSIONS_AHEAD = 1000


class Catalog:
    """What one directory knows."""

    def __init__(self, stack: StackSpec, ports: Ports) -> None:
        self._stack, self._ports = stack, ports
        self.version = 1
        self._reserved = 0
        self.identities: Mapping[str, Principal] = {}
        self.key_set: Mapping[str, Jwk] = {}
        self.lines: tuple[str, ...] = ()
        self._signing: SigningKey | None = None
        self._learned: Json = {}  # from a replica, after the disk was lost
        self._sent: dict[str, dict[str, Any]] = {}  # this version's snapshot by role
        self._told: dict[str, tuple[Principal, Json]] = {}  # each identity as the last snapshot had it, and its JSON form

    def take_up(self, kind: str, name: str, record: Json) -> None:
        """Takes up one durable record."""
        assert self.version == 1, "what an earlier life knew is taken up before a version is given out"
        if kind == "identity":
            known = Principal.from_json(record)
            assert known.identity.object_id == name, "an identity stands under its own id"
            self.identities = {**self.identities, name: known}
        elif kind == "lines":
            self.lines = tuple(str(line) for line in record["known"])
        elif kind == "learned":
            self._learned = record
        elif kind == "signing":
            self._signing = SigningKey.from_json(record)
        elif kind == "versions":
            self._reserved = int(record["reserved"])

    @property
    def signing(self) -> SigningKey:
        """The key that tokens are signed with."""
        assert self._signing is not None, "a directory that has started has a signing key"
        return self._signing

    async def start(self) -> None:
        """Completes what was taken up: the specification's identities, a version, a line, a signing key."""
        seeded = {identity.object_id: Principal(identity, 1) for identity in self._stack.identities}
        learned = {name: Principal.from_json(known) for name, known in self._learned.get("identities", {}).items()}
        self.identities = {**seeded, **learned, **self.identities}
        self.version = max(self.version, self._reserved)
        await self.reserve()
        if not self.lines:
            await self._go_back_to((self._ports.new_id(),))
        if self._signing is None:
            key_id = f"signing-{self._ports.new_id()[:8]}"  # a name that no other life of ours gives to another key
            await self._sign_with(SigningKey(key_id, self._ports.signer.generate(key_id)))
        current = {self.signing.key_id: self._ports.signer.public(self.signing.key_id, self.signing.private)}
        self.key_set = {**self._learned.get("key_set", {}), **current}
        assert self.lines
        assert self.signing.key_id in self.key_set, "what we sign with can be verified"

    async def reserve(self) -> None:
        """Makes sure that the next versions are ours, before any of them is given out."""
        if self.version + VERSIONS_AHEAD // 2 > self._reserved:
            self._reserved = self.version + VERSIONS_AHEAD
            await self._ports.persist("versions:", {"reserved": self._reserved})
        assert self.version < self._reserved, "a version is reserved before it is given out"

    async def next_version(self) -> None:
        """A version for a change that is no identity's, such as one of store keys."""
        await self.reserve()
        self._change(self.version + 1)

    async def save(self, principal: Principal) -> Principal:
        """Makes the identity durable under the next version, and returns it with that version."""
        await self.reserve()
        object_id = principal.identity.object_id
        durable = replace(principal, version=self.version + 1)
        await self._ports.persist(f"identity:{object_id}", durable.to_json())
        self._change(self.version + 1)
        made = replace(principal, version=self.version)
        self.identities = {**self.identities, object_id: made}
        return made

    def _change(self, version: int) -> None:
        assert version > self.version, "versions grow"
        self.version = version
        self._sent = {}

    async def take_over(self, lost: Sequence[Json]) -> None:
        """Goes on from the last of these snapshots of our lost disks, well ahead of replicas that did not answer.

        What was changed since our start is newer. Our own key stays good, for tokens may be signed with it by now.
        """
        newest = lost[-1]
        self.key_set = {**newest["key_set"], **self.key_set}
        self._learned = {"identities": newest["identities"], "key_set": self.key_set}
        await self._ports.persist("learned:", self._learned)
        learned = {name: Principal.from_json(known) for name, known in newest["identities"].items()}
        changed = {name: known for name, known in self.identities.items() if known.version > 1}
        self.identities = {**self.identities, **learned, **changed}
        self._change(max(self.version, int(newest["version"])) + VERSIONS_AHEAD)
        await self.reserve()
        await self._go_back_to((*self.lines, *newest["lines"]))
        signings = [each["signing"] for each in lost if each.get("signing")]
        if signings:
            await self._sign_with(SigningKey.from_json(signings[-1]))
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

    def snapshot(self, role: str, store_keys: Mapping[str, StoreKey]) -> dict[str, Any]:
        """The current version in its JSON form, as a role is sent it.

        All roles get the identities and public keys, token nodes the signing key, readers of stores the store keys. It is
        made once for a version and role, and never changes then: it may be on its way.
        """
        if role not in self._sent:
            own = Snapshot(
                self.version,
                {},
                self.key_set,
                self.lines,
                self.signing if role == TOKEN else None,
                store_keys if role in (TOKEN, MANAGEMENT) else None,
            ).to_json()
            # Nearly all of it, so all roles share one.
            shared = next((sent["identities"] for sent in self._sent.values()), None)
            self._sent[role] = own | {"identities": shared or self._identities_told()}
        assert self._sent[role]["version"] == self.version, "a snapshot is of the version that it names"
        return self._sent[role]

    def _identities_told(self) -> dict[str, Json]:
        """The JSON form of every identity; those that have not changed since the last snapshot are not made again."""
        before = self._told
        self._told = {
            name: before[name] if name in before and before[name][0] is known else (known, known.to_json())
            for name, known in self.identities.items()
        }
        return {name: told for name, (_, told) in self._told.items()}

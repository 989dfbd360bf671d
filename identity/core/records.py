"""Records: what nodes know, keep on their disks and send to each other, as values.

Each record has one JSON form, given by `to_json` and read by `from_json`: the form on the disk and between nodes. Nothing
else in the core looks into such JSON. `from_json` raises KeyError, TypeError or ValueError for what is no such record, and
ignores keys that it does not know, so that a newer node's records can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

Json = Mapping[str, Any]  # a document of any content, read by who knows which
Jwk = Mapping[str, Any]  # a JSON Web Key, made and read by signers alone
JwtClaims = Mapping[str, Any]  # what a JWT says: each issuer has its own

KINDS: frozenset[str] = frozenset({"system", "user"})  # of identities
MANUAL, MANAGED = "manual", "managed"


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity. `kind` is `system` for one that lives and dies with its machine, else `user`."""

    name: str
    kind: str
    home_region: str
    object_id: str
    client_id: str
    resource_id: str

    @property
    def is_system(self) -> bool:
        return self.kind == "system"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "home_region": self.home_region,
            "object_id": self.object_id,
            "client_id": self.client_id,
            "resource_id": self.resource_id,
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(
            str(raw["name"]),
            str(raw["kind"]),
            str(raw["home_region"]),
            str(raw["object_id"]),
            str(raw.get("client_id", "")),
            str(raw["resource_id"]),
        )


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """An identity with its metadata, as its home region's store keeps it.

    `assigned` lists, in lower case, the resource ids of machines that may use it. `details` is a vendor's own, which the
    core carries and does not read. A deleted record stays as a tombstone.
    """

    identity: Identity
    tags: Json = field(default_factory=dict)
    assigned: tuple[str, ...] = ()
    deleted: bool = False
    details: Json = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        known = self.identity.to_json() | {"tags": dict(self.tags), "assigned": list(self.assigned)}
        if self.details:
            known["details"] = dict(self.details)
        return known | {"deleted": True} if self.deleted else known

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        assigned = tuple(str(machine) for machine in raw.get("assigned") or ())
        tags, details = raw.get("tags") or {}, raw.get("details") or {}
        return cls(Identity.from_json(raw), tags, assigned, bool(raw.get("deleted")), details)


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity as the directory publishes it, with the version of its last change (0: not published yet).

    `tags` and `assigned` came to the directory with the identity, None where they did not come. It gives them back to a
    store that has lost the identity; where the store has its own, those are newer. `details` is a
    vendor's own, which the core carries and does not read.
    """

    identity: Identity
    version: int = 0
    deleted: bool = False
    tags: Json | None = None
    assigned: tuple[str, ...] | None = None
    details: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.version >= 0, self

    def to_json(self) -> dict[str, Any]:
        return self.content() | {"deleted": self.deleted, "version": self.version}

    def content(self) -> dict[str, Any]:
        """The JSON form without what the directory adds: what is written to stores and to the directory."""
        found = self.identity.to_json()
        if self.tags is not None:
            found["tags"] = dict(self.tags)
        if self.assigned is not None:
            found["assigned"] = list(self.assigned)
        if self.details:
            found["details"] = dict(self.details)
        return found

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        assigned = raw.get("assigned")
        return cls(
            Identity.from_json(raw),
            int(raw.get("version", 0)),
            bool(raw.get("deleted")),
            raw.get("tags"),
            None if assigned is None else tuple(str(machine) for machine in assigned),
            raw.get("details") or {},
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, or with `scale_set` the pattern of all machines `name_<digits>`.

    `resource_id` is what identities are assigned to: the machine's own, or its scale set's. `scope` is what the name is unique
    within. `address` is what its host calls it (brownout.identity.core.residents), "" anywhere else. `details` is a vendor's
    own, which the core carries and does not read.
    """

    name: str
    zone: str
    resource_id: str
    identities: tuple[Identity, ...] = ()
    scale_set: bool = False
    scope: str = ""
    address: str = ""
    details: Json = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The resource id for comparisons, which do not regard case."""
        return self.resource_id.lower()

    def with_identities(self, identities: tuple[Identity, ...]) -> Machine:
        return replace(self, identities=identities)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "zone": self.zone,
            "arm_id": self.resource_id,
            "identities": [identity.to_json() for identity in self.identities],
            "scale_set": self.scale_set,
            "scope": self.scope,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        identities = tuple(Identity.from_json(item) for item in raw["identities"])
        names = str(raw["name"]), str(raw["zone"]), str(raw["arm_id"])
        scope, details = str(raw.get("scope", "")), raw.get("details") or {}
        return cls(*names, identities, bool(raw.get("scale_set")), scope, details=details)


@dataclass(frozen=True, slots=True)
class StoreKey:
    """A secret that signs requests to `region`'s store. `kind` is `manual` or `managed`."""

    region: str
    key_id: str
    kind: str
    secret: str

    def to_json(self) -> dict[str, Any]:
        return {"region": self.region, "key_id": self.key_id, "kind": self.kind, "secret": self.secret}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(str(raw["region"]), str(raw["key_id"]), str(raw["kind"]), str(raw["secret"]))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that tokens are signed with; `private` is text that only signers understand."""

    key_id: str
    private: str

    def to_json(self) -> dict[str, Any]:
        return {"key_id": self.key_id, "private": self.private}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(str(raw["key_id"]), str(raw["private"]))


NONE_KNOWN: Mapping[str, Principal] = {}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the directory publishes at one version.

    `key_set` has the public keys that verify tokens by key id. `lines` names the lives that the directory's knowledge goes
    back to (brownout.identity.core.replication.lines). `signing` and `store_keys` (by region) come to some roles only and are
    None for the others. `parts` is what a vendor publishes of its own to some roles, by vendor: the core carries it and does
    not read it.
    """

    version: int
    identities: Mapping[str, Principal]
    key_set: Mapping[str, Jwk]
    lines: tuple[str, ...] = ()
    signing: SigningKey | None = None
    store_keys: Mapping[str, StoreKey] | None = None
    parts: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "version": self.version,
            "identities": {object_id: known.to_json() for object_id, known in self.identities.items()},
            "key_set": dict(self.key_set),
            "lines": list(self.lines),
        }
        if self.signing is not None:
            found["signing"] = self.signing.to_json()
        if self.store_keys is not None:
            found["store_keys"] = keys_to_json(self.store_keys)
        if self.parts:
            found["parts"] = dict(self.parts)
        return found

    @classmethod
    def from_json(cls, raw: Json, known: Mapping[str, Principal] = NONE_KNOWN) -> Self:
        """The snapshot in `raw`. Of `known`, those that have not changed since are taken over instead of read again.

        They have to be of the same line as the snapshot: only there one version of an identity has one content.
        """
        signing, store_keys = raw.get("signing"), raw.get("store_keys")
        identities: dict[str, Principal] = {}
        for object_id, item in raw["identities"].items():
            principal = known.get(object_id)
            if principal is None or principal.version != item.get("version"):
                principal = Principal.from_json(item)
            identities[str(object_id)] = principal
        return cls(
            int(raw["version"]),
            identities,
            dict(raw["key_set"]),
            lines_of(raw),
            SigningKey.from_json(signing) if signing else None,
            None if store_keys is None else keys_from_json(store_keys),
            dict(raw.get("parts") or {}),
        )


NOTHING = Snapshot(0, {}, {})  # what a replica holds before its first snapshot


class SentSnapshot(dict[str, Any]):
    """A snapshot in its JSON form, which does not change. Replicas in one process are sent one object, and it is read once."""

    _read: Snapshot | None = None

    def read(self, known: Mapping[str, Principal]) -> Snapshot:
        """`Snapshot.from_json`."""
        if self._read is None:
            self._read = Snapshot.from_json(self, known)
        assert self._read.version == self["version"], "what was sent does not change"
        return self._read


def lines_of(snapshot: Json) -> tuple[str, ...]:
    """The lines of a snapshot in its JSON form."""
    return tuple(str(line) for line in snapshot.get("lines") or ())


def keys_to_json(keys: Mapping[str, StoreKey]) -> dict[str, Any]:
    return {region: key.to_json() for region, key in keys.items()}


def keys_from_json(raw: Json) -> dict[str, StoreKey]:
    return {str(region): StoreKey.from_json(key) for region, key in raw.items()}


class TokenRequest(NamedTuple):
    """What a host asks a token node for.

    `machine` is the resource id that the identity must be assigned to, `holder` the name of the one machine that gets the
    token. `issued_s` asks for a token that was issued then, instead of a new one. With `bypass` no cache may answer.
    """

    object_id: str
    home_region: str
    machine: str
    holder: str
    resource: str
    issued_s: float | None = None
    bypass: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What two requests share that get the same token."""
        return (self.object_id, self.holder, self.resource)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "object_id": self.object_id,
            "home_region": self.home_region,
            "host_machine": self.holder,
            "machine": self.machine,
            "resource": self.resource,
        }
        if self.issued_s is not None:
            found["issued_s"] = self.issued_s
        return found | {"bypass": True} if self.bypass else found

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        issued_s = raw.get("issued_s")
        return cls(
            str(raw["object_id"]),
            str(raw["home_region"]),
            str(raw["machine"]),
            str(raw["host_machine"]),
            str(raw["resource"]),
            None if issued_s is None else float(issued_s),
            bool(raw.get("bypass", False)),
        )


class CachedToken(NamedTuple):
    """A token with its life in emulated epoch seconds."""

    token: str
    client_id: str
    issued_s: float
    expires_s: float

    def to_json(self) -> dict[str, Any]:
        return {
            "token": self.token,
            "client_id": self.client_id,
            "issued_s": self.issued_s,
            "expires_s": self.expires_s,
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(str(raw["token"]), str(raw["client_id"]), float(raw["issued_s"]), float(raw["expires_s"]))

"""Secrets as a region keeps them: versions of a value, with labels that say which is current.

A label (`AWSCURRENT`, `AWSPREVIOUS`, or one of the client's) is on one version at a time. A version without a label is
deprecated and may be dropped. Wire facts: docs/reference/aws-wire.md#secrets.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from brownout.identity.core.records import Json

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
MOST_VERSIONS = 100  # with labels or without


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One value: a text or bytes, the other is None; both are None in a secret that was made without a value."""

    version_id: str
    created_s: float
    text: str | None = field(default=None, repr=False)
    binary: bytes | None = field(default=None, repr=False)
    stages: tuple[str, ...] = ()

    def has_value_of(self, other: SecretVersion) -> bool:
        return (self.text, self.binary) == (other.text, other.binary)

    def to_json(self) -> dict[str, Any]:
        binary = None if self.binary is None else base64.b64encode(self.binary).decode()
        value = {"text": self.text, "binary": binary, "stages": list(self.stages)}
        return {"version_id": self.version_id, "created_s": self.created_s} | value

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        text, binary = raw.get("text"), raw.get("binary")
        return cls(
            str(raw["version_id"]),
            float(raw["created_s"]),
            None if text is None else str(text),
            None if binary is None else base64.b64decode(str(binary)),
            tuple(str(stage) for stage in raw["stages"]),
        )


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret. `deleted_s` and `ends_s` are when its deletion was asked for and when it ends, None for a living one.

    `policy` is the document of its resource-based policy, with the ids of users and roles for their ARNs, "" for none.
    """

    name: str
    arn: str
    created_s: float
    changed_s: float
    versions: tuple[SecretVersion, ...] = ()
    description: str = ""
    kms_key_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    deleted_s: float | None = None
    ends_s: float | None = None
    policy: str = ""

    @property
    def is_deleted(self) -> bool:
        return self.deleted_s is not None

    @property
    def labelled(self) -> tuple[SecretVersion, ...]:
        """The versions that have a label."""
        return tuple(version for version in self.versions if version.stages)

    def version(self, version_id: str = "", stage: str = "") -> SecretVersion | None:
        """The version of that id and with that label, each where it is given; the current one where neither is."""
        wanted = stage or ("" if version_id else CURRENT)
        for version in self.versions:
            if version_id in ("", version.version_id) and (not wanted or wanted in version.stages):
                return version
        return None

    def with_version(self, new: SecretVersion, stages: tuple[str, ...]) -> StoredSecret:
        """The secret with one version more, which takes those labels from the versions that had them."""
        assert self.version(version_id=new.version_id) is None, "an id is a version's own"
        kept = self.versions
        if len(kept) >= MOST_VERSIONS:
            kept = tuple(version for version in kept if version.stages)
        found = replace(self, versions=(*kept, replace(new, stages=())), changed_s=new.created_s)
        for stage in stages:
            found = found.with_stage(stage, new.version_id)
        return found

    def with_stage(self, stage: str, version_id: str) -> StoredSecret:
        """The secret with a label moved to a version; the current one before becomes the previous one. "" takes it away."""
        before = self.version(stage=stage)
        moves = {stage: version_id}
        if stage == CURRENT and before is not None and before.version_id != version_id:
            moves[PREVIOUS] = before.version_id
        versions = tuple(replace(version, stages=_stages(version, moves)) for version in self.versions)
        return replace(self, versions=versions)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "arn": self.arn,
            "created_s": self.created_s,
            "changed_s": self.changed_s,
            "versions": [version.to_json() for version in self.versions],
            "description": self.description,
            "kms_key_id": self.kms_key_id,
            "tags": dict(self.tags),
            "deleted_s": self.deleted_s,
            "ends_s": self.ends_s,
            "policy": self.policy,
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        deleted_s, ends_s = raw.get("deleted_s"), raw.get("ends_s")
        return cls(
            str(raw["name"]),
            str(raw["arn"]),
            float(raw["created_s"]),
            float(raw["changed_s"]),
            tuple(SecretVersion.from_json(version) for version in raw["versions"]),
            str(raw["description"]),
            str(raw["kms_key_id"]),
            {str(key): str(value) for key, value in raw["tags"].items()},
            None if deleted_s is None else float(deleted_s),
            None if ends_s is None else float(ends_s),
            str(raw.get("policy", "")),
        )


def _stages(version: SecretVersion, moves: Mapping[str, str]) -> tuple[str, ...]:
    """A version's labels after each label of `moves` went to the version of that id."""
    kept = tuple(stage for stage in version.stages if stage not in moves)
    return (*kept, *(stage for stage, version_id in moves.items() if version_id == version.version_id))

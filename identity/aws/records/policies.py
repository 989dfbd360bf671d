"""Managed policies of the account with their versions. Those of AWS are in brownout.identity.aws.policy.managed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from brownout.identity.aws.records.record import AccountRecord


@dataclass(frozen=True, slots=True)
class PolicyVersion(AccountRecord):
    """One version of a managed policy: `v1`, `v2`, ..."""

    version_id: str
    document: str
    created_s: float

    @property
    def table_key(self) -> str:
        return self.version_id


@dataclass(frozen=True, slots=True)
class ManagedPolicy(AccountRecord):
    """A managed policy, known by its ARN. `versions` are oldest first; `last_number` is that of the newest ever made."""

    KIND: ClassVar[str] = "policy"

    name: str
    policy_id: str
    arn: str
    created_s: float
    updated_s: float
    versions: tuple[PolicyVersion, ...]
    default_version: str = "v1"
    last_number: int = 1
    path: str = "/"
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def table_key(self) -> str:
        return self.arn

    @property
    def document(self) -> str:
        """The document of the default version, which is the one in force."""
        return next(version.document for version in self.versions if version.version_id == self.default_version)


@dataclass(frozen=True, slots=True)
class PolicyUse(AccountRecord):
    """How often a managed policy, AWS's own included, is attached and is a boundary."""

    KIND: ClassVar[str] = "policy-use"

    arn: str
    attached: int = 0
    as_boundary: int = 0

    @property
    def table_key(self) -> str:
        return self.arn

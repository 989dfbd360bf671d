"""Secrets of one vault as values: every version of each, and what a deletion leaves until it is purged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from brownout.identity.formed import FormedRecord

RETENTION_DAYS = 90
RETENTION_S = RETENTION_DAYS * 86_400.0
RECOVERY_LEVEL = "Recoverable+Purgeable"


@dataclass(frozen=True, slots=True)
class SecretEdition(FormedRecord):
    """One version of a secret. `starts_s` and `ends_s` are told to clients and refuse none, as at the real service."""

    version: str
    value: str
    created_s: float
    updated_s: float
    enabled: bool = True
    starts_s: float | None = None
    ends_s: float | None = None
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VaultSecret(FormedRecord):
    """A secret with its versions, the newest last. While `deleted_s` is set it can be recovered or purged, and no more."""

    name: str
    editions: tuple[SecretEdition, ...]
    deleted_s: float | None = None

    @property
    def newest(self) -> SecretEdition:
        return self.editions[-1]

    @property
    def purge_s(self) -> float:
        """When a deleted secret ends by itself."""
        assert self.deleted_s is not None, "only what was deleted is purged"
        return self.deleted_s + RETENTION_S

    def edition(self, version: str) -> SecretEdition | None:
        """The version of that id, the newest for ""."""
        if not version:
            return self.newest
        return next((each for each in self.editions if each.version == version.lower()), None)

    def with_edition(self, edition: SecretEdition) -> VaultSecret:
        """With a new version, or a changed one in its place."""
        known = [edition if each.version == edition.version else each for each in self.editions]
        return replace(self, editions=tuple(known) if edition in known else (*known, edition))

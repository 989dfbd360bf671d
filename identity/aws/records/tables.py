"""All records of an account, a table for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from brownout.identity.aws.records import credentials, policies, principals, providers, reports, settings
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.table import RecordTable

R = TypeVar("R", bound=AccountRecord)
RecordKind = type[AccountRecord]
Changes = Mapping[RecordKind, Mapping[str, AccountRecord | None]]

KINDS: tuple[RecordKind, ...] = (
    principals.User,
    principals.Group,
    principals.Role,
    principals.InstanceProfile,
    principals.LastUsed,
    policies.ManagedPolicy,
    policies.PolicyUse,
    providers.OidcProvider,
    providers.SamlProvider,
    credentials.AccessKey,
    credentials.LoginProfile,
    credentials.MfaDevice,
    credentials.SshPublicKey,
    credentials.SigningCertificate,
    credentials.ServerCertificate,
    credentials.ServiceCredential,
    credentials.Secret,
    settings.AccountSettings,
    settings.SealingKey,
    reports.CredentialReport,
    reports.AccessJob,
)
BY_NAME: Mapping[str, RecordKind] = {kind.KIND: kind for kind in KINDS}


class Tables:
    """An account's records. A value: `with_changes` makes another that shares what did not change."""

    def __init__(self, by_kind: Mapping[RecordKind, RecordTable[Any]]) -> None:
        self._by_kind = by_kind

    @classmethod
    def of(cls, records: Iterable[AccountRecord]) -> Tables:
        sorted_out: dict[RecordKind, list[AccountRecord]] = {}
        for record in records:
            sorted_out.setdefault(type(record), []).append(record)
        return cls({kind: RecordTable.of(found) for kind, found in sorted_out.items()})

    def table(self, kind: type[R]) -> RecordTable[R]:
        """The records of one kind by key."""
        return self._by_kind.get(kind) or _EMPTY

    def with_changes(self, changes: Changes) -> Tables:
        """The tables after each key of each kind got that record, or none at all."""
        changed = {kind: self.table(kind).with_changes(of_kind) for kind, of_kind in changes.items()}
        return Tables({**self._by_kind, **changed})

    def only(self, kinds: Iterable[RecordKind]) -> Tables:
        """The tables of these kinds alone."""
        return Tables({kind: self._by_kind[kind] for kind in kinds if kind in self._by_kind})

    def __iter__(self) -> Any:
        return iter(self._by_kind.items())


_EMPTY: RecordTable[Any] = RecordTable()

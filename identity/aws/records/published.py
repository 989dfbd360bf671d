"""What a region is sent of the account: all that authentication and authorization need there, and no long-term secret.

A region verifies signatures with keys that the directory derived from the secret for that region and single days
(docs/reference/aws-wire.md#signing-keys-of-a-region): they are of no use in another region, and the secret cannot be found
from them. Passwords come as slow hashes made for the region. Seeds of MFA devices that are in use do come, for a code cannot
be checked without.

An account has one JSON form, which nodes keep on their disks and send. Inside one process the account itself travels in it
(`AccountJson.account`), so nothing is encoded there, and replicas of one region share one account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from brownout.identity.aws.records.credentials import ACTIVE, MfaDevice
from brownout.identity.aws.records.policies import ManagedPolicy
from brownout.identity.aws.records.principals import Group, InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider, SamlProvider
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.settings import AccountSettings, SealingKey
from brownout.identity.aws.records.table import RecordTable
from brownout.identity.aws.records.tables import RecordKind, Tables
from brownout.identity.core.records import Json


@dataclass(frozen=True, slots=True)
class PublishedKey(AccountRecord):
    """A long-term access key as one region knows it.

    `region_keys` are keys by the region of a signature's scope (`ap-southeast-2`, `us-east-1`): of consecutive days, 32 bytes
    each, the first for `first_day` (days since 1970-01-01).
    """

    KIND: ClassVar[str] = "published-key"

    access_key_id: str
    user_name: str
    first_day: int
    region_keys: Mapping[str, bytes] = field(repr=False)
    status: str = ACTIVE
    created_s: float = 0.0

    @property
    def table_key(self) -> str:
        return self.access_key_id


@dataclass(frozen=True, slots=True)
class PublishedLogin(AccountRecord):
    """A user's password as one region checks it: PBKDF2 with SHA-256 over `salt`, which no other region has."""

    KIND: ClassVar[str] = "published-login"

    user_name: str
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    iterations: int
    reset_required: bool = False
    changed_s: float = 0.0

    @property
    def table_key(self) -> str:
        return self.user_name.lower()


@dataclass(frozen=True, slots=True)
class MfaSeed(AccountRecord):
    """The seed of an MFA device that is in use."""

    KIND: ClassVar[str] = "mfa-seed"

    serial_number: str
    seed: bytes = field(repr=False)

    @property
    def table_key(self) -> str:
        return self.serial_number


PUBLISHED: tuple[RecordKind, ...] = (
    User,
    Group,
    Role,
    InstanceProfile,
    ManagedPolicy,
    OidcProvider,
    SamlProvider,
    MfaDevice,
    AccountSettings,
    SealingKey,
    PublishedKey,
    PublishedLogin,
    MfaSeed,
)


@dataclass(frozen=True, slots=True)
class PublishedAccount:
    """The account as one region is sent it. `lines` are the disks of the directory that its content goes back to."""

    account_id: str
    region: str
    version: int
    lines: tuple[str, ...]
    tables: Tables

    @property
    def users(self) -> RecordTable[User]:
        """By name in lower case, as groups, roles and instance profiles are."""
        return self.tables.table(User)

    @property
    def groups(self) -> RecordTable[Group]:
        return self.tables.table(Group)

    @property
    def roles(self) -> RecordTable[Role]:
        return self.tables.table(Role)

    @property
    def instance_profiles(self) -> RecordTable[InstanceProfile]:
        return self.tables.table(InstanceProfile)

    @property
    def policies(self) -> RecordTable[ManagedPolicy]:
        """The account's own managed policies by ARN."""
        return self.tables.table(ManagedPolicy)

    @property
    def oidc_providers(self) -> RecordTable[OidcProvider]:
        return self.tables.table(OidcProvider)

    @property
    def saml_providers(self) -> RecordTable[SamlProvider]:
        return self.tables.table(SamlProvider)

    @property
    def access_keys(self) -> RecordTable[PublishedKey]:
        return self.tables.table(PublishedKey)

    @property
    def logins(self) -> RecordTable[PublishedLogin]:
        """By user name in lower case."""
        return self.tables.table(PublishedLogin)

    @property
    def mfa_devices(self) -> RecordTable[MfaDevice]:
        """By serial number, as their seeds are."""
        return self.tables.table(MfaDevice)

    @property
    def mfa_seeds(self) -> RecordTable[MfaSeed]:
        return self.tables.table(MfaSeed)

    @property
    def sealing_keys(self) -> RecordTable[SealingKey]:
        return self.tables.table(SealingKey)

    def access_key(self, access_key_id: str) -> PublishedKey | None:
        return self.access_keys.get(access_key_id)

    def sealing_key(self, key_id: str) -> SealingKey | None:
        return self.sealing_keys.get(key_id)

    def user(self, user_name: str) -> User | None:
        """The user of that name, in whatever case."""
        return self.users.get(user_name.lower())

    @property
    def settings(self) -> AccountSettings:
        return self.tables.table(AccountSettings).get("", DEFAULT_SETTINGS)

    def to_json(self) -> AccountJson:
        return AccountJson(self)

    @classmethod
    def from_json(cls, raw: Json) -> PublishedAccount:
        """The account with that form; raises KeyError, TypeError or ValueError for what is none."""
        if isinstance(raw, AccountJson):
            return raw.account
        tables = {kind: RecordTable.of(map(kind.from_json, raw["records"].get(kind.KIND, ()))) for kind in PUBLISHED}
        lines = tuple(str(line) for line in raw["lines"])
        return cls(str(raw["account_id"]), str(raw["region"]), int(raw["version"]), lines, Tables(tables))


class AccountJson(Mapping[str, Any]):
    """The JSON form of an account, which is made when it is first looked into."""

    def __init__(self, account: PublishedAccount) -> None:
        self.account = account

    @cached_property
    def _made(self) -> dict[str, Any]:
        known = self.account
        return {
            "account_id": known.account_id,
            "region": known.region,
            "version": known.version,
            "lines": list(known.lines),
            "records": {kind.KIND: known.tables.table(kind).to_json() for kind in PUBLISHED},
        }

    def __getitem__(self, name: str) -> Any:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


DEFAULT_SETTINGS = AccountSettings()

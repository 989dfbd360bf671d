"""What a region is sent of the account: all that authentication and authorization need there, and no long-term secret.

A region verifies signatures with keys that the directory derived from the secret for that region and single days
(docs/reference/aws-wire.md#signing-keys): they are of no use in another region, and the secret cannot be found
from them. Passwords come as slow hashes made for the region. Seeds of MFA devices that are in use do come, for a code cannot
be checked without.

An account has one JSON form, which nodes keep on their disks and send. Inside one process the account itself travels in it
(`JsonForm.value`), so nothing is encoded there, and replicas of one region share one account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from brownout.identity.aws.records.credentials import ACTIVE, MfaDevice
from brownout.identity.aws.records.policies import ManagedPolicy
from brownout.identity.aws.records.principals import Group, InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider, SamlProvider
from brownout.identity.aws.records.record import AccountRecord, JsonForm
from brownout.identity.aws.records.settings import AccountSettings, SealingKey
from brownout.identity.aws.records.table import RecordTable
from brownout.identity.aws.records.tables import RecordKind, Tables
from brownout.identity.core.records import Json


@dataclass(frozen=True, slots=True)
class PublishedKey(AccountRecord):
    """A long-term access key as one region knows it.

    `region_keys` are keys by the region of a signature's scope (`ap-southeast-2`, `us-east-1`): of consecutive days, 32 bytes
    each, the first for `first_day` (days since 1970-01-01). `client_keys` are the same for days of the machine's clock, from
    `client_first_day` on, where real clients go by that. A fault has taken a `revoked` one away, whatever its status.
    """

    KIND: ClassVar[str] = "published-key"

    access_key_id: str
    user_name: str
    first_day: int
    region_keys: Mapping[str, bytes] = field(repr=False)
    status: str = ACTIVE
    created_s: float = 0.0
    revoked: bool = False
    client_first_day: int = 0
    client_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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


@dataclass(frozen=True, slots=True)
class RegionalLogin(AccountRecord):
    """What one region is sent of a password: the directory keeps this and not the password."""

    KIND: ClassVar[str] = "regional-login"

    region: str
    login: PublishedLogin

    @property
    def table_key(self) -> str:
        return f"{self.region}/{self.login.table_key}"


@dataclass(frozen=True, slots=True)
class LearnedKey(AccountRecord):
    """An access key as a replica of one region had it, whose secret was lost with a disk of the directory."""

    KIND: ClassVar[str] = "learned-key"

    region: str
    published: PublishedKey

    @property
    def table_key(self) -> str:
        return f"{self.region}/{self.published.table_key}"


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
    """The account as one region is sent it. `lines` are the lives of the directory that its content goes back to."""

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

    def to_json(self) -> JsonForm[PublishedAccount]:
        return JsonForm(self, PublishedAccount._json)

    def _json(self) -> dict[str, Any]:
        return {
            "account_id": self.account_id,
            "region": self.region,
            "version": self.version,
            "lines": list(self.lines),
            "records": JsonForm(self.tables, _records),
        }

    @classmethod
    def from_json(cls, raw: Json) -> PublishedAccount:
        """The account with that form; raises KeyError, TypeError or ValueError for what is none."""
        if isinstance(raw, JsonForm) and isinstance(raw.value, cls):
            return raw.value
        tables = {kind: RecordTable.of(map(kind.from_json, raw["records"].get(kind.KIND, ()))) for kind in PUBLISHED}
        lines = tuple(str(line) for line in raw["lines"])
        return cls(str(raw["account_id"]), str(raw["region"]), int(raw["version"]), lines, Tables(tables))


def _records(tables: Tables) -> dict[str, Any]:
    return {kind.KIND: tables.table(kind).to_json() for kind in PUBLISHED}


DEFAULT_SETTINGS = AccountSettings()

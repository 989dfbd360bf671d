"""What holds for the account as a whole: its settings, and the keys that session tokens are sealed with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from brownout.identity.aws.records.record import AccountRecord


@dataclass(frozen=True, slots=True)
class PasswordPolicy(AccountRecord):
    """What passwords of the account must be. `reuse_prevention` and `max_age_days` are 0 where there is no such rule."""

    minimum_length: int = 6
    require_symbols: bool = False
    require_numbers: bool = False
    require_uppercase: bool = False
    require_lowercase: bool = False
    users_may_change: bool = False
    max_age_days: int = 0
    reuse_prevention: int = 0
    hard_expiry: bool = False

    @property
    def table_key(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class AccountSettings(AccountRecord):
    """The account's own settings: one record, under the key "".

    `global_token_version` is what the global endpoint of STS issues (1 or 2); `key_first_day` is the first day, counted from
    1970-01-01, of the signing keys that regions are sent, `client_first_day` the same by the machine's clock, 0 where that
    does not count.
    """

    KIND: ClassVar[str] = "settings"

    alias: str = ""
    password_policy: PasswordPolicy | None = None
    global_token_version: int = 1
    outbound_federation: bool = False
    key_first_day: int = 0
    client_first_day: int = 0

    @property
    def table_key(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Lineage(AccountRecord):
    """The lines that the account goes back to (brownout.identity.core.replication.lines)."""

    KIND: ClassVar[str] = "lineage"

    lines: tuple[str, ...]

    @property
    def table_key(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class SealingKey(AccountRecord):
    """A key that regions seal session tokens with from `from_s` until `until_s`; until `opens_until_s` they open them."""

    KIND: ClassVar[str] = "sealing-key"

    key_id: str
    key: bytes = field(repr=False)
    from_s: float
    until_s: float
    opens_until_s: float

    @property
    def table_key(self) -> str:
        return self.key_id

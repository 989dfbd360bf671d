"""What authentication needs to know of an account: its access keys by id, its token-sealing keys and its users' ids.

The published records have these attributes (brownout.identity.aws.records). They are stated here as protocols, because
verification must not depend on how an account is stored, published or indexed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class AccessKeyView(Protocol):
    """A long-term access key as a region knows it: never its secret.

    `user_name` is "" for a key of the root. `status` is "Active" or "Inactive"; a `revoked` key is refused whatever it
    says. `region_keys` maps a scope's region (`ap-southeast-2`, `us-east-1`) to that region's keys of consecutive days, 32
    bytes each, the first for `first_day` (days since 1970-01-01). `client_keys` are the same for days of the clock of real
    clients, from `client_first_day` on. brownout.identity.aws.auth.region_keys packs them.
    """

    @property
    def access_key_id(self) -> str: ...

    @property
    def user_name(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def revoked(self) -> bool: ...

    @property
    def first_day(self) -> int: ...

    @property
    def region_keys(self) -> Mapping[str, bytes]: ...

    @property
    def client_first_day(self) -> int: ...

    @property
    def client_keys(self) -> Mapping[str, bytes]: ...


class SealingKeyView(Protocol):
    """A key that session tokens are sealed with: new ones within [from_s, until_s), and opened for as long as it is known."""

    @property
    def key_id(self) -> str: ...

    @property
    def key(self) -> bytes: ...

    @property
    def from_s(self) -> float: ...

    @property
    def until_s(self) -> float: ...


class UserView(Protocol):
    """A user of IAM, as far as its keys name it."""

    @property
    def arn(self) -> str: ...

    @property
    def user_id(self) -> str: ...


class AccountView(Protocol):
    """One account as a node knows it at one moment. All three are looked up on every request, so they are indexed."""

    @property
    def account_id(self) -> str: ...

    def access_key(self, access_key_id: str) -> AccessKeyView | None: ...

    def sealing_key(self, key_id: str) -> SealingKeyView | None: ...

    def user(self, user_name: str) -> UserView | None: ...

"""Identity providers that an account trusts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from brownout.identity.aws.records.record import AccountRecord


@dataclass(frozen=True, slots=True)
class OidcProvider(AccountRecord):
    """An OpenID Connect provider. `url` has no `https://`; `client_ids` are the audiences that it may name.

    `context_provider` is how its tokens become trusted context, as the JSON text of that structure of IAM, "" for not at all;
    `identity_center_arn` the instance of IAM Identity Center that goes with it.
    """

    KIND: ClassVar[str] = "oidc-provider"

    arn: str
    url: str
    created_s: float
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    context_provider: str = ""
    identity_center_arn: str = ""

    @property
    def table_key(self) -> str:
        return self.arn


@dataclass(frozen=True, slots=True)
class SamlProvider(AccountRecord):
    """A SAML provider with its metadata document.

    `private_keys` are the times at which keys for decryption were added, by their ids; the keys are Secrets. `encryption_mode`
    is `Required`, `Allowed`, or "" for never set.
    """

    KIND: ClassVar[str] = "saml-provider"

    arn: str
    name: str
    metadata: str
    created_s: float
    valid_until_s: float
    provider_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    private_keys: Mapping[str, float] = field(default_factory=dict)
    encryption_mode: str = ""

    @property
    def table_key(self) -> str:
        return self.arn

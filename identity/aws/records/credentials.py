"""Credentials of users and the account, without what is secret in them.

Secrets (a key's secret, a device's seed, a private key) are records of their own, `Secret`, which never leave the directory.
So nothing else has to be looked through before it is published or shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from brownout.identity.aws.records.record import AccountRecord

ACTIVE, INACTIVE, EXPIRED = "Active", "Inactive", "Expired"


@dataclass(frozen=True, slots=True)
class AccessKey(AccountRecord):
    """A long-term access key. `user_name` is "" for a key of the account's root."""

    KIND: ClassVar[str] = "access-key"

    access_key_id: str
    user_name: str
    created_s: float
    status: str = ACTIVE

    @property
    def table_key(self) -> str:
        return self.access_key_id


@dataclass(frozen=True, slots=True)
class Revocation(AccountRecord):
    """What a fault takes away: one access key, or with "" for its id all keys of a user. Regions then refuse them.

    The key's own status stays as users set it, so that nothing has to be restored.
    """

    KIND: ClassVar[str] = "revocation"

    fault_id: str
    user_name: str = ""
    access_key_id: str = ""

    @property
    def table_key(self) -> str:
        return self.fault_id

    def concerns(self, key: AccessKey) -> bool:
        if self.access_key_id:
            return key.access_key_id == self.access_key_id
        return bool(self.user_name) and key.user_name.lower() == self.user_name.lower()


@dataclass(frozen=True, slots=True)
class LoginProfile(AccountRecord):
    """A user's right to sign in with a password."""

    KIND: ClassVar[str] = "login-profile"

    user_name: str
    created_s: float
    changed_s: float
    reset_required: bool = False

    @property
    def table_key(self) -> str:
        return self.user_name.lower()


@dataclass(frozen=True, slots=True)
class MfaDevice(AccountRecord):
    """A virtual MFA device. `user_name` is "" and `enabled_s` is 0 while no user has it."""

    KIND: ClassVar[str] = "mfa-device"

    serial_number: str
    created_s: float
    path: str = "/"
    user_name: str = ""
    enabled_s: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def table_key(self) -> str:
        return self.serial_number


@dataclass(frozen=True, slots=True)
class SshPublicKey(AccountRecord):
    """A user's public key for SSH."""

    KIND: ClassVar[str] = "ssh-public-key"

    key_id: str
    user_name: str
    body: str
    fingerprint: str
    uploaded_s: float
    status: str = ACTIVE

    @property
    def table_key(self) -> str:
        return self.key_id


@dataclass(frozen=True, slots=True)
class SigningCertificate(AccountRecord):
    """A user's X.509 certificate for signed requests."""

    KIND: ClassVar[str] = "signing-certificate"

    certificate_id: str
    user_name: str
    body: str
    uploaded_s: float
    status: str = ACTIVE

    @property
    def table_key(self) -> str:
        return self.certificate_id


@dataclass(frozen=True, slots=True)
class ServerCertificate(AccountRecord):
    """A certificate for servers with its chain; its private key is a Secret under its id."""

    KIND: ClassVar[str] = "server-certificate"

    name: str
    certificate_id: str
    arn: str
    body: str
    uploaded_s: float
    expires_s: float
    chain: str = ""
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def table_key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class ServiceCredential(AccountRecord):
    """A user name and password for one service only, such as CodeCommit; its password is a Secret under its id."""

    KIND: ClassVar[str] = "service-credential"

    credential_id: str
    user_name: str
    service_name: str
    service_user_name: str
    created_s: float
    status: str = ACTIVE

    @property
    def table_key(self) -> str:
        return self.credential_id


@dataclass(frozen=True, slots=True)
class UserCredentials(AccountRecord):
    """Which credentials a user has, in the order in which they were made, so that no table is searched for them."""

    KIND: ClassVar[str] = "user-credentials"

    user_name: str
    access_keys: tuple[str, ...] = ()
    mfa_devices: tuple[str, ...] = ()
    ssh_public_keys: tuple[str, ...] = ()
    signing_certificates: tuple[str, ...] = ()
    service_credentials: tuple[str, ...] = ()

    @property
    def table_key(self) -> str:
        return self.user_name.lower()


@dataclass(frozen=True, slots=True)
class Secret(AccountRecord):
    """Something secret that only the directory keeps, under the key or id of the credential that it belongs to."""

    KIND: ClassVar[str] = "secret"

    subject: str
    value: str = field(repr=False)

    @property
    def table_key(self) -> str:
        return self.subject

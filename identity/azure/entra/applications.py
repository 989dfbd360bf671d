"""Applications of the tenant: what the directory keeps of each, and how a secret is recognised.

An application's service principal is a principal of the core beside the identities, of kind `application`: so it is durable,
published to every region with the same snapshot, and remembered as deleted for ever. What only Entra knows of it stands in the
principal's details. Of a secret no node keeps more than a salted verifier: the secret itself is told once, when it is made.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from brownout.identity.azure.records import FEDERATED_CREDENTIALS, FederatedCredential, federated_credentials
from brownout.identity.core.records import Identity, Principal
from brownout.identity.core.topology import StackSpec
from brownout.identity.formed import FormedRecord

KIND = "application"
HINT_LENGTH = 3  # of a secret's first characters are shown
SEEDED = "brownout-app"  # what every stack with Azure's half has from the start
GRAPH_OWNER = "Application.ReadWrite.All"
FOREVER_S = 32_503_680_000.0  # the year 3000: what is seeded does not end within a run


@dataclass(frozen=True, slots=True)
class ClientSecret(FormedRecord):
    """A client secret as regions know it. Times are epoch seconds of the stack."""

    key_id: str
    name: str
    hint: str
    salt: str
    verifier: str
    starts_s: float
    ends_s: float

    def recognises(self, given: str) -> bool:
        """True for the text that this secret was made from."""
        return hmac.compare_digest(_verifier(self.salt, given), self.verifier)


@dataclass(frozen=True, slots=True)
class Certificate(FormedRecord):
    """A certificate, in DER, with which the application signs its assertions."""

    key_id: str
    name: str
    der: bytes
    starts_s: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class Registration(FormedRecord):
    """What Entra keeps of an application beside its federated credentials, which stand with those of identities.

    `object_id` is the registration's own; `signs_in` says whether it has a service principal; `token_version` is the one of
    tokens that it takes as a resource (1 or 2); `roles` are application permissions for Microsoft Graph that it was granted.
    """

    object_id: str
    created_s: float
    signs_in: bool = False
    secrets: tuple[ClientSecret, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    uris: tuple[str, ...] = ()
    token_version: int = 1
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Application:
    """One application: the identity of its service principal, which tokens name, its registration, and who is taken for it."""

    identity: Identity
    registration: Registration
    federated: tuple[FederatedCredential, ...] = ()

    @property
    def client_id(self) -> str:
        return self.identity.client_id

    def with_registration(self, **changed: Any) -> Application:
        return replace(self, registration=replace(self.registration, **changed))

    def to_principal(self) -> Principal:
        """The principal that the directory keeps and publishes."""
        federated = [credential.to_json() for credential in self.federated]
        return Principal(self.identity, details=self.registration.to_json() | {FEDERATED_CREDENTIALS: federated})

    @classmethod
    def of(cls, principal: Principal) -> Application:
        """The application that a principal of its kind stands for."""
        assert principal.identity.kind == KIND, principal.identity.kind
        return cls(principal.identity, Registration.from_json(principal.details), federated_credentials(principal.details))

    @classmethod
    def make(cls, name: str, home_region: str, new_id: Callable[[], str], created_s: float) -> Application:
        """A new application that has nothing yet but its ids."""
        object_id, client_id, principal_id = new_id(), new_id(), new_id()
        identity = Identity(name, KIND, home_region, principal_id, client_id, resource_id(object_id))
        return cls(identity, Registration(object_id, created_s))


def resource_id(object_id: str) -> str:
    """What stands for an application where identities have a resource id."""
    return f"/applications/{object_id}"


def new_secret(key_id: str, name: str, chance: str, starts_s: float, ends_s: float) -> tuple[ClientSecret, str]:
    """A secret and its text, which `chance` (unguessable) decides."""
    raw = hashlib.sha256(f"secret {chance}".encode()).digest()
    text = f"{chance[:3]}8Q~{base64.urlsafe_b64encode(raw).decode().rstrip('=')[:34]}"
    salt = hashlib.sha256(f"salt {chance}".encode()).hexdigest()[:32]
    return ClientSecret(key_id, name, text[:HINT_LENGTH], salt, _verifier(salt, text), starts_s, ends_s), text


def seeded_application(stack: StackSpec) -> Application:
    """The application that a stack comes up with."""
    ids = iter([_id(stack, what) for what in ("object", "client", "principal")])
    made = Application.make(SEEDED, stack.home_region, lambda: next(ids), 0.0)
    secret, _ = new_secret(_id(stack, "key"), "of the run", _chance(stack), 0.0, FOREVER_S)
    uris = (f"api://{made.client_id}",)
    return made.with_registration(signs_in=True, secrets=(secret,), uris=uris, roles=(GRAPH_OWNER,))


def seeded_secret(stack: StackSpec) -> str:
    """The secret of the seeded application: made for the run, and only found out with the run's control token."""
    return new_secret("", "", _chance(stack), 0.0, 0.0)[1]


def seeded_principals(stack: StackSpec) -> tuple[Principal, ...]:
    """What the directory of a stack begins with beside the identities."""
    return (seeded_application(stack).to_principal(),) if "azure" in stack.vendors else ()


def _chance(stack: StackSpec) -> str:
    return hmac.digest(stack.control_token.encode(), f"azure-application {SEEDED}".encode(), "sha256").hex()


def _id(stack: StackSpec, what: str) -> str:
    made = hashlib.sha256(f"{stack.tenant_id} {SEEDED} {what}".encode()).hexdigest()
    return "-".join((made[:8], made[8:12], f"4{made[13:16]}", f"a{made[17:20]}", made[20:32]))


def _verifier(salt: str, text: str) -> str:
    return hashlib.sha256(f"{salt} {text}".encode("utf-8", "replace")).hexdigest()

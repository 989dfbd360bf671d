"""Requests to Entra's token endpoint by hand, certificates for applications, and what tokens say."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from brownout.identity.azure.entra.applications import FOREVER_S, Certificate
from brownout.identity.azure.entra.assertions import thumbprints
from brownout.identity.azure.service_accounts import ASSERTION_TYPE
from support.simulated_azure import EPOCH_S, SimulatedAzure

VAULT = "https://vault.azure.net"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the token endpoint answered; `code` is the number behind AADSTS, 0 for a token."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> int:
        return int(self.body.get("error_codes", [0])[0])

    @property
    def error(self) -> str:
        return str(self.body.get("error", ""))

    @property
    def claims(self) -> dict[str, Any]:
        assert self.status == 200, self.body
        return claims_of(self.body["access_token"])


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token, unchecked."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def ask(azure: SimulatedAzure, *, v1: bool = False, tenant: str = "", method: str = "POST", **fields: str) -> Answered:
    """A client's request for a token: the seeded application's for a vault, with fields changed by name ("" takes one away)."""
    known = {"grant_type": "client_credentials", "client_id": azure.application.client_id, "client_secret": azure.secret}
    resource = {"resource": VAULT} if v1 else {"scope": f"{VAULT}/.default"}
    form = {name: value for name, value in (known | resource | fields).items() if value}
    url = f"https://login.microsoftonline.com/{tenant or azure.tenant}/oauth2/{'token' if v1 else 'v2.0/token'}"
    answer = azure.send(url, method, data=form)
    return Answered(answer.status_code, answer.json())


def ask_with(azure: SimulatedAzure, assertion: str, **fields: str) -> Answered:
    """The same, shown by an assertion."""
    return ask(azure, **{"client_secret": "", "client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE, **fields})


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate with its key, both in PEM in `pem`."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private + self.certificate.public_bytes(serialization.Encoding.PEM)

    def registered(self, ends_s: float = FOREVER_S) -> Certificate:
        """The certificate as a directory keeps it for an application."""
        return Certificate("1f5ec2c5-6ae5-4c0b-9f6c-1e0c2d5a7b00", "of the test", self.der, 0.0, ends_s)

    def assertion(self, azure: SimulatedAzure, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """An assertion of the seeded application about itself, with claims changed by name (None takes one away)."""
        client_id = azure.application.client_id
        claims = {
            "aud": f"https://login.microsoftonline.com/{azure.tenant}/oauth2/v2.0/token",
            "iss": client_id,
            "sub": client_id,
            "iat": int(azure.now_s),
            "exp": int(azure.now_s) + 600,
        }
        kept = {name: value for name, value in (claims | changed).items() if value is not None}
        head = {"alg": "RS256", "typ": "JWT", "x5t": thumbprints(self.der)[0]} if header is None else header
        signed = f"{encode(head)}.{encode(kept)}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@lru_cache(maxsize=4)
def certificate(name: str = "app") -> OwnCertificate:
    """A self-signed certificate of its own for each name."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    starts = datetime.fromtimestamp(EPOCH_S, UTC) - timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(starts).not_valid_after(starts + timedelta(days=365))
    return OwnCertificate(key, made.sign(key, hashes.SHA256()))

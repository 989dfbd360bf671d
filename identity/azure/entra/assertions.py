"""Client assertions: JSON Web Tokens with which an application says who it is (RFC 7523), without a secret.

There are two kinds. An application signs one itself, with a certificate that is registered for it: then it is issuer and
subject at once. Or another issuer signs one about its own subject, and a *federated credential* of the application, or of a
user-assigned identity, says that this issuer's subject is to be taken for it. Only issuers of the stack itself can be resolved:
nothing is fetched from outside. Wire facts: docs/reference/azure-wire.md#client-assertions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from brownout.identity.azure.entra import aadsts
from brownout.identity.azure.entra.applications import Certificate
from brownout.identity.core.messages import decode_json
from brownout.identity.core.records import Json

if TYPE_CHECKING:  # imported where it is used: it takes a tenth of a simulated stack's start, and few have certificates
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

SKEW_ALLOWED_S = 300.0


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """A compact JWT, taken apart and not yet checked. `text` is the token as it came."""

    text: str
    header: Json
    claims: Json
    signature: bytes

    @property
    def issuer(self) -> str:
        return str(self.claims.get("iss", ""))

    @property
    def subject(self) -> str:
        return str(self.claims.get("sub", ""))

    @property
    def audiences(self) -> tuple[str, ...]:
        given = self.claims.get("aud", ())
        return (given,) if isinstance(given, str) else tuple(str(each) for each in given or ())

    @property
    def signed(self) -> bytes:
        return self.text.rpartition(".")[0].encode("ascii")


def read(text: str) -> ClientAssertion:
    """The assertion in `text`; raises EntraError 50027 for what is no JWT."""
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii():
        raise aadsts.malformed_assertion("three parts are needed")
    try:
        header, claims = (decode_json(_decode(part)) for part in parts[:2])
        found = ClientAssertion(text, header, claims, _decode(parts[2]))
    except (ValueError, binascii.Error):
        raise aadsts.malformed_assertion("it cannot be decoded") from None
    for name in ("iss", "sub"):
        if not isinstance(claims.get(name), str):
            raise aadsts.malformed_assertion(f"it has no '{name}' claim")
    return found


def check_times(assertion: ClientAssertion, now_s: float) -> None:
    """Raises EntraError 700024 for an assertion that has ended or not begun, five minutes of skew allowed."""
    ends_s, starts_s = _time(assertion.claims, "exp"), _time(assertion.claims, "nbf", "iat")
    if ends_s is None:
        raise aadsts.malformed_assertion("it has no 'exp' claim")
    if now_s > ends_s + SKEW_ALLOWED_S or (starts_s is not None and now_s < starts_s - SKEW_ALLOWED_S):
        raise aadsts.out_of_time(now_s, starts_s or 0.0, ends_s)


def check_certificate(assertion: ClientAssertion, client_id: str, known: tuple[Certificate, ...], now_s: float) -> None:
    """Raises EntraError 700027 unless a certificate that is registered, and has not ended, signed the assertion."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes

    header = assertion.header
    given = str(header.get("x5t") or header.get("x5t#S256") or header.get("kid") or "")
    found = next((each for each in known if _is_named(each, header)), None)
    if found is None:
        raise aadsts.bad_certificate(client_id, given, "The key was not found.")
    if not found.starts_s <= now_s < found.ends_s:
        raise aadsts.bad_certificate(client_id, given, "The key is expired or not valid yet.")
    scheme = _paddings().get(str(header.get("alg")))
    if scheme is None:
        raise aadsts.malformed_assertion(f"algorithm '{header.get('alg')}' is none of {', '.join(_paddings())}")
    try:
        public_key(found.der).verify(assertion.signature, assertion.signed, scheme, hashes.SHA256())
    except InvalidSignature:
        text = "The provided signature value did not match the expected signature value."
        raise aadsts.bad_certificate(client_id, given, text) from None


@cache
def _paddings() -> Mapping[str, padding.AsymmetricPadding]:
    """By the algorithm that a header names."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
    return {"RS256": padding.PKCS1v15(), "PS256": pss}


def thumbprints(der: bytes) -> tuple[str, str, str]:
    """How headers name a certificate: `x5t`, `x5t#S256`, and `kid` in upper-case hexadecimal."""
    sha1 = hashlib.sha1(der, usedforsecurity=False)  # names a certificate, secures nothing
    return _encode(sha1.digest()), _encode(hashlib.sha256(der).digest()), sha1.hexdigest().upper()


@lru_cache(maxsize=256)
def public_key(der: bytes) -> rsa.RSAPublicKey:
    """The key of a certificate; raises ValueError for what is no certificate with an RSA key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    found = x509.load_der_x509_certificate(der).public_key()
    if not isinstance(found, rsa.RSAPublicKey):
        raise ValueError("only certificates with RSA keys can sign assertions")
    return found


def _is_named(certificate: Certificate, header: Json) -> bool:
    """True when a header names the certificate by any of the names that it may have there."""
    x5t, sha256, kid = thumbprints(certificate.der)
    if "x5t" in header or "x5t#S256" in header:
        given = [str(header.get(name, "")).rstrip("=") for name in ("x5t", "x5t#S256")]  # msal pads the first
        return given[0] == x5t or given[1] == sha256
    return str(header.get("kid", "")).upper() == kid


def _time(claims: Json, *names: str) -> float | None:
    """The first of these claims that is a time, in epoch seconds."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

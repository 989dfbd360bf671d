"""Security keys (U2F, FIDO2): challenges, and the assertions that answer them.

An assertion is a signature over what the authenticator says (`authenticator_data`) and the hash of what the browser says
(`client_data`), by the key that the user registered. Only the control plane knows registered keys and has made the challenge,
so no other node can check an assertion. Wire facts: docs/reference/aws-wire.md#security-keys-at-sign-in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from brownout.identity.core.records import Json

RELYING_PARTY = "signin.aws.amazon.com"
GOOD_FOR_S = 120.0
USER_PRESENT = 0x01
_TIME_BYTES, _NONCE_BYTES, _MAC_BYTES = 8, 8, 16


class BadAssertion(Exception):
    """An assertion that does not prove anything; the text says why."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a browser sends for a challenge: bytes as they were signed."""

    client_data: bytes
    authenticator_data: bytes
    signature: bytes

    @classmethod
    def from_json(cls, raw: Json) -> Assertion:
        """Reads the form that browsers send, base64url by WebAuthn's names; raises KeyError or ValueError."""
        return cls(*(unpacked(str(raw[name])) for name in ("clientDataJSON", "authenticatorData", "signature")))

    def to_json(self) -> dict[str, str]:
        values = (self.client_data, self.authenticator_data, self.signature)
        return dict(zip(("clientDataJSON", "authenticatorData", "signature"), map(packed, values), strict=True))


def is_public_key(pem: str) -> bool:
    """True for the PEM text of a public key on P-256, the one kind that is taken."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        return False
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


class Challenges:
    """Challenges of one control plane. Each holds its time, so only those that were used are remembered."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"aws-sign-in-challenge", "sha256")
        self._used: dict[bytes, float] = {}  # until when they would still be good

    def make(self, user_name: str, now_s: float, nonce: str) -> str:
        """A challenge for the user, as base64url."""
        content = int(now_s).to_bytes(_TIME_BYTES, "big") + hashlib.sha256(nonce.encode()).digest()[:_NONCE_BYTES]
        return packed(content + self._mac(user_name, content))

    def take(self, challenge: str, user_name: str, now_s: float) -> None:
        """Uses a challenge up; raises BadAssertion for one that is not this user's, too old, or used before."""
        raw = unpacked(challenge)
        content, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(content) != _TIME_BYTES + _NONCE_BYTES or not hmac.compare_digest(mac, self._mac(user_name, content)):
            raise BadAssertion("the challenge was not made for this user")
        ends_s = int.from_bytes(content[:_TIME_BYTES], "big") + GOOD_FOR_S
        if now_s >= ends_s:
            raise BadAssertion("the challenge is too old")
        if content in self._used:
            raise BadAssertion("the challenge was used before")
        self._used = {known: until_s for known, until_s in self._used.items() if until_s > now_s} | {content: ends_s}

    def _mac(self, user_name: str, content: bytes) -> bytes:
        return hmac.digest(self._key, user_name.lower().encode() + b"\0" + content, "sha256")[:_MAC_BYTES]


def challenge_of(assertion: Assertion) -> str:
    """The challenge that an assertion answers; raises BadAssertion for client data of another kind."""
    try:
        client = json.loads(assertion.client_data)
        kind, challenge = client["type"], client["challenge"]
    except (ValueError, KeyError, TypeError):
        raise BadAssertion("the client data cannot be read") from None
    if kind != "webauthn.get" or not isinstance(challenge, str):
        raise BadAssertion("the client data is not of an assertion")
    return challenge


def check_signature(assertion: Assertion, pem: str) -> None:
    """Raises BadAssertion unless the key signed the assertion for this relying party with a user present."""
    data = assertion.authenticator_data
    if len(data) < 37 or data[:32] != hashlib.sha256(RELYING_PARTY.encode()).digest():
        raise BadAssertion("the assertion is for another site")
    if not data[32] & USER_PRESENT:
        raise BadAssertion("no user touched the key")
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey), "only such keys are registered"
    signed = data + hashlib.sha256(assertion.client_data).digest()
    try:
        key.verify(assertion.signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BadAssertion("the signature is not that of the registered key") from None


def kept_under(serial: str) -> str:
    """What a security key's public key is kept under: not the serial number alone, where seeds of other devices stand."""
    return f"security-key/{serial}"


def packed(raw: bytes) -> str:
    """Base64url without padding, as WebAuthn writes bytes."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unpacked(text: str) -> bytes:
    """The bytes of such text; raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

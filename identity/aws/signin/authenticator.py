"""The owner's side of a security key: what a browser sends for a challenge once the key was touched.

The service only checks assertions (security_keys.py); the harness's clients make them here. A private key is on P-256 and
is handed round as its number in hexadecimal.
"""

from __future__ import annotations

import hashlib
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from brownout.identity.aws.signin.security_keys import RELYING_PARTY, USER_PRESENT, Assertion

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256's group: private keys are below it


def private_key_of(seed: bytes) -> str:
    """The private key that follows from the seed, which should have more bits than the key so that no key is likelier."""
    return f"{int.from_bytes(seed, 'big') % (_ORDER - 1) + 1:064x}"


def public_key_of(private_key: str) -> str:
    """The public key as PEM text, as it is registered."""
    return _opened(private_key).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def assertion_for(challenge: str, private_key: str) -> Assertion:
    """What a browser sends for the challenge of AWS's sign-in."""
    client = {"type": "webauthn.get", "challenge": challenge, "origin": f"https://{RELYING_PARTY}"}
    client_data = json.dumps(client).encode()
    data = hashlib.sha256(RELYING_PARTY.encode()).digest() + bytes([USER_PRESENT]) + (1).to_bytes(4, "big")
    signed = data + hashlib.sha256(client_data).digest()
    return Assertion(client_data, data, _opened(private_key).sign(signed, ec.ECDSA(hashes.SHA256())))


def _opened(private_key: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(private_key, 16), ec.SECP256R1())

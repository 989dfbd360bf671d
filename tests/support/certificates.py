"""Certificates and keys as PEM, made once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

NOT_AFTER = datetime(2030, 1, 2, tzinfo=UTC)


@cache
def certificate_and_key(name: str) -> tuple[str, str]:
    """A certificate that signs itself, and its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7, NOT_AFTER - timedelta(days=900), NOT_AFTER)
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return made, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def rsa_public_key(name: str, bits: int = 2048) -> tuple[str, str]:
    """One public key of that name in OpenSSH's form and as PEM."""
    key = rsa.generate_private_key(65537, bits).public_key()
    ssh = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{ssh} {name}@example", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

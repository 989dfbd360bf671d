"""A certificate authority made for one stack, and the one certificate that it ever signs.

Clients trust it by a file (AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE) and for nothing else: its names are constrained to those of the
stack and to loopback, and its key is gone once the certificate is signed. So a reader of the stack's files can answer for the
stack's names, and for no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from brownout.identity.server.edge.server_context import LOCAL_NAME
from brownout.identity.server.spec_file import Authority

VALID_FOR = timedelta(days=365)
EARLIER = timedelta(days=1)  # for clients whose clock is behind
LOCAL_ADDRESS = IPv4Address("127.0.0.1")  # of doors that clients reach by URL


def make_authority(stack: str, names: Iterable[str]) -> Authority:
    """An authority called after `stack`, with a certificate for these names, for localhost and for 127.0.0.1."""
    wanted = (*sorted(set(names)), LOCAL_NAME)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Brownout stack {stack}")])
    dns_names = [x509.DNSName(name) for name in wanted]
    constraints = x509.NameConstraints([*dns_names, x509.IPAddress(IPv4Network(LOCAL_ADDRESS))], None)
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted[0])])
    leaf = (
        _builder(subject, ca_name, key.public_key(), ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*dns_names, x509.IPAddress(LOCAL_ADDRESS)]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Authority(_pem(ca), _pem(leaf), private, leaf.fingerprint(hashes.SHA1()).hex().upper())  # noqa: S303  # as Service Fabric names certificates


def _builder(
    subject: x509.Name, issuer: x509.Name, own: ec.EllipticCurvePublicKey, issuers: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()

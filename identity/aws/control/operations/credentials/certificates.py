"""Reading of X.509 certificates and keys that clients upload, with IAM's errors for what they are not."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from brownout.identity.aws.errors import AwsError

_DER = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def certificate_of(text: str) -> x509.Certificate:
    """The certificate in PEM; raises MalformedCertificate."""
    try:
        return x509.load_pem_x509_certificate(text.strip().encode())
    except ValueError:
        raise malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.") from None


def malformed(message: str) -> AwsError:
    return AwsError.of("MalformedCertificate", message)


def check_chain(text: str) -> None:
    """Raises MalformedCertificate for what is no list of certificates in PEM."""
    try:
        x509.load_pem_x509_certificates(text.strip().encode())
    except ValueError:
        raise malformed("Unable to parse certificate chain. Please ensure the certificates are in PEM format.") from None


def check_key_pair(certificate: x509.Certificate, private_key: str) -> None:
    """Raises MalformedCertificate for what is no private key in PEM, KeyPairMismatch for that of another certificate."""
    try:
        ours = load_pem_private_key(private_key.strip().encode(), None).public_key().public_bytes(*_DER)
        theirs = certificate.public_key().public_bytes(*_DER)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise malformed("Unable to parse key; it has to be an unencrypted private key in PEM format.") from None
    if ours != theirs:
        raise AwsError.of("KeyPairMismatch", "Unable to validate certificate: the private key does not match it.")

"""Metadata of a SAML identity provider with a certificate of its own, made once per session, and damaged copies of it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

ENTITY_ID = "https://idp.example.com/saml"
SIGN_ON = "https://idp.example.com/sso"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"


@cache
def signing_key() -> ec.EllipticCurvePrivateKey:
    """The identity provider's key."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def certificate() -> str:
    """A self-signed certificate as metadata holds it: DER in base64 without lines around it."""
    key = signing_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.example.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    dated = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=36500)
    )
    return base64.b64encode(dated.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


def metadata(valid_until: str = "", entity_id: str = ENTITY_ID, more: str = "") -> str:
    """A document that IAM accepts, of more than the 1,000 characters that it asks for."""
    until = f' validUntil="{valid_until}"' if valid_until else ""
    return (
        '<?xml version="1.0"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"'
        f'{until} entityID="{entity_id}">'
        '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        '<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>'
        f"<ds:X509Certificate>{certificate()}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        f'<md:SingleSignOnService Binding="{POST}" Location="{SIGN_ON}"/>'
        f"</md:IDPSSODescriptor></md:EntityDescriptor><!-- {more:1000} -->"
    )

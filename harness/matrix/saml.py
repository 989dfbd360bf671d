"""A SAML identity provider of the matrix: its metadata, and signed responses for one role.

It needs no server: a client posts what the provider signed. Wire facts: docs/reference/aws-wire.md#saml-assertions.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

ENTITY_ID = "https://idp.matrix.example/saml"
SIGNED_IN = "https://signin.aws.amazon.com/saml"
LIFETIME_S = 3600.0
_ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
_LEAST_METADATA = 1000  # characters: IAM takes no shorter document
_CANONICAL = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
_PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"


class SamlIdentityProvider:
    """One provider with a key of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.matrix.example")])
        begins = datetime(2020, 1, 1, tzinfo=UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        dated = builder.serial_number(1).not_valid_before(begins).not_valid_after(begins + timedelta(days=36_500))
        self._certificate = dated.sign(self._key, hashes.SHA256())

    def metadata(self) -> str:
        """The document that CreateSAMLProvider takes."""
        der = base64.b64encode(self._certificate.public_bytes(Encoding.DER)).decode()
        text = (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ENTITY_ID}">'
            f'<md:IDPSSODescriptor protocolSupportEnumeration="{_PROTOCOL}"><md:KeyDescriptor use="signing">'
            f'<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{der}'
            "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService"
            ' Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.matrix.example/sso"/>'
            "</md:IDPSSODescriptor></md:EntityDescriptor>"
        )
        return text + f"<!-- {'-=' * ((_LEAST_METADATA - len(text)) // 2 + 1)} -->" if len(text) < _LEAST_METADATA else text

    def assertion(self, role_arn: str, provider_arn: str, now_s: float) -> str:
        """A response for that role, signed now, as the parameter `SAMLAssertion` carries it."""
        from lxml import etree  # here: only the matrix signs assertions, and loading it takes a while
        from signxml.algorithms import SignatureConstructionMethod
        from signxml.signer import XMLSigner

        root = etree.fromstring(_response(role_arn, provider_arn, now_s))
        signer = XMLSigner(SignatureConstructionMethod.enveloped, "ecdsa-sha256", c14n_algorithm=_CANONICAL)
        unsigned: Any = root.find(f"{{{_SAML}}}Assertion")
        pem = self._certificate.public_bytes(Encoding.PEM).decode()
        root.replace(unsigned, signer.sign(unsigned, key=self._key, cert=pem, reference_uri="_assertion"))
        return base64.b64encode(etree.tostring(root)).decode()


def _response(role_arn: str, provider_arn: str, now_s: float) -> bytes:
    starts, ends = _time(now_s - 60), _time(now_s + LIFETIME_S)
    given = {"Role": f"{role_arn},{provider_arn}", "RoleSessionName": "matrix"}
    attributes = "".join(
        f'<saml:Attribute Name="{_ATTRIBUTES}{name}"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>'
        for name, value in given.items()
    )
    return (
        f'<samlp:Response xmlns:samlp="{_PROTOCOL}" xmlns:saml="{_SAML}" ID="_response" Version="2.0">'
        f"<saml:Issuer>{ENTITY_ID}</saml:Issuer><samlp:Status>"
        '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'
        f'<saml:Assertion ID="_assertion" Version="2.0" IssueInstant="{starts}"><saml:Issuer>{ENTITY_ID}</saml:Issuer>'
        '<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">matrix</saml:NameID>'
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
        f'<saml:SubjectConfirmationData NotOnOrAfter="{ends}" Recipient="{SIGNED_IN}"/>'
        "</saml:SubjectConfirmation></saml:Subject>"
        f'<saml:Conditions NotBefore="{starts}" NotOnOrAfter="{ends}"><saml:AudienceRestriction>'
        f"<saml:Audience>{SIGNED_IN}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
        f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>"
    ).encode()


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

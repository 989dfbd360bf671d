"""SAML responses as an identity provider makes them for AWS, signed by signxml, which is the oracle of what is read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from signxml import XMLSigner, methods

from support.saml_documents import ENTITY_ID, certificate, signing_key

ROLE = "arn:aws:iam::123456789012:role/sso"
PROVIDER = "arn:aws:iam::123456789012:saml-provider/corp"
SIGNED_IN = "https://signin.aws.amazon.com/saml"
ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"


@dataclass(frozen=True, slots=True)
class SamlLogin:
    """One sign-on: who, for whom, when. `attributes` are added to the two that AWS needs, or take their place."""

    now_s: float
    role: str = ROLE
    provider: str = PROVIDER
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    issuer: str = ENTITY_ID
    audience: str = SIGNED_IN
    recipient: str = SIGNED_IN
    lifetime_s: float = 300.0
    status: str = "urn:oasis:names:tc:SAML:2.0:status:Success"

    def xml(self) -> bytes:
        """The response without a signature."""
        starts, ends = _time(self.now_s - 10), _time(self.now_s + self.lifetime_s)
        named = {"Role": (f"{self.role},{self.provider}",), "RoleSessionName": ("alice@corp",), **self.attributes}
        return (
            '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"'
            ' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0">'
            f"<saml:Issuer>{self.issuer}</saml:Issuer>"
            f'<samlp:Status><samlp:StatusCode Value="{self.status}"/></samlp:Status>'
            f'<saml:Assertion ID="_assertion" Version="2.0" IssueInstant="{starts}">'
            f"<saml:Issuer>{self.issuer}</saml:Issuer>"
            '<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice</saml:NameID>'
            '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml:SubjectConfirmationData NotOnOrAfter="{ends}" Recipient="{self.recipient}"/>'
            "</saml:SubjectConfirmation></saml:Subject>"
            f'<saml:Conditions NotBefore="{starts}" NotOnOrAfter="{ends}"><saml:AudienceRestriction>'
            f"<saml:Audience>{self.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
            f"<saml:AttributeStatement>{''.join(_attribute(*each) for each in named.items() if each[1])}"
            "</saml:AttributeStatement></saml:Assertion></samlp:Response>"
        ).encode()

    def signed(self, part: str = "assertion", key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
        """The response with a signature over its `assertion`, or over the whole `response`."""
        root = etree.fromstring(self.xml())
        signer = XMLSigner(methods.enveloped, "ecdsa-sha256", c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#")
        pem = f"-----BEGIN CERTIFICATE-----\n{certificate()}\n-----END CERTIFICATE-----\n"
        if part == "response":
            return etree.tostring(signer.sign(root, key=key or signing_key(), cert=pem, reference_uri="_response"))
        assertion = root.find("{urn:oasis:names:tc:SAML:2.0:assertion}Assertion")
        root.replace(assertion, signer.sign(assertion, key=key or signing_key(), cert=pem, reference_uri="_assertion"))
        return etree.tostring(root)

    def encoded(self, part: str = "assertion") -> str:
        """The signed response as `SAMLAssertion` carries it."""
        return base64.b64encode(self.signed(part)).decode()


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _attribute(name: str, values: tuple[str, ...]) -> str:
    inner = "".join(f"<saml:AttributeValue>{escape(value)}</saml:AttributeValue>" for value in values)
    return f"<saml:Attribute Name={quoteattr(ATTRIBUTES + name)}>{inner}</saml:Attribute>"

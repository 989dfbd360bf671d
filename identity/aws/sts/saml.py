"""SAML responses as AssumeRoleWithSAML takes them: signature, issuer, times, audience, and the attributes for AWS.

Only what was signed is read: the assertion comes out of the signature check and not out of the document that was sent.
Either the whole response or the assertion in it is signed, by a certificate of the provider's metadata. A document type is
refused, so that no entity can grow or reach out. Wire facts: docs/reference/aws-wire.md#saml-assertions.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.x509 import load_der_x509_certificate

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.saml_metadata import SamlMetadata
from brownout.identity.aws.sts.web_tokens import invalid_identity_token

ASSERTION = "{urn:oasis:names:tc:SAML:2.0:assertion}"
PROTOCOL = "{urn:oasis:names:tc:SAML:2.0:protocol}"
ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
AUDIENCE = "urn:amazon:webservices"
RECIPIENT = re.compile(r"https://([a-z0-9-]+\.)?signin\.aws\.amazon\.com/saml")
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
NAME_FORMATS = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
SKEW_ALLOWED_S = 300.0

Element = Any  # lxml's, which has no types of its own


@dataclass(frozen=True, slots=True)
class SamlAssertion:
    """What a checked assertion says. `attributes` are those for AWS by their short names ("Role"), with all their values."""

    issuer: str
    subject: str
    subject_type: str
    recipient: str
    attributes: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str:
        """The first value of an attribute, "" without one."""
        return next(iter(self.attributes.get(name, ())), "")

    @property
    def tags(self) -> dict[str, str]:
        """The principal tags that the identity provider gives."""
        prefix = "PrincipalTag:"
        return {name[len(prefix) :]: self.one(name) for name in self.attributes if name.startswith(prefix)}

    def grants(self, role_arn: str, provider_arn: str) -> bool:
        """True when a `Role` attribute pairs the two, in either order."""
        pairs = ({part.strip() for part in value.split(",")} for value in self.attributes.get("Role", ()))
        return any(pair == {role_arn, provider_arn} for pair in pairs)


def read_response(encoded: str, metadata: SamlMetadata, now_s: float) -> SamlAssertion:
    """The assertion in a base64 SAML response of that provider.

    Raises AwsError: InvalidIdentityToken, or ExpiredTokenException for one that came too late.
    """
    document = _document(encoded)
    assertion = _signed_assertion(document, metadata)
    if _text(assertion.find(f"{ASSERTION}Issuer")) != metadata.entity_id:
        raise invalid_identity_token("Issuer not present in specified provider")
    _check_audience(assertion)
    recipient = _check_times(assertion, now_s)
    name = assertion.find(f"{ASSERTION}Subject/{ASSERTION}NameID")
    attributes = dict(_attributes(assertion))
    if "RoleSessionName" not in attributes:
        raise invalid_identity_token("RoleSessionName is required in AuthnResponse")
    stated = "" if name is None else name.get("Format", "")
    subject_type = stated.removeprefix(NAME_FORMATS) or "unspecified"
    return SamlAssertion(metadata.entity_id, _text(name), subject_type, recipient, attributes)


def _document(encoded: str) -> Element:
    """The response's root; raises AwsError for what is no successful SAML response."""
    from lxml import etree  # here: most stacks never see an assertion, and it takes a while to load

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(base64.b64decode("".join(encoded.split()), validate=True), parser)
    except (binascii.Error, ValueError, etree.XMLSyntaxError):
        raise invalid_identity_token("Invalid SAML response") from None
    if root.getroottree().docinfo.doctype or root.tag != f"{PROTOCOL}Response":
        raise invalid_identity_token("Invalid SAML response")
    status = root.find(f"{PROTOCOL}Status/{PROTOCOL}StatusCode")
    if status is None or status.get("Value") != SUCCESS:
        raise AwsError.of("IDPRejectedClaim", "The identity provider did not authenticate the user")
    return root


def _signed_assertion(root: Element, metadata: SamlMetadata) -> Element:
    """The one assertion, as it was signed; raises AwsError."""
    for location in ("./", f"./{ASSERTION}Assertion/"):
        for certificate in metadata.certificates:
            signed = _verified(root, location, certificate)
            if signed is None:
                continue
            found = [signed] if signed.tag == f"{ASSERTION}Assertion" else signed.findall(f"{ASSERTION}Assertion")
            if len(found) == 1:
                return found[0]
    raise invalid_identity_token("Response signature invalid")


def _verified(root: Element, location: str, certificate: bytes) -> Element | None:
    """The element that the signature at `location` covers; None without a good one of that certificate."""
    from lxml import etree
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    known = load_der_x509_certificate(certificate)
    try:
        # The metadata is what is trusted, so a certificate counts at any time: it is looked at within its own.
        config = SignatureConfiguration(location=location, verification_time=known.not_valid_after_utc)
        result = XMLVerifier().verify(root, x509_cert=known, expect_config=config)
    except (SignXMLException, etree.LxmlError, ValueError, TypeError, AttributeError):
        return None
    return None if isinstance(result, list) else result.signed_xml


def _check_audience(assertion: Element) -> None:
    stated = assertion.iterfind(f"{ASSERTION}Conditions/{ASSERTION}AudienceRestriction/{ASSERTION}Audience")
    if not any(audience == AUDIENCE or RECIPIENT.fullmatch(audience) for audience in map(_text, stated)):
        raise invalid_identity_token("Response does not contain the required audience.")


def _check_times(assertion: Element, now_s: float) -> str:
    """The recipient of the confirmation that is good now; raises AwsError."""
    conditions = assertion.find(f"{ASSERTION}Conditions")
    starts_s = _time_s(conditions.get("NotBefore"))
    if starts_s is not None and now_s < starts_s - SKEW_ALLOWED_S:
        raise invalid_identity_token("Response is not yet valid")
    data = assertion.findall(f"{ASSERTION}Subject/{ASSERTION}SubjectConfirmation/{ASSERTION}SubjectConfirmationData")
    fitting = [each for each in data if RECIPIENT.fullmatch(each.get("Recipient", ""))]
    if not fitting:
        raise invalid_identity_token("Response does not contain the required recipient.")
    ends = [_time_s(each.get("NotOnOrAfter")) for each in (conditions, fitting[0])]
    if ends[1] is None or any(end_s is not None and now_s >= end_s for end_s in ends):
        raise AwsError.of("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance")
    return str(fitting[0].get("Recipient"))


def _attributes(assertion: Element) -> Iterator[tuple[str, tuple[str, ...]]]:
    for each in assertion.iterfind(f"{ASSERTION}AttributeStatement/{ASSERTION}Attribute"):
        name = str(each.get("Name", ""))
        values: Sequence[Element] = each.findall(f"{ASSERTION}AttributeValue")
        if name.startswith(ATTRIBUTES) and values:
            yield name[len(ATTRIBUTES) :], tuple(_text(value) for value in values)


def _text(element: Element | None) -> str:
    return "" if element is None or element.text is None else str(element.text).strip()


def _time_s(stated: str | None) -> float | None:
    """A time as SAML states it, in epoch seconds; None for none. Raises AwsError for what is no time."""
    if not stated:
        return None
    try:
        time = datetime.fromisoformat(stated)
    except ValueError:
        raise invalid_identity_token("Invalid SAML response") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

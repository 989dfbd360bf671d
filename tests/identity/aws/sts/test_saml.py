"""SAML responses: only what the provider signed is read, and every check of AWS's is made."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.saml_metadata import parse_metadata
from brownout.identity.aws.sts.saml import SamlAssertion, read_response
from support.saml_documents import ENTITY_ID, metadata
from support.saml_responses import PROVIDER, ROLE, SamlLogin

NOW_S = 1_735_689_600.0
LOGIN = SamlLogin(NOW_S)


def read(document: bytes, at_s: float = NOW_S) -> SamlAssertion:
    return read_response(base64.b64encode(document).decode(), parse_metadata(metadata()), at_s)


def refusal(document: bytes, at_s: float = NOW_S) -> tuple[str, str]:
    with pytest.raises(AwsError) as refused:
        read(document, at_s)
    return refused.value.code, refused.value.message


@pytest.mark.parametrize("part", ["assertion", "response"])
def test_a_signed_response_is_read(part: str) -> None:
    """The assertion or the whole response may be signed, and the assertion says who signed on for which role."""
    found = read(LOGIN.signed(part))
    assert (found.issuer, found.subject, found.subject_type) == (ENTITY_ID, "alice", "persistent")
    assert found.one("RoleSessionName") == "alice@corp"
    assert found.grants(ROLE, PROVIDER)
    assert not found.grants(ROLE + "x", PROVIDER)


def test_tags_and_duration_come_from_attributes() -> None:
    """Principal tags and the session's length are attributes of their own."""
    attributes = {"PrincipalTag:team": ("blue",), "SessionDuration": ("1800",), "TransitiveTagKeys": ("team",)}
    found = read(replace(LOGIN, attributes=attributes).signed())
    assert found.tags == {"team": "blue"}
    assert found.one("SessionDuration") == "1800"
    assert found.attributes["TransitiveTagKeys"] == ("team",)


def test_an_unsigned_response_is_refused() -> None:
    """Without a signature nothing is believed."""
    assert refusal(LOGIN.xml()) == ("InvalidIdentityToken", "Response signature invalid")


def test_another_key_is_refused() -> None:
    """A signature that is not the provider's does not count, also where it brings the provider's certificate."""
    assert refusal(LOGIN.signed(key=ec.generate_private_key(ec.SECP256R1())))[1] == "Response signature invalid"


def test_a_changed_assertion_is_refused() -> None:
    """One changed letter below the signature breaks it."""
    assert refusal(LOGIN.signed().replace(b"alice@corp", b"admin@corp"))[1] == "Response signature invalid"


def test_a_wrapped_assertion_is_refused() -> None:
    """A forged assertion beside the signed one is never read: what counts is what was signed."""
    root = etree.fromstring(LOGIN.signed())
    forged = etree.fromstring(replace(LOGIN, attributes={"RoleSessionName": ("admin",)}).xml())[2]
    forged.set("ID", "_forged")
    root.insert(0, forged)
    assert read(etree.tostring(root)).one("RoleSessionName") == "alice@corp"


def test_a_document_type_is_refused() -> None:
    """No entity can be declared."""
    hostile = b'<!DOCTYPE x [<!ENTITY e "alice">]>' + LOGIN.signed()
    assert refusal(hostile) == ("InvalidIdentityToken", "Invalid SAML response")


@pytest.mark.parametrize("junk", [b"", b"<", b"no xml", b"<a/>", b"\xff\xfe"])
def test_junk_is_refused(junk: bytes) -> None:
    """What is no SAML response gets an error, whatever it is."""
    assert refusal(junk) == ("InvalidIdentityToken", "Invalid SAML response")


def test_base64_is_checked() -> None:
    """The parameter is base64."""
    with pytest.raises(AwsError, match="Invalid SAML response"):
        read_response("%%%", parse_metadata(metadata()), NOW_S)


def test_another_issuer_is_refused() -> None:
    """The assertion must come from the entity that the metadata names."""
    assert refusal(replace(LOGIN, issuer="https://other.example.com").signed())[1] == "Issuer not present in specified provider"


def test_another_audience_is_refused() -> None:
    """An assertion for another service is not taken."""
    login = replace(LOGIN, audience="https://example.com/saml")
    assert refusal(login.signed())[1] == "Response does not contain the required audience."
    assert read(replace(LOGIN, audience="urn:amazon:webservices").signed())


@pytest.mark.parametrize("recipient", ["https://example.com/saml", "https://evil-signin.aws.amazon.com.example.com/saml", ""])
def test_another_recipient_is_refused(recipient: str) -> None:
    """The confirmation must be addressed to AWS's sign-in, global or regional."""
    assert refusal(replace(LOGIN, recipient=recipient).signed())[0] == "InvalidIdentityToken"


def test_a_regional_recipient_is_taken() -> None:
    """Sign-in has regional addresses too."""
    recipient = "https://ap-southeast-2.signin.aws.amazon.com/saml"
    assert read(replace(LOGIN, recipient=recipient).signed()).recipient == recipient


def test_a_late_assertion_has_expired() -> None:
    """After its end an assertion is refused with the error of expired tokens."""
    assert refusal(LOGIN.signed(), NOW_S + 301)[0] == "ExpiredTokenException"
    assert read(LOGIN.signed(), NOW_S + 299)


def test_an_early_assertion_is_refused() -> None:
    """Before its beginning an assertion is refused, with five minutes for clocks that differ."""
    assert read(LOGIN.signed(), NOW_S - 200)
    assert refusal(LOGIN.signed(), NOW_S - 400)[1] == "Response is not yet valid"


def test_a_session_name_is_required() -> None:
    """AWS cannot do without the name of the session."""
    login = replace(LOGIN, attributes={"RoleSessionName": ()})
    assert refusal(login.signed()) == ("InvalidIdentityToken", "RoleSessionName is required in AuthnResponse")


def test_a_failed_sign_on_is_the_providers_refusal() -> None:
    """A response that says that the user was not let in is the error for that."""
    assert refusal(replace(LOGIN, status="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed").signed())[0] == "IDPRejectedClaim"

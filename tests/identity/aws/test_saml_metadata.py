"""What is read in a SAML identity provider's metadata, and which documents are refused."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from brownout.identity.aws.saml_metadata import BadMetadata, parse_metadata
from support.saml_documents import ENTITY_ID, POST, SIGN_ON, certificate, metadata


def test_the_provider_is_read() -> None:
    """Entity id, certificate and sign-on address are those of the document, and it has no end of its own."""
    found = parse_metadata(metadata())
    assert (found.entity_id, found.sign_on_urls, found.valid_until_s) == (ENTITY_ID, (SIGN_ON,), None)
    assert found.certificates == (base64.b64decode(certificate()),)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("2030-01-01T00:00:00Z", 1893456000.0),
        ("2030-01-01T00:00:00", 1893456000.0),
        ("2030-01-01T02:00:00.500+02:00", 1893456000.5),
    ],
)
def test_the_end_of_validity_is_read(stated: str, seconds: float) -> None:
    """A time without a zone is in UTC, as SAML says."""
    assert parse_metadata(metadata(valid_until=stated)).valid_until_s == seconds


def test_lines_in_a_certificate_do_not_matter() -> None:
    """Real metadata breaks the certificate's base64 into lines."""
    text = certificate()
    broken = "\n      ".join(text[at : at + 64] for at in range(0, len(text), 64))
    assert parse_metadata(metadata().replace(text, broken)) == parse_metadata(metadata())


DAMAGE: dict[str, Callable[[str], str]] = {
    "no XML": lambda text: "x" * 1000,
    "half a document": lambda text: text[:900],
    "another root": lambda text: text.replace("EntityDescriptor", "EntitiesDescriptor"),
    "another namespace": lambda text: text.replace("SAML:2.0:metadata", "SAML:1.1:metadata"),
    "no entity id": lambda text: text.replace(f'entityID="{ENTITY_ID}"', ""),
    "an empty entity id": lambda text: text.replace(ENTITY_ID, " "),
    "a service provider": lambda text: text.replace("IDPSSODescriptor", "SPSSODescriptor"),
    "a key for encryption only": lambda text: text.replace('use="signing"', 'use="encryption"'),
    "no certificate": lambda text: text.replace("X509Certificate", "X509SKI"),
    "no base64": lambda text: text.replace(certificate(), "%%%"),
    "no DER": lambda text: text.replace(certificate(), "AAAA"),
    "another binding": lambda text: text.replace(POST, "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"),
    "no address": lambda text: text.replace(f' Location="{SIGN_ON}"', ""),
    "no time": lambda text: text.replace(" entityID", ' validUntil="soon" entityID'),
    "an entity of its own": lambda text: text.replace("?>", '?><!DOCTYPE md [<!ENTITY a "aaaa">]>'),
    "an entity from outside": lambda text: text.replace("?>", '?><!DOCTYPE md SYSTEM "file:///etc/passwd">'),
    "a character that is none": lambda text: text.replace("<!--", "<!-- \ud800"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_other_documents_are_refused(damage: Callable[[str], str]) -> None:
    """A document that lacks one thing that an assertion is checked with, or brings entities of its own."""
    damaged = damage(metadata())
    assert damaged != metadata()
    with pytest.raises(BadMetadata):
        parse_metadata(damaged)

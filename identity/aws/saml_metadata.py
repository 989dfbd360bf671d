"""An identity provider's SAML metadata, as far as IAM and STS look into it.

IAM refuses a document that no assertion could ever be checked with: no entity id, no descriptor of an identity provider, no
signing certificate, no place to sign on. STS checks assertions with the certificates that are found here.
Wire facts: docs/reference/aws-wire.md#saml-providers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from cryptography.x509 import load_der_x509_certificate

_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}"
_SIGN_ON_BINDINGS = frozenset(
    {"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"}
)


class BadMetadata(Exception):
    """The document is no metadata of a SAML 2.0 identity provider; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class SamlMetadata:
    """One identity provider: its entity id, its signing certificates (DER) and where users sign on.

    `valid_until_s` is the end of the document's validity in epoch seconds, None where it states none.
    """

    entity_id: str
    certificates: tuple[bytes, ...]
    sign_on_urls: tuple[str, ...]
    valid_until_s: float | None


class _PlainTreeBuilder(TreeBuilder):
    """Builds a tree of a document without a document type, so that no entity of its own can grow or reach out."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadMetadata("a document type is not allowed")


@lru_cache(maxsize=128)
def parse_metadata(document: str) -> SamlMetadata:
    """The identity provider that the document describes; raises BadMetadata for any other text."""
    root = _root(document)
    if root.tag != f"{_METADATA}EntityDescriptor":
        raise BadMetadata("the root is no EntityDescriptor")
    entity_id = root.get("entityID", "").strip()
    if not entity_id:
        raise BadMetadata("the entity has no id")
    provider = root.find(f"{_METADATA}IDPSSODescriptor")
    if provider is None:
        raise BadMetadata("the entity is no identity provider")
    certificates = tuple(_signing_certificates(provider))
    if not certificates:
        raise BadMetadata("the identity provider has no signing certificate")
    urls = tuple(_sign_on_urls(provider))
    if not urls:
        raise BadMetadata("the identity provider has no sign-on address")
    return SamlMetadata(entity_id, certificates, urls, _valid_until_s(root.get("validUntil")))


def _root(document: str) -> Element:
    parser = XMLParser(target=_PlainTreeBuilder())  # noqa: S314 (document types are refused)
    try:
        parser.feed(document)
        return parser.close()
    except (ParseError, ValueError) as bad:  # ValueError: a character that has no encoding
        raise BadMetadata(str(bad)) from None


def _signing_certificates(provider: Element) -> Iterator[bytes]:
    for key in provider.iterfind(f"{_METADATA}KeyDescriptor"):
        if key.get("use", "signing") != "signing":
            continue
        for node in key.iterfind(f"{_SIGNATURE}KeyInfo/{_SIGNATURE}X509Data/{_SIGNATURE}X509Certificate"):
            yield _certificate("".join((node.text or "").split()))


def _certificate(text: str) -> bytes:
    try:
        der = base64.b64decode(text, validate=True)
        load_der_x509_certificate(der)
    except (binascii.Error, ValueError):
        raise BadMetadata("a signing certificate cannot be read") from None
    return der


def _sign_on_urls(provider: Element) -> Iterator[str]:
    for service in provider.iterfind(f"{_METADATA}SingleSignOnService"):
        if service.get("Binding") in _SIGN_ON_BINDINGS and service.get("Location"):
            yield service.get("Location", "")


def _valid_until_s(stated: str | None) -> float | None:
    if stated is None:
        return None
    try:
        time = datetime.fromisoformat(stated)
    except ValueError:
        raise BadMetadata("the end of its validity is no time") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

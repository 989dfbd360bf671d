"""The authority of a stack: what it vouches for, and that it can vouch for nothing more."""

from __future__ import annotations

import hashlib
import ssl
from ipaddress import IPv4Address, IPv4Network

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from brownout.identity.server.edge.authority import make_authority
from brownout.identity.server.edge.server_context import server_context

NAMES = ("sts.amazonaws.com", "iam.amazonaws.com")


def test_the_certificate_is_for_the_names_and_signed_by_the_authority() -> None:
    """Its names are those asked for; it is a server's, and its key is the one that goes with it."""
    made = make_authority("s", NAMES)
    ca, leaf = (x509.load_pem_x509_certificate(text.encode()) for text in (made.ca, made.certificate))
    leaf.verify_directly_issued_by(ca)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {*NAMES, "localhost"}
    assert names.get_values_for_type(x509.IPAddress) == [IPv4Address("127.0.0.1")]
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    key = load_pem_private_key(made.key.encode(), None)
    assert key.public_key() == leaf.public_key()
    server_context(made, NAMES)


def test_the_thumbprint_is_that_of_the_certificate() -> None:
    """As ssl sees it on the wire."""
    made = make_authority("s", NAMES)
    assert made.thumbprint == hashlib.sha1(ssl.PEM_cert_to_DER_cert(made.certificate)).hexdigest().upper()


def test_whoever_has_the_authoritys_files_can_vouch_for_no_other_name() -> None:
    """Its names are constrained, the certificate can sign nothing, and the authority's own key is in no file."""
    made = make_authority("s", NAMES)
    ca, leaf = (x509.load_pem_x509_certificate(text.encode()) for text in (made.ca, made.certificate))
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert {each.value for each in constraints.value.permitted_subtrees or ()} == {
        *NAMES,
        "localhost",
        IPv4Network("127.0.0.1/32"),
    }
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert "PRIVATE" not in made.ca + made.certificate
    assert load_pem_private_key(made.key.encode(), None).public_key() != ca.public_key()


def test_two_stacks_do_not_trust_each_other() -> None:
    """Every stack has an authority of its own."""
    assert make_authority("s", NAMES).ca != make_authority("s", NAMES).ca

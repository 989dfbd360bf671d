"""Challenges and assertions of security keys, apart from any node."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from brownout.identity.aws.signin.security_keys import (
    GOOD_FOR_S,
    Assertion,
    BadAssertion,
    Challenges,
    challenge_of,
    check_signature,
    is_public_key,
    packed,
    unpacked,
)

from .conftest import SecurityKey

NOW_S = 1_735_689_600.5
KEY = SecurityKey()


def pem_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_only_keys_on_p256_are_taken() -> None:
    """Another curve, another kind and what is no key are refused."""
    assert is_public_key(KEY.public_key)
    for other in (pem_of(ec.generate_private_key(ec.SECP384R1())), pem_of(ed25519.Ed25519PrivateKey.generate()), "", "x"):
        assert not is_public_key(other)


def test_a_challenge_is_taken_once_until_it_is_too_old() -> None:
    """A second use, another user, another control plane and a late answer raise BadAssertion; names have no case."""
    challenges = Challenges("secret")
    made = challenges.make("alice", NOW_S, "n")
    for refused in (
        lambda: challenges.take(made, "bob", NOW_S),
        lambda: Challenges("other").take(made, "alice", NOW_S),
        lambda: challenges.take(made, "alice", NOW_S + GOOD_FOR_S),
    ):
        with pytest.raises(BadAssertion):
            refused()
    challenges.take(made, "ALICE", NOW_S + GOOD_FOR_S - 1)
    with pytest.raises(BadAssertion, match="used before"):
        challenges.take(made, "alice", NOW_S)


def test_a_signature_is_over_all_of_an_assertion() -> None:
    """A byte more or less in either part, and another key, are noticed."""
    good = KEY.answer("challenge")
    check_signature(good, KEY.public_key)
    changed = (
        Assertion(good.client_data + b" ", good.authenticator_data, good.signature),
        Assertion(good.client_data, good.authenticator_data + b"\0", good.signature),
        Assertion(good.client_data, good.authenticator_data, good.signature[:-1]),
        Assertion(good.client_data, good.authenticator_data[:36], good.signature),
    )
    for wrong in changed:
        with pytest.raises(BadAssertion):
            check_signature(wrong, KEY.public_key)
    with pytest.raises(BadAssertion):
        check_signature(good, SecurityKey().public_key)


def test_an_assertion_survives_its_json_form() -> None:
    """By the names that browsers use, base64url without padding."""
    good = KEY.answer("challenge")
    assert Assertion.from_json(good.to_json()) == good
    assert challenge_of(good) == "challenge"


@given(st.binary(max_size=200))
def test_no_client_data_breaks_the_reader(client_data: bytes) -> None:
    """Whatever bytes come, there is a challenge or BadAssertion."""
    with pytest.raises(BadAssertion):
        challenge_of(Assertion(client_data, b"", b""))


@given(st.binary(max_size=100))
def test_bytes_come_back_from_their_text(raw: bytes) -> None:
    """Packing has no padding and loses nothing."""
    assert "=" not in packed(raw)
    assert unpacked(packed(raw)) == raw

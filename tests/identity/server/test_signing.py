"""Signatures: what the signer signs, real libraries verify, and what was tampered with nobody accepts."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, get_args

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from brownout.identity.core.ports import BadToken
from brownout.identity.server.signing import Algorithm, JwtSigner

CLAIMS = {"aud": "https://vault.azure.net", "oid": "o-1", "exp": 9999999999}
ALGORITHMS = get_args(Algorithm)


def signed(algorithm: Algorithm, key_id: str = "k1") -> tuple[JwtSigner, str, dict[str, Any]]:
    signer = JwtSigner(algorithm)
    private = signer.generate(key_id)
    return signer, signer.sign(key_id, private, CLAIMS), {key_id: signer.public(key_id, private)}


def forged(token: str, **header: Any) -> str:
    """The token with another header over the same claims and signature."""
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return ".".join((head, *token.split(".")[1:]))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_real_library_accepts_our_tokens_with_our_key_set(algorithm: Algorithm) -> None:
    """PyJWT verifies the token with the published key, and the header names it by `kid`, and its certificate by `x5t`."""
    _, token, keys = signed(algorithm)
    key = jwt.PyJWK(keys["k1"])
    assert jwt.decode(token, key, algorithms=[algorithm], audience=CLAIMS["aud"]) == CLAIMS
    named = {"x5t": keys["k1"]["x5t"]} if algorithm == "RS256" else {}
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": algorithm, "kid": "k1", **named}
    assert (keys["k1"]["kid"], keys["k1"]["use"], keys["k1"]["alg"]) == ("k1", "sig", algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_was_signed_verifies(algorithm: Algorithm) -> None:
    """The claims come back from a token that a key of the set signed, also by another signer's hand."""
    _, token, keys = signed(algorithm)
    assert JwtSigner().verify(token, keys) == CLAIMS


def test_an_rsa_key_has_a_certificate_of_its_own_that_every_node_makes_alike() -> None:
    """`x5c` is a certificate over the key's own numbers, signed by itself; `x5t` is its SHA-1 thumbprint, twenty bytes."""
    signer = JwtSigner("RS256")
    private = signer.generate("k1")
    key, again = signer.public("k1", private), JwtSigner("RS256").public("k1", private)
    assert key == again
    der = base64.b64decode(key["x5c"][0])
    found = x509.load_der_x509_certificate(der)
    found.verify_directly_issued_by(found)
    public = found.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert base64.urlsafe_b64decode(key["n"] + "==") == public.public_numbers().n.to_bytes(256, "big")
    assert base64.urlsafe_b64decode(key["x5t"] + "=") == hashlib.sha1(der, usedforsecurity=False).digest()
    assert "x5t" not in JwtSigner("ES256").public("k2", JwtSigner("ES256").generate("k2"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_made_ahead_is_given_out_once(algorithm: Algorithm) -> None:
    """The next key is the one that was made ahead, whole and good to sign with; the one after it is another."""
    signer = JwtSigner(algorithm)
    signer.make_ahead()
    keys = {key_id: signer.generate(key_id) for key_id in ("k1", "k2", "k3")}
    assert len(set(keys.values())) == 3
    token = signer.sign("k1", keys["k1"], CLAIMS)
    assert JwtSigner(algorithm).verify(token, {"k1": signer.public("k1", keys["k1"])}) == CLAIMS


def test_the_public_half_tells_nothing_private() -> None:
    """The key set has the public numbers only."""
    for algorithm in ALGORITHMS:
        _, _, keys = signed(algorithm)
        assert set(keys["k1"]) <= {"kid", "use", "alg", "kty", "crv", "x", "y", "n", "e", "x5t", "x5c"}


def test_another_key_of_the_same_name_is_refused() -> None:
    """A signature by a key that is not the one published under its name does not verify."""
    signer, token, _ = signed("ES256")
    _, _, others = signed("ES256")
    with pytest.raises(BadToken, match="IDX10511"):
        signer.verify(token, others)


def test_an_unknown_key_is_named() -> None:
    """A token of a key outside the set is refused with the key's name."""
    signer, token, _ = signed("ES256")
    with pytest.raises(BadToken, match=r"IDX10501.*k1"):
        signer.verify(token, {})


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", None, 7])
def test_a_token_cannot_choose_its_algorithm(algorithm: object) -> None:
    """A header that asks for another algorithm than the key's is refused, whatever the signature."""
    signer, token, keys = signed("ES256")
    with pytest.raises(BadToken, match="IDX10696"):
        signer.verify(forged(token, alg=algorithm, kid="k1"), keys)


def test_changed_claims_are_refused() -> None:
    """One changed claim breaks the signature."""
    signer, token, keys = signed("ES256")
    head, _, signature = token.split(".")
    claims = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "oid": "o-2"}).encode()).rstrip(b"=").decode()
    with pytest.raises(BadToken, match="IDX10511"):
        signer.verify(f"{head}.{claims}.{signature}", keys)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "..", "e30.W10.", "é.é.é", "e30.e30.!!!!", "a.b.c.d"])
def test_what_is_no_token_is_refused_and_nothing_worse(text: str) -> None:
    """Any text at all is either verified or BadToken."""
    with pytest.raises(BadToken):
        JwtSigner().verify(text, {})


def test_a_signature_of_another_length_is_refused() -> None:
    """A cut signature is BadToken, not a crash."""
    signer, token, keys = signed("ES256")
    with pytest.raises(BadToken, match="IDX10511"):
        signer.verify(token[:-8], keys)

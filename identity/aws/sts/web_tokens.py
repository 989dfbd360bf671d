"""JSON Web Tokens of identity providers: taken apart, and checked against a provider's key set (RFC 7515, 7517, 7518).

A token cannot choose how it is checked: its algorithm must be one that AssumeRoleWithWebIdentity takes, and must fit the
kind of the key that its `kid` names. Wire facts: docs/reference/aws-wire.md#web-identity.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from brownout.identity.aws.errors import AwsError
from brownout.identity.core.messages import decode_json
from brownout.identity.core.records import Json, Jwk

NOT_A_TOKEN = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity"
    " documentation for requirements"
)
HASHES: Mapping[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: Mapping[str, tuple[ec.EllipticCurve, int, str]] = {  # by `crv`: the curve, bytes of a coordinate, its algorithm
    "P-256": (ec.SECP256R1(), 32, "ES256"),
    "P-384": (ec.SECP384R1(), 48, "ES384"),
    "P-521": (ec.SECP521R1(), 66, "ES512"),
}
RSA_ALGORITHMS = ("RS256", "RS384", "RS512")


def invalid_identity_token(message: str) -> AwsError:
    return AwsError.of("InvalidIdentityToken", message)


@dataclass(frozen=True, slots=True)
class WebToken:
    """A compact JWT, taken apart and not yet checked. `text` is the token as it came."""

    text: str
    header: Json
    claims: Json
    signature: bytes

    @property
    def signed(self) -> bytes:
        return self.text.rpartition(".")[0].encode("ascii")

    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences that it is for; `azp`, where there is one, stands for them (as AWS reads tokens)."""
        if "azp" in self.claims:
            return (str(self.claims["azp"]),)
        given = self.claims.get("aud", ())
        return (given,) if isinstance(given, str) else tuple(str(each) for each in given)


def read_token(text: str) -> WebToken:
    """The token in `text`; raises AwsError InvalidIdentityToken for what is no JWT."""
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii():
        raise invalid_identity_token(NOT_A_TOKEN)
    try:
        header, claims = (decode_json(_decode(part)) for part in parts[:2])
        return WebToken(text, header, claims, _decode(parts[2]))
    except (ValueError, binascii.Error):
        raise invalid_identity_token(NOT_A_TOKEN) from None


def check_signature(token: WebToken, key_set: Mapping[str, Jwk]) -> None:
    """Raises AwsError InvalidIdentityToken unless a key of `key_set` (by `kid`) signed the token."""
    jwk = key_set.get(str(token.header.get("kid")))
    if jwk is None:
        raise invalid_identity_token(NO_KEY)
    try:
        _verify(str(token.header.get("alg")), jwk, token.signed, token.signature)
    except InvalidSignature:
        raise invalid_identity_token("Provided Token's signature is invalid") from None
    except (KeyError, TypeError, ValueError, binascii.Error):  # the provider's key is no key
        raise invalid_identity_token(NO_KEY) from None


def _verify(algorithm: str, jwk: Jwk, signed: bytes, signature: bytes) -> None:
    """Raises InvalidSignature, also for an algorithm that is not the key's."""
    if jwk["kty"] == "RSA":
        if algorithm not in RSA_ALGORITHMS:
            raise InvalidSignature
        _rsa_key(str(jwk["n"]), str(jwk["e"])).verify(signature, signed, padding.PKCS1v15(), HASHES[algorithm[2:]])
        return
    curve, length, own_algorithm = CURVES[str(jwk["crv"])]
    if algorithm != own_algorithm or len(signature) != 2 * length:
        raise InvalidSignature
    r, s = (int.from_bytes(half, "big") for half in (signature[:length], signature[length:]))
    key = ec.EllipticCurvePublicNumbers(_integer(str(jwk["x"])), _integer(str(jwk["y"])), curve).public_key()
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(HASHES[algorithm[2:]]))


@lru_cache(maxsize=256)
def _rsa_key(modulus: str, exponent: str) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(_integer(exponent), _integer(modulus)).public_key()


def time_claim(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim that is a time, in epoch seconds; None where it is missing or no number."""
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _integer(text: str) -> int:
    return int.from_bytes(_decode(text), "big")

"""Identity providers that sign real JSON Web Tokens, by the algorithms that AssumeRoleWithWebIdentity takes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: Mapping[str, tuple[str, ec.EllipticCurve, int]] = {
    "ES256": ("P-256", ec.SECP256R1(), 32),
    "ES384": ("P-384", ec.SECP384R1(), 48),
    "ES512": ("P-521", ec.SECP521R1(), 66),
}


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def _ec_key(algorithm: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[algorithm][1])


@dataclass(frozen=True, slots=True)
class WebIdentityProvider:
    """An OpenID Connect provider with one key."""

    url: str = "https://idp.example.com"
    algorithm: str = "RS256"
    key_id: str = "key-1"
    header: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.url.removeprefix("https://")

    def jwk(self) -> dict[str, Any]:
        """Its public key."""
        if self.algorithm.startswith("RS"):
            numbers = _rsa_key().public_key().public_numbers()
            return {"kid": self.key_id, "kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        curve, _, length = CURVES[self.algorithm]
        point = _ec_key(self.algorithm).public_key().public_numbers()
        return {"kid": self.key_id, "kty": "EC", "crv": curve, "x": _number(point.x, length), "y": _number(point.y, length)}

    def token(self, now_s: float, **claims: Any) -> str:
        """A token of an hour for `alice` and the audience `app`; `claims` are added or take the place of these."""
        own = {"iss": self.url, "sub": "alice", "aud": "app", "iat": int(now_s), "exp": int(now_s) + 3600}
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.key_id, **self.header}
        signed = f"{_json(header)}.{_json({**own, **claims})}"
        return f"{signed}.{_text(self._signature(signed.encode()))}"

    def _signature(self, signed: bytes) -> bytes:
        digest = HASHES[self.algorithm[2:]]
        if self.algorithm.startswith("RS"):
            return _rsa_key().sign(signed, padding.PKCS1v15(), digest)
        length = CURVES[self.algorithm][2]
        r, s = decode_dss_signature(_ec_key(self.algorithm).sign(signed, ec.ECDSA(digest)))
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def _json(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _number(value: int, length: int | None = None) -> str:
    return _text(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))

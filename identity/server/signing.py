"""Real signatures for the emulated service: compact JWTs by RS256 (default) or ES256, shaped like a v1 access token.

A key's algorithm is the key's own: `verify` takes it from the key set and never from the token, so a token cannot
choose how it is checked. Parsed keys are cached, because parsing costs more than an ES256 signature. An RSA key has a
certificate that it signs itself, as Entra's have; `x5t` of the key and of its tokens is its thumbprint. It is the same at every
node: a signature by RS256 has one value, and nothing else in the certificate is drawn. ES256 keys have none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID

from brownout.identity.core.ports import BadToken

Algorithm = Literal["ES256", "RS256"]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
COORDINATE_BYTES = 32  # P-256: a signature is r and s, each this long (RFC 7518 section 3.4)
RSA_KEY_BITS = 2048
RSA_EXPONENT = 65537
CERTIFICATE_NAME = "accounts.accesscontrol.windows.net"
CERTIFICATE_SERIAL = 1
CERTIFICATE_LIFE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)  # longer than any stack's clock


class JwtSigner:
    """The signing port of brownout.identity.core.ports with real cryptography. `algorithm` is that of keys yet to be made."""

    def __init__(self, algorithm: Algorithm = "RS256") -> None:
        self.algorithm: Algorithm = algorithm
        self._ahead = ""

    def make_ahead(self) -> None:
        """Makes the key that the next `generate` returns, and its certificate, before a client waits for them."""
        self._ahead = self._made()
        self.public("", self._ahead)

    def generate(self, key_id: str) -> str:
        """A new private key in PEM (PKCS 8), each returned once. RS256 takes up to 0.1 s, less for one made ahead."""
        made, self._ahead = self._ahead or self._made(), ""
        return made

    def _made(self) -> str:
        key: PrivateKey
        if self.algorithm == "ES256":
            key = ec.generate_private_key(ec.SECP256R1())
        else:
            key = rsa.generate_private_key(RSA_EXPONENT, RSA_KEY_BITS)
        encoding, layout = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return key.private_bytes(encoding, layout, serialization.NoEncryption()).decode()

    def public(self, key_id: str, private: str) -> Mapping[str, Any]:
        """The public half as a JSON Web Key with `kid`, `use`, `alg`, `kty` and its numbers; RSA's have `x5t` and `x5c`."""
        key = _private(private)
        common = {"kid": key_id, "use": "sig", "alg": _algorithm(key)}
        if isinstance(key, ec.EllipticCurvePrivateKey):
            point = key.public_key().public_numbers()
            numbers = {"x": _number(point.x, COORDINATE_BYTES), "y": _number(point.y, COORDINATE_BYTES)}
            return {"kty": "EC", "crv": "P-256", **common, **numbers}
        modulus = key.public_key().public_numbers()
        numbers = {"n": _number(modulus.n), "e": _number(modulus.e)}
        chain = [base64.b64encode(_certificate(private)).decode()]
        return {"kty": "RSA", **common, **numbers, "x5t": _thumbprint(private), "x5c": chain}

    def sign(self, key_id: str, private: str, claims: Mapping[str, Any]) -> str:
        """A compact JWT over `claims` whose header names `key_id` in `kid`, and its certificate, if it has one, in `x5t`."""
        key = _private(private)
        x5t = _thumbprint(private) if isinstance(key, rsa.RSAPrivateKey) else ""
        signed = b".".join((_header(_algorithm(key), key_id, x5t), _encode(orjson.dumps(dict(claims)))))
        return b".".join((signed, _encode(_signature(key, signed)))).decode()

    def verify(self, token: str, key_set: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """The claims of `token` if a key of `key_set` (by `kid`) signed it; raises BadToken. Times are not checked."""
        signed, header, claims, signature = _take_apart(token)
        key_id = header.get("kid")
        jwk = key_set.get(key_id) if isinstance(key_id, str) else None
        if jwk is None:
            raise BadToken(f"IDX10501: Signature validation failed. Unable to match key: kid: '{key_id}'.")
        if header.get("alg") != jwk["alg"]:
            raise BadToken(f"IDX10696: The algorithm '{header.get('alg')}' is not allowed for kid '{key_id}'.")
        try:
            _check(_public(orjson.dumps(dict(jwk))), signed, signature)
        except InvalidSignature:
            raise BadToken(f"IDX10511: Signature validation failed. Keys tried: kid '{key_id}'.") from None
        return claims


def _take_apart(token: str) -> tuple[bytes, Mapping[str, Any], Mapping[str, Any], bytes]:
    """The signed part, the header, the claims and the signature of a compact JWT; raises BadToken."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BadToken("IDX12741: JWT must have three segments (JWS).")
    try:
        header, claims = (orjson.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
        signed = token.rpartition(".")[0].encode("ascii")
    except (ValueError, binascii.Error) as problem:
        raise BadToken("IDX12729: Unable to decode the token as Base64Url encoded JSON.") from problem
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise BadToken("IDX12729: Unable to decode the token as Base64Url encoded JSON objects.")
    return signed, header, claims, signature


def _signature(key: PrivateKey, signed: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(COORDINATE_BYTES, "big") + s.to_bytes(COORDINATE_BYTES, "big")


def _check(key: PublicKey, signed: bytes, signature: bytes) -> None:
    """Raises InvalidSignature."""
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        return
    if len(signature) != 2 * COORDINATE_BYTES:
        raise InvalidSignature
    r, s = (int.from_bytes(half, "big") for half in (signature[:COORDINATE_BYTES], signature[COORDINATE_BYTES:]))
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


def _algorithm(key: PrivateKey) -> Algorithm:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"


@lru_cache(maxsize=256)
def _private(pem: str) -> PrivateKey:
    # Unchecked: the stack made its keys itself, and to check one for RS256 takes longer than to make another.
    key = serialization.load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"cannot sign with a {type(key).__name__}")
    return key


@lru_cache(maxsize=256)
def _public(jwk_json: bytes) -> PublicKey:
    jwk = orjson.loads(jwk_json)
    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(_integer(jwk["e"]), _integer(jwk["n"])).public_key()
    return ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), ec.SECP256R1()).public_key()


@lru_cache(maxsize=256)
def _header(algorithm: Algorithm, key_id: str, x5t: str) -> bytes:
    named = {"x5t": x5t} if x5t else {}
    return _encode(orjson.dumps({"typ": "JWT", "alg": algorithm, **named, "kid": key_id}))


@lru_cache(maxsize=256)
def _certificate(pem: str) -> bytes:
    """The certificate of an RSA key, in DER: the same one whenever it is made."""
    key = _private(pem)
    assert isinstance(key, rsa.RSAPrivateKey), "only RSA signs the same way each time"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CERTIFICATE_NAME)])
    made = x509.CertificateBuilder(name, name, key.public_key(), CERTIFICATE_SERIAL, *CERTIFICATE_LIFE)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@lru_cache(maxsize=256)
def _thumbprint(pem: str) -> str:
    """The SHA-1 thumbprint of an RSA key's certificate, as `x5t` has it (RFC 7517 section 4.8)."""
    return _encode(hashlib.sha1(_certificate(pem), usedforsecurity=False).digest()).decode()


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _number(value: int, length: int | None = None) -> str:
    return _encode(value.to_bytes(length or (value.bit_length() + 7) // 8, "big")).decode()


def _integer(text: str) -> int:
    return int.from_bytes(_decode(text), "big")

"""The simulation's signing port: HMAC in place of public-key signatures."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from brownout.harness.base.keyed_random import keyed_id
from brownout.identity.core.ports import BadToken

_COMPACT = json.JSONEncoder(separators=(",", ":"))  # made once: `json.dumps` makes one for each call with separators


class KeyedSigner:
    """Signatures that cost microseconds and are the same in every run: HMAC under a key made from the key id.

    Real signing is forty times dearer than the whole event loop, and its randomness would break equal histories. What
    the nodes do with a signature that is wrong, unknown or expired is the same.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def generate(self, key_id: str) -> str:
        return keyed_id(self._seed, "signing", key_id)

    def public(self, key_id: str, private: str) -> Mapping[str, Any]:
        return {"kid": key_id, "use": "sig", "alg": "HS256", "kty": "oct", "k": private}

    def sign(self, key_id: str, private: str, claims: Mapping[str, Any]) -> str:
        head = _encode({"typ": "JWT", "alg": "HS256", "kid": key_id})
        body = _encode(claims)
        return f"{head}.{body}.{_mac(private, f'{head}.{body}')}"

    def verify(self, token: str, key_set: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        parts = token.split(".")
        if len(parts) != 3:
            raise BadToken("it is not a JWT")
        try:
            header, claims = _decode(parts[0]), _decode(parts[1])
        except ValueError as broken:
            raise BadToken("it cannot be decoded") from broken
        key = key_set.get(str(header.get("kid")))
        if key is None:
            raise BadToken(f"no key {header.get('kid')!r}")
        expected = _mac(str(key["k"]), f"{parts[0]}.{parts[1]}")
        if not hmac.compare_digest(expected.encode(), parts[2].encode()):
            raise BadToken("the signature does not match")
        return claims


def _encode(value: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(_COMPACT.encode(value).encode()).decode().rstrip("=")


def _decode(text: str) -> dict[str, Any]:
    found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if not isinstance(found, dict):
        raise ValueError(text)
    return found


def _mac(key: str, text: str) -> str:
    return hmac.digest(key.encode(), text.encode(), "sha256").hex()[:43]

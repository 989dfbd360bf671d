"""Session tokens of IMDSv2: made by a PUT, good for one machine and a time that the caller chooses.

A token holds its own end and a seal over it, so a host keeps none: a client that makes a token for each call, as SDKs do,
costs no memory, and a token outlives a restart of the host. Wire facts: docs/reference/aws-wire.md#imdsv2-tokens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache

SHORTEST_S, LONGEST_S = 1, 21_600
_HEAD = b"\x01\x00\x00\x00"
_LENGTH, _SEALED = 40, 16  # bytes of a token, and of those before its seal


def lifetime(given: str) -> int | None:
    """The seconds that the header asks for; None for a value that no token can have."""
    if not (given.isascii() and given.isdigit()) or len(given) > len(str(LONGEST_S)):
        return None
    return int(given) if SHORTEST_S <= int(given) <= LONGEST_S else None


class SessionTokens:
    """Makes and checks the tokens of one host's machines."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def make(self, machine: str, *, ends_s: float, nonce: str) -> str:
        """A token of the machine of that address, good until `ends_s`; `nonce` makes two of one moment differ."""
        unique = hashlib.sha256(nonce.encode()).digest()[:4]
        content = _HEAD + int(ends_s * 1000).to_bytes(8, "big") + unique
        assert len(content) == _SEALED, content
        return base64.urlsafe_b64encode(content + self._seal(machine, content)).decode()

    def ends_s(self, token: str, machine: str) -> float | None:
        """When a token of that machine ends, in emulated seconds; None for what was not made by `make` for it."""
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        content, seal = raw[:_SEALED], raw[_SEALED:]
        if len(raw) != _LENGTH or not hmac.compare_digest(seal, self._seal(machine, content)):
            return None
        return int.from_bytes(content[4:12], "big") / 1000

    def _seal(self, machine: str, content: bytes) -> bytes:
        return hmac.digest(_key(self._secret, machine), content, "sha256")[: _LENGTH - _SEALED]


@lru_cache(maxsize=1024)  # a machine asks again and again
def _key(secret: bytes, machine: str) -> bytes:
    """What the tokens of the machine of that address are sealed with, on hosts with that secret."""
    return hmac.digest(secret, b"aws-metadata-token " + machine.encode(), "sha256")

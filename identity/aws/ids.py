"""Ids and secrets of IAM in the form that clients know: `AIDA...` for a user, `AKIA...` for a long-term access key.

The chance comes in as text (UUIDs of a node's ports), so the same run makes the same ids. An access key's id holds its
account, as those of the real service do: no lookup is needed to learn which account a key belongs to
(docs/reference/aws-wire.md#ids-of-iam).
"""

from __future__ import annotations

import base64
import hashlib
from binascii import b2a_base64
from functools import lru_cache

USER, ROLE, GROUP, POLICY, INSTANCE_PROFILE = "AIDA", "AROA", "AGPA", "ANPA", "AIPA"
ACCESS_KEY, SESSION_KEY = "AKIA", "ASIA"
CERTIFICATE, PUBLIC_KEY, SERVICE_CREDENTIAL = "ASCA", "APKA", "ACCA"

_UNIQUE_LENGTH, _KEY_LENGTH = 17, 16  # characters after the prefix
_UNIQUE_BYTES = 15  # enough for the first 24 characters of base 32
_KEY_BYTES = 10  # what 16 characters of base 32 hold: a bit that is 1, the account in 40 bits, 39 bits of chance
_CHANCE_BITS, _ACCOUNT_BITS = 39, 40
_ID_BYTES, _SECRET_BYTES, _NONCE_BYTES = 5, 30, 12
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS: tuple[str, ...] = tuple(first + second for first in _DIGITS for second in _DIGITS)


@lru_cache(maxsize=64)  # every part of every node of a stack asks
def account_id(seed: int) -> str:
    """The 12 digits of the account of a stack with that seed; the first is never 0."""
    digest = hashlib.sha256(f"account {seed}".encode()).digest()
    return str(10**11 + int.from_bytes(digest[:8], "big") % (9 * 10**11))


def unique_id(prefix: str, chance: str) -> str:
    """The id of a user, role, group and so on: prefix and 17 characters of base 32, decided by `chance`."""
    return prefix + base64.b32encode(_digest(prefix, chance)[:_UNIQUE_BYTES]).decode()[:_UNIQUE_LENGTH]


def access_key_id(prefix: str, account: str, chance: str) -> str:
    """The id of an access key of the account, long-term (AKIA) or of a session (ASIA): 20 characters."""
    return _access_key_id(prefix, account, _digest(prefix, chance))


def _access_key_id(prefix: str, account: str, chance: bytes) -> str:
    beginning, rest = _beginning(prefix, account)
    # The last 40 bits, one of the account and 39 of chance, are eight characters of five bits, looked up two at a time.
    number, pairs = rest | int.from_bytes(chance[:_ID_BYTES], "big") >> 1, _PAIRS
    return f"{beginning}{pairs[number >> 30]}{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"


@lru_cache(maxsize=64)
def _beginning(prefix: str, account: str) -> tuple[str, int]:
    """The first twelve characters of the ids of an account's keys, and the bit of it that is in the thirteenth."""
    # Of the 80 bits (1, the account, chance) the first 40 are eight characters; of the account's, one bit is left over.
    number = (1 << _ACCOUNT_BITS | int(account)) << _CHANCE_BITS
    shifts = (number >> 70, number >> 60 & 1023, number >> 50 & 1023, number >> 40 & 1023)
    return prefix + "".join(_PAIRS[pair] for pair in shifts), number & (1 << 40) - 1


def session_keys(account: str, chance: bytes) -> tuple[str, str, bytes]:
    """The id and the secret of a session's key, and a nonce to seal both with: parts of `chance` that do not overlap."""
    assert len(chance) >= _ID_BYTES + _SECRET_BYTES + _NONCE_BYTES, "a session's keys take so much chance"
    secret = b2a_base64(chance[_ID_BYTES : _ID_BYTES + _SECRET_BYTES], newline=False).decode()
    return _access_key_id(SESSION_KEY, account, chance), secret, chance[-_NONCE_BYTES:]


def account_of(key_id: str) -> str:
    """The account of an access key's id; raises ValueError for what is no such id."""
    if len(key_id) != len(ACCESS_KEY) + _KEY_LENGTH:
        raise ValueError(f"{key_id!r} is not the id of an access key")
    number = int.from_bytes(base64.b32decode(key_id[len(ACCESS_KEY) :]), "big")
    return f"{(number >> _CHANCE_BITS) % (1 << _ACCOUNT_BITS):012d}"


def secret_access_key(*chance: str) -> str:
    """The 40 characters of a secret access key, as unpredictable as `chance` (up to 240 bits)."""
    return b2a_base64(hashlib.sha256("\n".join(("secret", *chance)).encode()).digest()[:_SECRET_BYTES], newline=False).decode()


def _digest(prefix: str, chance: str) -> bytes:
    return hashlib.sha256(f"{prefix} {chance}".encode()).digest()

"""Session tokens: a session sealed so that only the stack's own regions can open, read or change it.

No region keeps a list of the sessions that it issued. The token holds the whole session, the secret included, encrypted
and authenticated with AES-256-GCM under a sealing key. Sealing keys are made in the control plane and published ahead of
their time to all regions, so a region without the control plane issues tokens until its newest key ends, and opens what
was issued for as long as it knows the key. A token on the wire is Base64 of

    format, 1 byte | length of the key's id, 1 byte | the key's id | nonce, 12 bytes | ciphertext and tag

of which all before the nonce is authenticated too. Wire facts: docs/reference/aws-wire.md#session-tokens.
"""

from __future__ import annotations

import base64
import hashlib
from binascii import b2a_base64
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import inf

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brownout.identity.aws.auth.account import AccountView, SealingKeyView
from brownout.identity.aws.auth.caller import CALLER_KINDS, Session

NewId = Callable[[], str]  # `Ports.new_id`
SEALING_KEY_BYTES = 32
_FORMAT, _NONCE_BYTES, _TAG_BYTES = 0x21, 12, 16
_LONGEST_KEY_ID = 64
_HEAD_CHARACTERS = (2 + _LONGEST_KEY_ID) // 3 * 4  # of Base64: the format, the length and the longest id


class UnreadableToken(Exception):
    """A session token that no known sealing key opens: made up, changed, or sealed with a key that is not known here."""


def newest_key(keys: Iterable[SealingKeyView], now_s: float) -> SealingKeyView | None:
    """The key to seal with now: of those that are valid the one that ends last; None when all have ended."""
    valid = [key for key in keys if key.from_s <= now_s < key.until_s]
    return max(valid, key=lambda key: (key.until_s, key.key_id), default=None)


@dataclass(frozen=True, slots=True)
class SealingSpan:
    """The key to seal with, None for none, for as long as no key begins or ends: from `from_s` to before `until_s`."""

    key: SealingKeyView | None
    from_s: float
    until_s: float

    @classmethod
    def at(cls, keys: Collection[SealingKeyView], now_s: float) -> SealingSpan:
        """The span that `now_s` lies in."""
        changes = [at_s for key in keys for at_s in (key.from_s, key.until_s)]
        begins_s = max((at_s for at_s in changes if at_s <= now_s), default=-inf)
        ends_s = min((at_s for at_s in changes if at_s > now_s), default=inf)
        return cls(newest_key(keys, now_s), begins_s, ends_s)


def seal(session: Session, key: SealingKeyView, new_id: NewId, *, least_bytes: int = 0) -> str:
    """The session token of a session, at least `least_bytes` long; two tokens of one session differ."""
    return seal_with(
        session, key, hashlib.sha256(f"nonce {new_id()}".encode()).digest()[:_NONCE_BYTES], least_bytes=least_bytes
    )


def seal_with(session: Session, key: SealingKeyView, nonce: bytes, *, least_bytes: int = 0) -> str:
    """The same with a nonce of 12 bytes by chance, which nothing else is sealed with."""
    head, cipher = _sealer(key.key_id, key.key)
    assert len(nonce) == _NONCE_BYTES, "a nonce is as long as the format says"
    assert session.kind in CALLER_KINDS, session.kind
    assert session.issued_s <= session.expires_s, "a session ends after it begins"
    text = orjson.dumps(session.packed())
    if least_bytes:
        around = len(head) + _NONCE_BYTES + _TAG_BYTES
        text = text.ljust(-(-least_bytes * 3 // 4) - around)  # JSON may end with blanks
    return b2a_base64(head + nonce + cipher.encrypt(nonce, text, head), newline=False).decode()


@lru_cache(maxsize=64)
def _sealer(key_id: str, key: bytes) -> tuple[bytes, AESGCM]:
    """What all tokens under a key begin with, and what seals the rest."""
    name = key_id.encode()
    assert 0 < len(name) <= _LONGEST_KEY_ID, "a sealing key's id is short"
    return bytes((_FORMAT, len(name))) + name, _cipher(key)


def open_token(token: str, account: AccountView) -> Session:
    """The session in a session token; raises UnreadableToken. Its end is not checked."""
    name = _key_id(token)
    key = account.sealing_key(name)
    if key is None:
        raise UnreadableToken(f"no sealing key {name!r}")
    return _opened(token, key.key)


def _key_id(token: str) -> str:
    """The id of the sealing key that the head of a token names."""
    try:
        head = base64.b64decode(token[:_HEAD_CHARACTERS], validate=True)
        return head[2 : 2 + head[1]].decode("ascii")
    except (ValueError, IndexError) as wrong:
        raise UnreadableToken(str(wrong)) from None


@lru_cache(maxsize=4096)  # only what was opened stays, and of that the service itself bounds the size
def _opened(token: str, key: bytes) -> Session:
    try:
        raw = base64.b64decode(token, validate=True)
    except ValueError as wrong:
        raise UnreadableToken(str(wrong)) from None
    end = 2 + raw[1]
    head, nonce, sealed = raw[:end], raw[end : end + _NONCE_BYTES], raw[end + _NONCE_BYTES :]
    if raw[0] != _FORMAT or not sealed or base64.b64encode(raw).decode() != token:  # Base64 has spare bits at its end
        raise UnreadableToken("not the form of a session token")
    try:
        text = _cipher(key).decrypt(nonce, sealed, head)
    except (InvalidTag, ValueError):
        raise UnreadableToken("the token was not sealed by this stack") from None
    return Session.unpacked(orjson.loads(text))


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    assert len(key) == SEALING_KEY_BYTES
    return AESGCM(key)

"""Session tokens: a session sealed so that every region of the stack can open it and nobody else can read or change it.

No region keeps a list of the sessions that it issued. The token holds the whole session, the secret included, encrypted
and authenticated with AES-256-GCM under a sealing key. Sealing keys are made in the control plane and published ahead of
their time to all regions, so a region without the control plane issues tokens until its newest key ends, and opens what
was issued for as long as it knows the key. A token on the wire is Base64 of

    format, 1 byte | length of the key's id, 1 byte | the key's id | nonce, 12 bytes | ciphertext and tag

of which all before the nonce is authenticated too. Wire facts: docs/reference/aws-wire.md#session-tokens.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brownout.identity.aws.auth.account import AccountView, SealingKeyView
from brownout.identity.aws.auth.caller import Session

NewId = Callable[[], str]  # `Ports.new_id`
SEALING_KEY_BYTES = 32
_FORMAT, _NONCE_BYTES = 0x21, 12
_LONGEST_KEY_ID = 64


class UnreadableToken(Exception):
    """A session token that no known sealing key opens: made up, changed, or sealed with a key that is not known here."""


def key_material(new_id: NewId) -> bytes:
    """A new sealing key, as random as the ids of the ports are."""
    return hashlib.sha256(f"sealing key {new_id()} {new_id()}".encode()).digest()


def newest_key(keys: Iterable[SealingKeyView], now_s: float) -> SealingKeyView | None:
    """The key to seal with now: of those that are valid the one that ends last; None when all have ended."""
    valid = [key for key in keys if key.from_s <= now_s < key.until_s]
    return max(valid, key=lambda key: (key.until_s, key.key_id), default=None)


def seal(session: Session, key: SealingKeyView, new_id: NewId) -> str:
    """The session token of a session; two tokens of one session differ."""
    name = key.key_id.encode()
    assert 0 < len(name) <= _LONGEST_KEY_ID, "a sealing key's id is short"
    head = bytes((_FORMAT, len(name))) + name
    nonce = hashlib.sha256(f"nonce {new_id()}".encode()).digest()[:_NONCE_BYTES]
    text = json.dumps(session.to_json(), ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(head + nonce + _cipher(key.key).encrypt(nonce, text, head)).decode()


def open_token(token: str, account: AccountView) -> Session:
    """The session in a session token; raises UnreadableToken. Its end is not checked."""
    name, head, sealed = _take_apart(token)
    key = account.sealing_key(name)
    if key is None:
        raise UnreadableToken(f"no sealing key {name!r}")
    return _opened(key.key, head, sealed)


@lru_cache(maxsize=4096)
def _take_apart(token: str) -> tuple[str, bytes, bytes]:
    """The id of the sealing key, the authenticated head, and what is sealed."""
    try:
        raw = base64.b64decode(token, validate=True)
        end = 2 + raw[1]
        name = raw[2:end].decode("ascii")
    except (binascii.Error, ValueError, IndexError) as wrong:
        raise UnreadableToken(str(wrong)) from None
    if raw[0] != _FORMAT or len(raw) <= end + _NONCE_BYTES or base64.b64encode(raw).decode() != token:
        raise UnreadableToken("not the form of a session token")
    return name, raw[:end], raw[end:]


@lru_cache(maxsize=4096)  # only what was opened stays, and its size is bounded by what the service issues
def _opened(key: bytes, head: bytes, sealed: bytes) -> Session:
    try:
        text = _cipher(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], head)
    except InvalidTag:
        raise UnreadableToken("the token was not sealed by this stack") from None
    return Session.from_json(json.loads(text))


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    assert len(key) == SEALING_KEY_BYTES
    return AESGCM(key)

"""Why a request was denied, as a message that only the account can read: sealed here, opened by DecodeAuthorizationMessage.

The text has the form that AWS documents for decoded messages (docs/reference/aws-wire.md#authorization-messages). It is
sealed with a key made from a token-sealing key, so every region can open what another one wrote.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brownout.identity.aws.auth.sealing import newest_key
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.context import RequestContext
from brownout.identity.aws.policy.evaluate import Decision, MatchedStatement
from brownout.identity.aws.records.published import PublishedAccount

NONCE_BYTES = 12
DENIAL_HEADER = "x-brownout-authorization-message"


class AccessDeniedError(AwsError):
    """An AccessDenied that knows the request and the decision, for those who may read why."""

    def __init__(self, message: str, context: RequestContext, decision: Decision) -> None:
        super().__init__("AccessDenied", 403, message)
        self.context = context
        self.decision = decision


class UnreadableMessage(Exception):
    """An authorization message that no key of the account opens."""


def seal_message(denied: AccessDeniedError, account: PublishedAccount, now_s: float, new_id: Callable[[], str]) -> str | None:
    """The encoded message of a denial; None while the region has no key to seal it with."""
    key = newest_key(account.sealing_keys.values(), now_s)
    if key is None:
        return None
    head = key.key_id.encode()
    nonce = hashlib.sha256(f"message {new_id()}".encode()).digest()[:NONCE_BYTES]
    text = json.dumps(_told(denied.context, denied.decision), separators=(",", ":"))
    sealed = _cipher(key.key).encrypt(nonce, zlib.compress(text.encode()), head)
    return base64.urlsafe_b64encode(bytes((len(head),)) + head + nonce + sealed).decode()


def read_message(encoded: str, account: PublishedAccount) -> str:
    """The decoded message, a JSON text; raises UnreadableMessage."""
    try:
        raw = base64.b64decode(encoded, altchars=b"-_", validate=True)
        end = 1 + raw[0]
        key = account.sealing_key(raw[1:end].decode("ascii"))
        if key is None:
            raise UnreadableMessage("no such key")
        nonce, sealed = raw[end : end + NONCE_BYTES], raw[end + NONCE_BYTES :]
        return zlib.decompress(_cipher(key.key).decrypt(nonce, sealed, raw[1:end])).decode()
    except (binascii.Error, ValueError, IndexError, InvalidTag) as wrong:
        raise UnreadableMessage(str(wrong)) from None


def _cipher(sealing_key: bytes) -> AESGCM:
    return AESGCM(hmac.digest(sealing_key, b"authorization messages", "sha256"))


def _told(context: RequestContext, decision: Decision) -> dict[str, Any]:
    principal = context.principal
    keys = context.keys.items()
    conditions = [{"key": name, "values": _items({"value": value} for value in values)} for name, values in keys]
    return {
        "allowed": decision.allowed,
        "explicitDeny": decision.reason == "explicitDeny",
        "matchedStatements": _items(map(_statement, decision.matched)),
        "failures": _items(()),
        "context": {
            "principal": {"id": principal.user_id, "name": principal.user_name, "arn": principal.arn},
            "action": context.action,
            "resource": context.resource,
            "conditions": _items(conditions),
        },
    }


def _statement(match: MatchedStatement) -> Mapping[str, Any]:
    return {"statementId": match.statement.sid, "effect": match.statement.effect.upper(), "policyType": match.layer}


def _items(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"items": list(values)}

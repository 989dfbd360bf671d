"""Store keys: who may sign requests to a region's store, and how a node chooses the key that it signs with.

Every request to a store carries `authorization: SharedKey <key id>:<signature>`, an HMAC over method, path, date and body.
The store refuses a key that is not valid *now*. A node of build 1.0 signs with the manual key it was installed with;
configuration can force it to the managed key. A node of build 2.0 prefers the managed key, falls back to the manual one, and
after a refusal tries the other, so a roll-over costs it nothing (claims C11, C14, C15, C20).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brownout.identity.core.messages import Request

MANUAL, MANAGED = "manual", "managed"


@dataclass(frozen=True, slots=True)
class StoreKey:
    """A secret that signs requests to `region`'s store."""

    region: str
    key_id: str
    kind: str
    secret: str

    def to_record(self) -> dict[str, str]:
        return {"region": self.region, "key_id": self.key_id, "kind": self.kind, "secret": self.secret}


def manual_key(region: str, secret: str) -> StoreKey:
    """The key that a region's store and all nodes are installed with."""
    return StoreKey(region, f"manual-{region}-1", MANUAL, secret)


def signature(secret: str, request: Request, date: str) -> str:
    """The HMAC-SHA256 of the request as hexadecimal text."""
    body = json.dumps(request.body, sort_keys=True, separators=(",", ":")) if request.body is not None else ""
    text = "\n".join((request.method, request.path, date, body))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signed(request: Request, key: StoreKey, date: str) -> Request:
    """The request with its date and authorization."""
    authorization = f"SharedKey {key.key_id}:{signature(key.secret, request, date)}"
    return request.with_headers({"x-ms-date": date, "authorization": authorization})


@dataclass(slots=True)
class KeyRing:
    """What a store accepts: its keys, and overlays by fault id that make some valid or invalid.

    An overlay of `revoked` maps a key id to the emulated time from which it is refused; one of `accepted` names keys
    that are valid whatever else says. Removing an overlay restores exactly what it changed.
    """

    keys: dict[str, StoreKey] = field(default_factory=dict)
    revoked: dict[str, Mapping[str, float]] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)

    def valid_until_s(self, key_id: str) -> float:
        """When the key stops or stopped being valid; infinity when nothing ends it; -infinity for an unknown key."""
        if key_id not in self.keys:
            return float("-inf")
        if key_id in self.accepted.values():
            return float("inf")
        return min((ends[key_id] for ends in self.revoked.values() if key_id in ends), default=float("inf"))

    def accepts(self, request: Request, now_s: float) -> str:
        """Why the request is refused; an empty text when it is signed with a key that is valid now."""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        key_id, _, given = credentials.partition(":")
        if scheme != "SharedKey" or not given:
            return "the request is not signed"
        key = self.keys.get(key_id)
        if key is None:
            return f"no key {key_id}"
        if now_s >= self.valid_until_s(key_id):
            return f"key {key_id} is not valid"
        expected = signature(key.secret, request, request.headers.get("x-ms-date", ""))
        same = hmac.compare_digest(expected.encode(), given.encode())
        return "" if same else f"the signature does not match key {key_id}"

    def of_kind(self, kind: str) -> tuple[str, ...]:
        return tuple(key.key_id for key in self.keys.values() if key.kind == kind)

    def resolve(self, name: str) -> str:
        """A key id from an id, a kind (its newest key) or `current` (the newest of all); raises KeyError."""
        if name in self.keys:
            return name
        found = tuple(self.keys) if name == "current" else self.of_kind(name)
        if not found:
            raise KeyError(f"no key {name!r}; the store has {', '.join(self.keys)}")
        return found[-1]

    def report(self, now_s: float) -> list[dict[str, Any]]:
        """Every key with its id, kind and validity, never its secret."""
        ends = {key_id: self.valid_until_s(key_id) for key_id in self.keys}
        return [
            {
                "key_id": key.key_id,
                "kind": key.kind,
                "valid": now_s < ends[key.key_id],
                "valid_until_s": None if ends[key.key_id] == float("inf") else ends[key.key_id],
            }
            for key in self.keys.values()
        ]

"""Store keys: what signs requests to a region's store, and which keys a store accepts.

Every request to a store carries `authorization: StoreKey ID:SIGNATURE` and `x-store-date`. The signature is an HMAC over
method, raw target, date and payload. The store refuses a key that is not valid *now*. Which key a node signs with is the
business of brownout.identity.core.store_client.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brownout.identity.core.messages import Request
from brownout.identity.core.records import MANUAL, StoreKey

SCHEME, DATE_HEADER = "StoreKey", "x-store-date"
ALWAYS, NEVER = float("inf"), float("-inf")


def manual_key(region: str, secret: str) -> StoreKey:
    """The key that a region's store and all nodes are installed with."""
    return StoreKey(region, f"manual-{region}-1", MANUAL, secret)


def signature(secret: str, request: Request, date: str) -> str:
    """The HMAC-SHA256 of the request as hexadecimal text."""
    head = f"{request.method}\n{request.target}\n{date}\n"
    return hmac.digest(secret.encode(), head.encode() + request.payload, "sha256").hex()


def signed(request: Request, key: StoreKey, date: str) -> Request:
    """The request with its date and authorization."""
    authorization = f"{SCHEME} {key.key_id}:{signature(key.secret, request, date)}"
    return request.with_headers({DATE_HEADER: date, "authorization": authorization})


@dataclass(slots=True)
class KeyUses:
    """When each key last signed a request that the store accepted, as far as this life of the store has seen any."""

    since_s: float
    last_s: dict[str, float] = field(default_factory=dict)

    def idle_s(self, key_id: str, now_s: float) -> float:
        """For how long the key has signed nothing for certain: what was before this life of the store is not known."""
        return now_s - self.last_s.get(key_id, self.since_s)


def key_id_of(request: Request) -> str:
    """The id of the key that a signed request names, "" for a request that is not signed."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    key_id, _, given = credentials.partition(":")
    return key_id if scheme == SCHEME and given else ""


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
            return NEVER
        if key_id in self.accepted.values():
            return ALWAYS
        return min((ends[key_id] for ends in self.revoked.values() if key_id in ends), default=ALWAYS)

    def accepts(self, request: Request, now_s: float) -> str:
        """Why the request is refused; an empty text when it is signed with a key that is valid now."""
        key_id = key_id_of(request)
        if not key_id:
            return "the request is not signed"
        key = self.keys.get(key_id)
        if key is None:
            return f"no key {key_id}"
        if now_s >= self.valid_until_s(key_id):
            return f"key {key_id} is not valid"
        given = request.headers["authorization"].partition(":")[2]
        expected = signature(key.secret, request, request.headers.get(DATE_HEADER, ""))
        same = hmac.compare_digest(expected.encode(), given.encode())
        return "" if same else f"the signature does not match key {key_id}"

    def of_kind(self, kind: str) -> tuple[str, ...]:
        return tuple(key.key_id for key in self.keys.values() if key.kind == kind)

    def resolve(self, name: str) -> str:
        """A key id from an id, a kind (its newest key) or `current` (the newest of all); raises ValueError."""
        if name in self.keys:
            return name
        found = tuple(self.keys) if name == "current" else self.of_kind(name)
        if not found:
            raise ValueError(f"no key {name!r}; the store has {', '.join(self.keys)}")
        return found[-1]

    def report(self, now_s: float) -> list[dict[str, Any]]:
        """Every key with its id, kind and validity, never its secret."""
        ends = {key_id: self.valid_until_s(key_id) for key_id in self.keys}
        return [
            {
                "key_id": key.key_id,
                "kind": key.kind,
                "valid": now_s < ends[key.key_id],
                "valid_until_s": None if ends[key.key_id] == ALWAYS else ends[key.key_id],
            }
            for key in self.keys.values()
        ]

"""A verifier's copy of the published key set: fetched from a token node of its region, kept for a while, kept longer in need.

Theory: a verifier must neither ask for keys at each request nor trust a key for ever. So the set is fetched anew when it is
`verifier_refresh_s` old, and what was fetched takes the old set's place: a key that was withdrawn is refused from then on.
A token of an unknown key makes it fetch earlier, but not again within five minutes, or strangers could make it ask all the
time. Where fetching fails the last good set stays, each of its keys until it was last seen `verifier_ttl_s` ago.
Wire facts: docs/reference/azure-wire.md#verifiers-key-sets.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from brownout.identity.azure.entra.pages import KEYS
from brownout.identity.core.messages import CallFailed, Request, decode_json
from brownout.identity.core.node import Node
from brownout.identity.core.records import Jwk
from brownout.identity.core.settings import Settings

UNKNOWN_KEY_PAUSE_S = 300.0
NEVER_S = float("-inf")


def key_cache_s(settings: Settings) -> float:
    """For how long at most a verifier goes by a key set without asking again, when it is shown a token of a key not in it."""
    return min(UNKNOWN_KEY_PAUSE_S, settings.verifier_refresh_s) if settings.verifier_refetches else settings.verifier_refresh_s


class FetchedKeys:
    """The key set that one verifier goes by. It lives in memory: a verifier that starts anew fetches before it judges."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._refresh_s, self._ttl_s = node.settings.verifier_refresh_s, node.settings.verifier_ttl_s
        self._refetches = node.settings.verifier_refetches
        self._set: Mapping[str, Jwk] = {}
        self._fetched_s = NEVER_S  # when a set was fetched last
        self._tried_s = NEVER_S  # when it was last asked for one

    @property
    def keys(self) -> Mapping[str, Jwk]:
        """The keys that are trusted now, by key id."""
        return self._set if self._node.ports.now() < self._fetched_s + self._ttl_s else {}

    async def follow(self, token: str) -> None:
        """Fetches the set if it is due, or if the token names a key that is not in it."""
        now_s = self._node.ports.now()
        is_due = now_s >= self._fetched_s + self._refresh_s
        pause_s = min(UNKNOWN_KEY_PAUSE_S, self._refresh_s) if self._set else 0.0  # without any key nothing can be judged
        is_unknown = not self._set or (self._refetches and _key_id(token) not in self._set)
        if (is_due or is_unknown) and now_s >= self._tried_s + pause_s:
            self._tried_s = now_s
            await self._fetch()

    async def renew(self) -> None:
        """Fetches the set now; where no token node answers the last one stays."""
        self._tried_s = self._node.ports.now()
        await self._fetch()
        assert self._tried_s >= self._fetched_s or self._set, "a set that was fetched is there"

    async def _fetch(self) -> None:
        """Takes the newest set from the first token node of the region that answers with one."""
        stack = self._node.stack
        request = Request("GET", f"/{stack.tenant_id}{KEYS[0]}")
        for target in stack.token_nodes(self._node.region):
            try:
                answer = await self._node.ports.call(target, request, timeout_s=self._node.call_timeout_s)
            except CallFailed:
                continue
            found = _read(answer.body) if answer.ok else None
            if found:
                self._set, self._fetched_s = found, self._node.ports.now()
                return


def _read(body: Mapping[str, Any] | None) -> Mapping[str, Jwk] | None:
    """The keys of a key set by their ids, without what is said of them for people; None for what is no key set."""
    try:
        return {
            str(key["kid"]): {name: value for name, value in key.items() if name != "issuer"} for key in (body or {})["keys"]
        }
    except (KeyError, TypeError, AttributeError):
        return None


def _key_id(token: str) -> str:
    """The id of the key that a token names, "" where it names none."""
    head = token.partition(".")[0]
    try:
        return str(decode_json(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid", ""))
    except ValueError:
        return ""

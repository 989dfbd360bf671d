"""A cache of tokens with an early refresh: the rule by which warm machines go on through an outage.

A token is served as it is until its refresh point, a share of its life. From then on its holder asks for a new one, and
serves the old one while that fails, until a margin before its end. When IMDS refreshes is not public, so share and margin
are settings (docs/reference/azure-wire.md#imds-token-answer).
"""

from __future__ import annotations

from collections.abc import ItemsView
from math import inf
from typing import Literal

from brownout.identity.core.records import CachedToken

Freshness = Literal["none", "fresh", "due", "ending"]


class TokenCache:
    """Tokens by key."""

    def __init__(
        self, *, refresh_fraction: float, margin_s: float, backoff_s: float = 0.0, keep_s: float | None = None
    ) -> None:
        """`keep_s`, where given, is for how long a token is served at most before a refresh is due."""
        self._refresh_fraction, self._margin_s, self._backoff_s = refresh_fraction, margin_s, backoff_s
        self._keep_s = inf if keep_s is None else keep_s
        self._tokens: dict[tuple[str, ...], CachedToken] = {}
        self._due_and_end_s: dict[tuple[str, ...], tuple[float, float]] = {}  # of each token
        self._asked_s: dict[tuple[str, ...], float] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def get(self, key: tuple[str, ...]) -> CachedToken | None:
        return self._tokens.get(key)

    def put(self, key: tuple[str, ...], token: CachedToken) -> None:
        assert token.issued_s <= token.expires_s, token
        self._tokens[key] = token
        self._due_and_end_s[key] = self.due_s(token), self.ends_s(token)
        self._asked_s.pop(key, None)

    def clear(self) -> None:
        self._tokens.clear()
        self._due_and_end_s.clear()
        self._asked_s.clear()
        assert len(self._tokens) + len(self._asked_s) == 0, "what is cleared is cold, and waits for no backoff"

    def items(self) -> ItemsView[tuple[str, ...], CachedToken]:
        """Every token by its key, those that have ended too."""
        return self._tokens.items()

    def due_s(self, token: CachedToken) -> float:
        """When its holder begins to ask for another one."""
        return token.issued_s + min(self._keep_s, self._refresh_fraction * (token.expires_s - token.issued_s))

    def ends_s(self, token: CachedToken) -> float:
        """From when it is not served any more."""
        return token.expires_s - self._margin_s

    def freshness(self, key: tuple[str, ...], now_s: float) -> Freshness:
        """`fresh`: serve it; `due`: try for a new one, serve it if that fails; `ending` or `none`: it cannot be served."""
        found = self._due_and_end_s.get(key)
        if found is None:
            return "none"
        due_s, ends_s = found
        if now_s >= ends_s:
            return "ending"
        if now_s < due_s or now_s < self._asked_s.get(key, float("-inf")) + self._backoff_s:
            return "fresh"
        return "due"

    def asked(self, key: tuple[str, ...], now_s: float) -> None:
        """Notes that a refresh was tried and brought nothing newer, so that the next one waits for the backoff."""
        assert self._backoff_s >= 0, "an attempt never brings the next one forward"
        self._asked_s[key] = now_s

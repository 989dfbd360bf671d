"""What comes again and again, remembered from its second time on.

Clients repeat themselves, and what follows from a request alone need not be found out twice. Those whose requests are new each
time are not paid for: they push nothing out, and nothing of theirs stays in memory.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Repeated(Generic[K, V]):
    """Values by keys that came at least twice, `most` of them at most.

    `once_most` is how many keys that came once are known to have come. When half of the room is filled, those values go that
    were not asked for since it was filled before.
    """

    def __init__(self, most: int, once_most: int) -> None:
        assert most >= 2, "there is room for two halves"
        self._half, self._once_most = most // 2, once_most
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._once: set[int] = set()  # what came once, as hashes: where two are the same, one is remembered earlier

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value that was noted for the key, None where there is none."""
        found = self._young.get(key)
        if found is None and (found := self._old.pop(key, None)) is not None:
            self._add(key, found)
        return found

    def note(self, key: K, value: V) -> None:
        """Remembers the value, where the key came before."""
        if (seen := hash(key)) in self._once:
            self._add(key, value)
            return
        if len(self._once) >= self._once_most:
            self._once.clear()
        self._once.add(seen)

    def _add(self, key: K, value: V) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value

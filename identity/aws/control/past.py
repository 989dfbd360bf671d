"""What a value was at an earlier time: for describing and publishing late. Only as much is kept as is still asked for."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Past(Generic[T]):
    """The values that something had, each with the time since which it was current. Values are compared by identity."""

    def __init__(self) -> None:
        self._values: list[tuple[float, T]] = []  # oldest first

    def note(self, value: T, now_s: float) -> None:
        """Tells of the current value."""
        if not self._values:
            self._values.append((now_s, value))
        elif self._values[-1][1] is not value:
            self._values.append((max(now_s, self._values[-1][0]), value))  # a clock may be set back

    def at(self, when_s: float) -> T | None:
        """The value that was current then, None before the first. What is older than that is forgotten."""
        while len(self._values) > 1 and self._values[1][0] <= when_s:
            del self._values[0]
        since_s, value = self._values[0] if self._values else (float("inf"), None)
        return value if since_s <= when_s else None

    @property
    def oldest(self) -> T:
        """The oldest value that is known; one must have been noted."""
        return self._values[0][1]

"""File descriptors kept for the end: a process that has none left can still undo what it did."""

from __future__ import annotations

import os

RESERVED = 32  # a revert, the end of a stack and the last records need fewer


class Reserve:
    """Holds descriptors from the start on, until they are needed."""

    def __init__(self) -> None:
        self._held = [os.open(os.devnull, os.O_RDONLY) for _ in range(RESERVED)]

    def release(self) -> None:
        """Gives the descriptors back to the process. May be called twice."""
        while self._held:
            os.close(self._held.pop())

"""The progress of a search: one line that is redrawn on a terminal, and a plain line now and then anywhere else."""

from __future__ import annotations

import os
import time
from typing import TextIO

from rich.console import Console
from rich.status import Status

PLAIN_EVERY_S = 10.0


class SearchLine:
    """Shows the latest text."""

    def __init__(self, stream: TextIO) -> None:
        quiet = any(os.environ.get(name) for name in ("CI", "NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._is_live = stream.isatty() and not quiet
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._status: Status | None = None
        self._told_s = float("-inf")

    def show(self, text: str) -> None:
        if not self._is_live:
            if time.monotonic() - self._told_s >= PLAIN_EVERY_S:
                self._told_s = time.monotonic()
                self._console.print(text)
        elif self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def end(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

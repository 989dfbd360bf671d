"""Following logs that another process is still writing: whole lines only, each returned once.

A line without its newline is left for the next read: its writer may be in the middle of it, or may have been killed there. A
whole line that does not parse is counted and left out; the count belongs in a run's list of problems.

A load without an end keeps the newest `PARTS` parts of its log, each of about `PART_BYTES`; a run keeps everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from brownout.harness.record.history import RequestRecord

PART_BYTES, PARTS = 16 << 20, 4
_FIELDS = frozenset(RequestRecord._fields)


class LinesTail:
    """Reads the objects of one JSON-lines file as it grows. The file need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable = 0
        self._offset = 0
        self._partial = b""

    @property
    def torn(self) -> bool:
        """Whether the last read ended inside a line."""
        return bool(self._partial)

    def read(self) -> Iterator[dict[str, Any]]:
        """The lines completed since the last call, in order."""
        # `split` leaves what follows the last newline as its last part: b"" after a whole line, else the torn one.
        *whole, self._partial = (self._partial + self._new_bytes()).split(b"\n")
        for line in whole:
            parsed = _parse(line)
            if parsed is None:
                self.unreadable += 1
            else:
                yield parsed

    def _new_bytes(self) -> bytes:
        try:
            with self.path.open("rb") as log:
                log.seek(self._offset)
                new = log.read()
        except FileNotFoundError:
            return b""
        self._offset += len(new)
        return new


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


class LogTail:
    """The request records of a folder's `requests*.jsonl` while they are being written, new files included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tails: dict[Path, LinesTail] = {}
        self._misshapen = 0

    def read(self) -> Iterator[RequestRecord]:
        """Every record completed since the last call; within one file in the order in which requests ended."""
        paths = sorted(self.folder.glob("requests*.jsonl"))
        self._forget(set(self._tails) - set(paths))
        for path in paths:
            for raw in self._tails.setdefault(path, LinesTail(path)).read():
                yield from self._record(raw)

    def _forget(self, gone: Iterable[Path]) -> None:
        """Drops files that no longer exist: the log of a long load keeps its newest parts only."""
        for path in gone:
            self._misshapen += self._tails.pop(path).unreadable  # the count of bad lines must not fall when a part goes

    def _record(self, raw: dict[str, Any]) -> Iterator[RequestRecord]:
        try:
            yield RequestRecord(**{name: value for name, value in raw.items() if name in _FIELDS})
        except TypeError:
            self._misshapen += 1

    @property
    def unreadable(self) -> int:
        """The number of whole lines that were no request record."""
        return self._misshapen + sum(tail.unreadable for tail in self._tails.values())

    @property
    def torn(self) -> bool:
        """Whether any log ended inside a line at the last read."""
        return any(tail.torn for tail in self._tails.values())

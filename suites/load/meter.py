"""The counters of one load generator, and the files to which it appends its lines."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from brownout.harness.load.log_tail import PARTS

_BUCKETS_PER_MS = 10


class LineFile:
    """Appends whole lines. A kill loses lines that were not flushed and no others.

    With `part_bytes` a new file is begun (`NAME.2.jsonl`, `NAME.3.jsonl`, ...) whenever one is that long, and all but the
    newest `PARTS` are removed.
    """

    def __init__(self, path: Path, *, part_bytes: int | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._part_bytes, self._part = path, part_bytes, 1
        self._open(path)
        self._waiting: list[str] = []

    def _open(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._written = 0

    def add(self, line: str) -> None:
        self._waiting.append(line)

    def flush(self) -> None:
        """Writes the lines that are waiting; raises OSError when the disk is full or gone."""
        if not self._waiting:
            return
        if self._part_bytes is not None and self._written >= self._part_bytes:
            self._begin_part()
        data = "".join(self._waiting).encode()
        self._waiting.clear()
        while data:
            written = os.write(self._descriptor, data)
            self._written += written
            data = data[written:]

    def _begin_part(self) -> None:
        os.close(self._descriptor)
        self._part += 1
        self._open(self._part_path(self._part))
        if self._part > PARTS:
            self._part_path(self._part - PARTS).unlink(missing_ok=True)

    def _part_path(self, part: int) -> Path:
        return self._path if part == 1 else self._path.with_suffix(f".{part}{self._path.suffix}")


class Meter:
    """Counters of one worker. brownout.harness.load.heartbeat says what each promises."""

    def __init__(self) -> None:
        self.planned = self.issued = self.recorded = self.late = self.faults = 0
        self.first_fault = ""
        self._lags: Counter[int] = Counter()

    def lag(self, lag_s: float) -> None:
        """Counts the delay between intended and actual sending of one arrival."""
        self._lags[max(0, round(lag_s * 1000 * _BUCKETS_PER_MS))] += 1

    def lag_p99_ms(self) -> float:
        """The smallest lag that 99 % of the arrivals do not exceed, to a tenth of a millisecond; 0 before the first."""
        allowed = self._lags.total() // 100
        for bucket in sorted(self._lags, reverse=True):
            allowed -= self._lags[bucket]
            if allowed < 0:
                return bucket / _BUCKETS_PER_MS
        return 0.0

    def fault(self, text: str) -> None:
        self.faults += 1
        self.first_fault = self.first_fault or text

"""What a subject prints, as a file of the run's record: bounded, for its owner's eyes, without the secrets of the run.

The newest output is kept: once the file is full it becomes the older one of two, and what was older is dropped and counted. A
line is masked as a whole, so a secret is found though it came in two pieces; a line longer than LINE_MAX is cut there.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path

LOG_NAME, OLDER_NAME = "subject.log", "subject.older.log"
FILE_BYTES = 1 << 20
TAKEN_BYTES = 256 << 20  # beyond that it is read and no more: a flood is not to take the machine's time from the load
LINE_MAX = 16_384
LAST_LINES, LAST_LINE_MAX = 12, 400
MASK = b"[masked]"
_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")  # a JSON web token of any issuer
SHORTEST_SECRET = 8  # what is shorter than that may be a word of its own


class PrintedOutput:
    """Takes a subject's bytes as they come, and writes whole lines. A disk that is full loses lines, never the subject."""

    def __init__(self, folder: Path, secrets: Iterable[str]) -> None:
        self._path, self._older = folder / LOG_NAME, folder / OLDER_NAME
        known = sorted((each.encode() for each in secrets if len(each) >= SHORTEST_SECRET), key=len, reverse=True)
        self._secrets = re.compile(b"|".join(map(re.escape, known))) if known else None
        self._rest, self._file_bytes, self._older_bytes = b"", 0, 0
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)
        self._file = self._open()
        self._taken_bytes = 0
        self.written_bytes = 0
        self.dropped_bytes = 0
        self.problem = ""

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def take(self, data: bytes) -> None:
        """Takes what was printed next."""
        self._taken_bytes += len(data)
        if self._taken_bytes > TAKEN_BYTES:
            self.dropped_bytes += len(data)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._add(line)
        while len(self._rest) > LINE_MAX:
            self._add(self._rest[:LINE_MAX])
            self._rest = self._rest[LINE_MAX:]

    def end(self) -> None:
        """Takes the end of the output: what is left is a line too."""
        if self._rest:
            self._add(self._rest)
            self._rest = b""
        os.close(self._file)

    def last_lines(self) -> str:
        """The last lines, as text, each cut to a length that a person reads."""
        return "\n".join(
            line[:LAST_LINE_MAX].decode("utf-8", "replace") for line in (*self._last, self.masked(self._rest)) if line
        )

    def masked(self, line: bytes) -> bytes:
        """The line without the run's secrets and without tokens."""
        line = _TOKEN.sub(MASK, line)
        return line if self._secrets is None else self._secrets.sub(MASK, line)

    def _add(self, line: bytes) -> None:
        line = self.masked(line)
        self._last.append(line)
        text = line + b"\n"
        try:
            if self._file_bytes + len(text) > FILE_BYTES and self._file_bytes:
                self._turn()
            os.write(self._file, text)
        except OSError as failed:
            self.problem = self.problem or (failed.strerror or str(failed))
            self.dropped_bytes += len(text)
            return
        self._file_bytes += len(text)
        self.written_bytes += len(text)

    def _turn(self) -> None:
        os.close(self._file)
        self._path.replace(self._older)
        self.dropped_bytes += self._older_bytes
        self._older_bytes, self._file_bytes = self._file_bytes, 0
        self._file = self._open()

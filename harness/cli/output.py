"""Standard output and error of a command, whole whatever they are: closed, full, or a pipe whose reader has gone.

A command's work and its exit code must not depend on who reads it. So what cannot be written is dropped, and remembered: at
its end a command says in one line that its output is lost. A reader that has gone (`| head`) is no loss. Descriptors that were
closed before the start are opened onto the null device, because the next file that is opened would otherwise be taken for them
by every process below this one.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


@contextmanager
def whole_streams() -> Iterator[Output]:
    """A block in which sys.stdout and sys.stderr exist and never fail to be written; yields the former."""
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = Output(before[0] or _null(1)), Output(before[1] or _null(2))
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)  # Output passes on what it does not have itself
    try:
        yield out
    finally:
        sys.stdout, sys.stderr = before[0] or out.stream, before[1] or err.stream


def reader_gone() -> bool:
    """Whether standard output is a pipe without a reader, so that it is no use to go on printing."""
    return isinstance(sys.stdout, Output) and sys.stdout.gone


def _open_closed_descriptors() -> None:
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free descriptor, which is this one


def _null(number: int) -> TextIO:
    return os.fdopen(number, "w", encoding="utf-8", errors="replace", closefd=False)


class Output:
    """A stream that drops what cannot be written. `gone`: its reader has gone; `lost`: why else it could not be written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.gone, self.lost = stream, False, ""
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    def take_loss(self) -> str:
        """Why output was lost, "" when none was; it is told once."""
        self.flush()
        lost, self.lost = self.lost, ""
        return lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._dropping():
            return self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._dropping():
            self.stream.flush()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.gone = True
            self._discard()
        except OSError as error:
            self.lost = error.strerror or str(error)
            self._discard()

    def _discard(self) -> None:
        """Discards what is still buffered too: it would be written again, and fail again, when the interpreter ends."""
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, self.stream.fileno())
        except (OSError, ValueError):  # no descriptor behind it
            return
        finally:
            os.close(null)

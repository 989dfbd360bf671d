"""Reading a record's logs: lines of JSON objects, each error at its file, line and column.

A torn last line, left by a kill, is left out. Any other line that is no record means that the log is damaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from brownout.harness.base.files import open_regular
from brownout.harness.errors import FileError

T = TypeVar("T")
Types = tuple[type, ...]
LAST_S = 253_402_214_400.0  # the last day of the year 9999
_HINT = "restore the run folder from where it was copied, or run the experiment again"
_WORDS: Mapping[type, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a number", dict: "an object"}


def read_lines(path: Path, make: Callable[[dict[str, Any]], T]) -> Iterator[tuple[int, T]]:
    """What `make` makes of each object, with its line's number from 1.

    Raises FileError for a line that is no JSON object, for one of which `make` raises KeyError, TypeError or ValueError, and
    for what cannot be read, as a folder or a pipe in the file's place.
    """
    try:
        yield from _made(path, make)
    except OSError as error:  # also while it is read
        raise damaged(path, 1, f"it cannot be read: {error.strerror}") from None


def _made(path: Path, make: Callable[[dict[str, Any]], T]) -> Iterator[tuple[int, T]]:
    with open_regular(path) as lines:  # as bytes: a kill may have cut a character in two
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                raw = orjson.loads(line)
                if type(raw) is not dict:
                    raise damaged(path, number, "this is no JSON object")
                yield number, make(raw)
            except orjson.JSONDecodeError as wrong:
                raise damaged(path, number, f"this is no JSON: {wrong.msg}", column=wrong.colno) from None
            except KeyError as missing:
                raise damaged(path, number, f"the key {missing.args[0]!r} is missing") from None
            except (TypeError, ValueError) as wrong:
                raise damaged(path, number, str(wrong)) from None


def damaged(path: Path, line: int, problem: str, *, column: int = 1) -> FileError:
    """The error for a line of a log that cannot be right."""
    return FileError(str(path), line, column, f"the record is damaged: {problem}", hint=_HINT)


def require_types(names: tuple[str, ...], values: tuple[Any, ...], types: Types) -> None:
    """Raises TypeError for the first value that is not of its type; a whole number is a number too, an infinite one is none."""
    for name, value, wanted in zip(names, values, types, strict=True):
        fits = type(value) in (int, float) and math.isfinite(value) if wanted is float else type(value) is wanted
        if not fits:
            raise TypeError(f"{name} should be {_WORDS[wanted]}, not {value!r}"[:200])


def require_time(at_s: float) -> None:
    """Raises ValueError for what is no time on any day that a calendar has."""
    if not 0 <= at_s < LAST_S:
        raise ValueError(f"{at_s:g} is no time in seconds since 1970")

"""Where each statement of a document stands in its text, for SimulatePrincipalPolicy and SimulateCustomPolicy.

Lines and columns count from 1; the end is the place of the closing brace.
Wire facts: docs/reference/aws-wire.md#policy-simulation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from json import JSONDecoder

_BLANK = re.compile(r"[ \t\n\r]*")
_decode = JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class TextPosition:
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class TextSpan:
    start: TextPosition
    end: TextPosition


@lru_cache(maxsize=256)
def statement_spans(text: str) -> tuple[TextSpan, ...]:
    """The places of the statements of a valid document, in their order."""
    for name, start, end in _members(text):
        if name == "Statement":
            ranges = list(_elements(text, start)) if text[start] == "[" else [(start, end)]
            return tuple(TextSpan(_position(text, first), _position(text, after - 1)) for first, after in ranges)
    raise AssertionError("a valid document has statements")


def _position(text: str, offset: int) -> TextPosition:
    return TextPosition(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _skip(text: str, offset: int) -> int:
    found = _BLANK.match(text, offset)
    assert found is not None, "a run of blanks may be empty"
    return found.end()


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each member of the object that the text is."""
    offset = _skip(text, _skip(text, 0) + 1)
    while text[offset] != "}":
        name, offset = _decode(text, offset)
        start = _skip(text, _skip(text, offset) + 1)
        _, offset = _decode(text, start)
        yield name, start, offset
        offset = _next(text, offset)


def _elements(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Start and end of each element of the list that begins at `start`."""
    offset = _skip(text, start + 1)
    while text[offset] != "]":
        first = offset
        _, offset = _decode(text, first)
        yield first, offset
        offset = _next(text, offset)


def _next(text: str, offset: int) -> int:
    """The next member or element after a comma, or the bracket that closes."""
    offset = _skip(text, offset)
    return _skip(text, offset + 1) if text[offset] == "," else offset

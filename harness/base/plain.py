"""What enters from outside as data (files, options, experiments derived in code): finite, in bounds, and text that is text.

One rule for all of it. Text has no control characters (a line break and a tab are text) and no half of a surrogate pair: both
end as broken terminals and files. Numbers are finite; whole ones fit 64 bits, as everything that stores or sends them assumes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictStr

INT_MAX = 2**63 - 1
TEXT_MAX = 20_000
LINE_MAX = 500
DIGITS_MAX = 40
WORD_MAX = 80
DEPTH_MAX = 40
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def text_flaw(text: str) -> str:
    """What is wrong with it as text, "" for nothing."""
    odd = _ODD.search(text)
    if odd is not None:
        return f"the character U+{ord(odd.group()):04X} is not allowed in text"
    return f"this text has {len(text):,} characters, more than {TEXT_MAX:,}" if len(text) > TEXT_MAX else ""


def number_flaw(number: float) -> str:
    """What is wrong with it as a number, "" for nothing."""
    if isinstance(number, int):
        return "" if -INT_MAX <= number <= INT_MAX else "a whole number is at most 2^63 - 1"
    return "" if math.isfinite(number) else f"{number} is no finite number"


def parse_number(text: str) -> float:
    """The number that an option says, by the rule of files; raises ValueError."""
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is no number; write it in decimal digits, such as 20 or 0.5")
    number = float(text)
    if flaw := number_flaw(number):
        raise ValueError(flaw)
    return number


def parse_whole(text: str) -> int:
    """The whole number that an option says, by the rule of files; raises ValueError."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is no whole number; write it in decimal digits, such as 7")
    if len(text) > DIGITS_MAX or number_flaw(int(text)):
        raise ValueError("a whole number is at most 2^63 - 1")
    return int(text)


def data_flaw(value: Any, *, depth: int = DEPTH_MAX) -> str:
    """What is wrong with a value or with something in it, with its place; "" for plain data."""
    match value:
        case None | bool():
            return ""
        case str():
            return text_flaw(value)
        case int() | float():
            return number_flaw(value)
        case Mapping() | list() | tuple() if depth > 0:
            return _inner_flaw(value, depth - 1)
        case _:
            return "this is nested too deeply" if depth <= 0 else f"a {type(value).__name__} is no plain value"


def _inner_flaw(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> str:
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(value, Mapping) and not isinstance(key, str):
            return f"the key {key!r} is no text"
        flaw = (text_flaw(key) if isinstance(key, str) else "") or data_flaw(inner, depth=depth)
        if flaw:
            return f"{key}: {flaw}" if isinstance(key, str) and not text_flaw(key) else flaw
    return ""


def _text(value: str) -> str:
    if flaw := text_flaw(value):
        raise ValueError(flaw)
    return value


def _line(value: str) -> str:
    flaw = text_flaw(value)
    if not flaw and ("\n" in value or not value.strip()):
        flaw = "one line of text is needed here"
    if not flaw and len(value) > LINE_MAX:
        flaw = f"this has {len(value):,} characters, more than {LINE_MAX}"
    if flaw:
        raise ValueError(flaw)
    return value


def _word(value: str) -> str:
    if _WORD.fullmatch(value) is None or len(value) > WORD_MAX:
        shown = value if len(value) <= WORD_MAX and not text_flaw(value) else "this"
        raise ValueError(
            f"{shown!r} is no name here: letters, digits, '-', '_' and '.', a letter or digit first, {WORD_MAX} at most"
        )
    return value


def _data(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if flaw := data_flaw(value):
        raise ValueError(flaw)
    return value


Text = Annotated[StrictStr, AfterValidator(_text)]
OneLine = Annotated[StrictStr, AfterValidator(_line)]
# A name that also becomes the name of a file or a folder, and so can neither lead out of its place nor be too long for it.
Word = Annotated[
    StrictStr, AfterValidator(_word), Field(json_schema_extra={"pattern": f"^{_WORD.pattern}$", "maxLength": WORD_MAX})
]
PlainData = Annotated[Mapping[str, Any], AfterValidator(_data)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]

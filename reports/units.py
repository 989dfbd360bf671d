"""Numbers and texts formatted for people. Rounding never makes a figure better: 99.996 % good is not written as 100 %."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

NONE = "–"
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(value: object) -> str:
    """The value's text without what steers a terminal or has no place in XML: U+FFFD stands for each such character."""
    return _ODD.sub("\ufffd", str(value))


def duration(seconds: float | None) -> str:
    """`340 ms`, `4.2 s`, `2 min 10 s`, `5 h 33 min`, `3 d 4 h`; a dash for None."""
    if seconds is None:
        return NONE
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return _in_two_units(round(seconds))


def _in_two_units(seconds: int) -> str:
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return _pair(seconds, 60, "min", "s")
    return _pair(minutes, 60, "h", "min") if minutes < 1440 else _pair(round(minutes / 60), 24, "d", "h")


def _pair(value: int, base: int, large: str, small: str) -> str:
    whole, rest = divmod(value, base)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"


def percent(share: float | None, *, digits: int = 1) -> str:
    """A share as a percentage; only exactly 0 and 1 are written as `0 %` and `100 %`, None as a dash."""
    if share is None or math.isnan(share):
        return NONE
    if share in (0, 1):
        return f"{share * 100:.0f} %"
    value = share * 100
    while digits < 6 and round(value, digits) in (0.0, 100.0):
        digits += 1
    return f"{value:.{digits}f} %"


def target(share: float) -> str:
    """An objective, with as many digits as it was written with."""
    return f"{share * 100:.6f}".rstrip("0").rstrip(".") + " %"


def milliseconds(value: float | None) -> str:
    """`0.8 ms`, `42 ms`, `1.9 s`; a dash for None."""
    if value is None or math.isnan(value):
        return NONE
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def clock(at_s: float | None, *, seconds: bool = False) -> str:
    """Emulated UTC time of day, `00:55` or `00:55:00`; a dash for None."""
    if at_s is None:
        return NONE
    return datetime.fromtimestamp(at_s, tz=UTC).strftime("%H:%M:%S" if seconds else "%H:%M")


def day(at_s: float) -> str:
    """Emulated UTC date, `12 July 2024`."""
    moment = datetime.fromtimestamp(at_s, tz=UTC)
    return f"{moment.day} {moment:%B %Y}"


def count(value: int) -> str:
    """`15 230`, with thin spaces."""
    return f"{value:,}".replace(",", "\u2009")


def rate(value: float) -> str:
    """A clock rate: `1`, `200`, `12.5`."""
    return f"{value:g}"

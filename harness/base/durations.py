"""Durations and times of day as an experiment writes them: parsed, printed, and as pydantic types."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

LONGEST_S = 36_500 * 86_400.0  # a hundred years
_DAYS_S = 2 * 86_400  # an experiment may go on into the next day
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_DURATIONS = re.compile(rf"(?:{_DURATION.pattern})+")
_CLOCK_TIME = re.compile(r"([0-3][0-9]|4[0-7]):([0-5][0-9])(?::([0-5][0-9]))?")


def parse_duration_s(value: object) -> float:
    """Seconds of `"500ms"`, `"10s"`, `"5m"`, `"24h"` or `"1h30m"`; raises ValueError."""
    if not isinstance(value, str):
        raise ValueError('a duration is text with a unit, such as "10s" or "5m"')
    if _DURATIONS.fullmatch(value) is None:  # not found by `findall`: on a million digits without a unit that takes hours
        raise ValueError(f'{value[:40]!r} is not a duration; write "500ms", "10s", "5m", "24h" or "1h30m"')
    return _bounded_s(sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(value)))


def _bounded_s(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST_S:  # so written that nan is refused too
        raise ValueError(f"a duration is from 0 s to {LONGEST_S / 86_400:,.0f} days")
    return seconds


def parse_clock_s(value: object) -> int:
    """Seconds after midnight of `"HH:MM"` or `"HH:MM:SS"`; hours from 24 to 47 are the next day's. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError('a time of day is quoted text such as "00:55" (YAML reads 12:30 without quotes as a number)')
    match = _CLOCK_TIME.fullmatch(value)
    if match is None:
        raise ValueError(f'{value[:40]!r} is not a time of day; write "HH:MM" or "HH:MM:SS"')
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)


def duration_text(value_s: float) -> str:
    """The text that `parse_duration_s` reads back as exactly this number of seconds."""
    return f"{Decimal(repr(float(value_s))):f}s"


def clock_text(value_s: int) -> str:
    """The text that `parse_clock_s` reads back as this number of seconds after midnight."""
    return f"{value_s // 3600:02d}:{value_s // 60 % 60:02d}:{value_s % 60:02d}"


def _duration_s(value: object, info: ValidationInfo) -> float:
    """In a file text with a unit; in code also seconds, as the attribute's name says."""
    if info.context and info.context.get("in_code") and isinstance(value, int | float) and not isinstance(value, bool):
        return _bounded_s(float(value))
    return parse_duration_s(value)


def _clock_s(value: object, info: ValidationInfo) -> int:
    """In a file text; in code also seconds after midnight."""
    if info.context and info.context.get("in_code") and isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < _DAYS_S:
            raise ValueError(f"a time of day is from 0 to {_DAYS_S - 1} seconds after midnight")
        return value
    return parse_clock_s(value)


# Dumps are in the file's own form, so that what was dumped validates again to exactly the same value: experiments in run
# folders, and the parameters of faults in the ledger.
Duration = Annotated[
    float,
    BeforeValidator(_duration_s, json_schema_input_type=str),
    PlainSerializer(duration_text, return_type=str),
]
ClockTime = Annotated[int, BeforeValidator(_clock_s, json_schema_input_type=str), PlainSerializer(clock_text, return_type=str)]

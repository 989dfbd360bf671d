"""Values of conditions, read from text: numbers, dates, booleans, addresses, binary data. Each reader returns None for what
is no value of its type, and a comparison with None never holds.

Wire facts: docs/reference/aws-wire.md#condition-operators.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from calendar import isleap
from functools import lru_cache
from ipaddress import ip_address, ip_network

LARGEST_EPOCH = 2**63 - 1

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_EPOCH = re.compile(r"-?[0-9]{1,19}")
_DATE = re.compile(
    r"(?P<year>[0-9]{1,9})(?:-(?P<month>[0-9]{1,2})(?:-(?P<day>[0-9]{1,2}))?)?"
    r"(?:[Tt](?:(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{1,2})(?::(?P<second>[0-9]{1,2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

IpNetwork = tuple[int, int, int]  # IP version, address, mask


def number(text: str) -> int | float | None:
    """Whole numbers are exact, whatever their length; others are floats."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    return float(text) if found[1] or found[2] else int(text)


@lru_cache(maxsize=1024)
def date(text: str) -> float | None:
    """Epoch seconds, of a date of ISO 8601 (a year alone up to fractions of a second and a zone) or of epoch seconds.

    Four digits or fewer are a year, five or more a number of seconds. Without a zone it is UTC.
    """
    if _EPOCH.fullmatch(text) and not _is_year(text):
        return float(text) if abs(int(text)) <= LARGEST_EPOCH else None
    found = _DATE.fullmatch(text)
    return _epoch_s(found.groupdict()) if found else None


def _is_year(text: str) -> bool:
    return len(text) <= 4 and not text.startswith("-")


def _epoch_s(part: dict[str, str | None]) -> float | None:
    year, month, day = int(part["year"] or 0), int(part["month"] or 1), int(part["day"] or 1)
    hour, minute, second = (int(part[name] or 0) for name in ("hour", "minute", "second"))
    in_range = 1 <= month <= 12 and hour <= 24 and minute <= 59 and second <= 60
    if not in_range or not 1 <= day <= _MONTH_DAYS[month - 1] + (month == 2 and isleap(year)):
        return None
    offset_s = _offset_s(part["zone"] or "Z")
    if offset_s is None:
        return None
    fraction = float(f"0.{part['fraction']}") if part["fraction"] else 0.0
    return _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + fraction - offset_s


def _offset_s(zone: str) -> int | None:
    """Seconds east of UTC; None for an offset of a day or more."""
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar, of any year: `datetime` ends with 9999."""
    shifted = year - (month <= 2)  # years that begin with March, so that the leap day is the last
    era, of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719468


def boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def binary(text: str) -> bytes | None:
    """The bytes of base64 text."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


@lru_cache(maxsize=4096)
def network(text: str) -> IpNetwork | None:
    """Of an address or a CIDR range, IPv4 or IPv6; bits beyond the prefix do not count."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return None
    return found.version, int(found.network_address), int(found.netmask)


@lru_cache(maxsize=4096)
def address(text: str) -> tuple[int, int] | None:
    """IP version and address."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.version, int(found)

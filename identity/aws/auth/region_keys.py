"""Keys that are derived step by step, so that each place holds only what it needs.

    secret --day--> kDate --region--> kRegion --service--> kService --"aws4_request"--> kSigning

The control plane takes the first two steps: a region is sent its own kRegion for every day of a horizon and can neither
go back to the secret nor sign for another region. The region takes the last two for each request's scope. Without the
control plane a region verifies long-term keys until its horizon ends: with a horizon of one day it would stop at midnight.
Wire facts: docs/reference/aws-wire.md#signing-keys.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from functools import lru_cache

KEY_BYTES = 32
DAY_S = 86_400
TERMINATOR = "aws4_request"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(now_s: float) -> int:
    """The day that epoch seconds fall into, counted from 1970-01-01 (UTC)."""
    return int(now_s // DAY_S)


@lru_cache(maxsize=4096)  # every key of every principal is derived for the same days of the horizon
def day_name(day: int) -> str:
    """A day as a credential scope names it: YYYYMMDD."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y%m%d")


def region_key(secret: str, day: int, region: str) -> bytes:
    """What a region needs to verify one day's signatures of one secret: kRegion."""
    return hmac.digest(_date_key(secret, day), region.encode(), "sha256")


def _date_key(secret: str, day: int) -> bytes:
    return hmac.digest(b"AWS4" + secret.encode(), day_name(day).encode(), "sha256")


@lru_cache(maxsize=16)  # each scope of a secret's horizon begins with the same ones
def _date_keys(secret: str, first_day: int, days: int) -> tuple[bytes, ...]:
    """Each day's kDate, for `days` days from `first_day` on."""
    return tuple(_date_key(secret, day) for day in range(first_day, first_day + days))


@lru_cache(maxsize=256)  # both regions derive the same keys for global endpoints, and each run of a stack the same ones
def horizon(secret: str, region: str, first_day: int, days: int) -> bytes:
    """The region's keys for `days` days from `first_day` on, one after the other."""
    assert days > 0, "a horizon has a day"
    scope = region.encode()
    return b"".join(hmac.digest(date_key, scope, "sha256") for date_key in _date_keys(secret, first_day, days))


def key_of_day(packed: bytes, first_day: int, day: int) -> bytes | None:
    """The key for `day` out of a horizon; None for a day outside it."""
    assert len(packed) % KEY_BYTES == 0, "keys are packed whole"
    start = (day - first_day) * KEY_BYTES
    return packed[start : start + KEY_BYTES] if 0 <= start < len(packed) else None


@lru_cache(maxsize=4096)
def signing_key(key_of_region: bytes, service: str) -> bytes:
    """The key that signs requests to one service, from a day's kRegion."""
    assert len(key_of_region) == KEY_BYTES
    return hmac.digest(hmac.digest(key_of_region, service.encode(), "sha256"), TERMINATOR.encode(), "sha256")

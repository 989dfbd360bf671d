"""One-time passwords of virtual MFA devices: RFC 6238 over RFC 4226, six digits, a new one every 30 seconds.

A code is an HMAC of the number of the current period, so a region that has the seed checks it by itself.
Wire facts: docs/reference/aws-wire.md#one-time-passwords.
"""

from __future__ import annotations

import base64
import hmac

PERIOD_S = 30
DIGITS = 6
DRIFT_PERIODS = 1  # a code of the period before or after is taken too: clocks of phones differ


def seed_bytes(seed: str) -> bytes:
    """The seed that a device was made with, from its Base32 text; raises ValueError for what is none."""
    text = seed.replace(" ", "").upper()
    return base64.b32decode(text + "=" * (-len(text) % 8))


def period_of(now_s: float) -> int:
    """The number of the period that epoch seconds fall into."""
    return int(now_s // PERIOD_S)


def code_of(seed: bytes, period: int, *, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The code of one period."""
    mac = hmac.digest(seed, period.to_bytes(8, "big"), algorithm)
    # RFC 4226, 5.3: the last four bits say which four bytes are the number, whose sign bit is left out.
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}}"


def matching_period(seed: bytes, code: str, now_s: float, *, after: int = -1) -> int | None:
    """The period whose code this is, near enough to now and later than `after`; None for a wrong code.

    A caller that remembers the period and passes it as `after` the next time takes no code twice.
    """
    now = period_of(now_s)
    given = code.encode("utf-8", "replace")
    for period in range(max(now - DRIFT_PERIODS, after + 1, 0), now + DRIFT_PERIODS + 1):
        if hmac.compare_digest(code_of(seed, period).encode(), given):
            return period
    return None


def are_consecutive(seed: bytes, first: str, second: str, now_s: float) -> bool:
    """True for the codes of two periods in a row, near enough to now: what proves that a device is in step with its seed."""
    now = period_of(now_s)
    periods = range(max(now - DRIFT_PERIODS - 1, 0), now + DRIFT_PERIODS + 1)
    given = f"{first} {second}".encode("utf-8", "replace")
    return any(
        hmac.compare_digest(f"{code_of(seed, period)} {code_of(seed, period + 1)}".encode(), given) for period in periods
    )

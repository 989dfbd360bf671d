"""Keyed draws: every random choice is a pure function of the seed and of what it is for.

There is no shared stream, so removing one fault or one cohort never reshuffles the others' luck.
"""

from __future__ import annotations

from hashlib import blake2b


def draw(seed: int, *key: str | int) -> float:
    """A number in [0, 1) decided by `seed` and `key` alone, the same on every machine and Python."""
    text = "\x1f".join((str(seed), *map(str, key)))
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / (1 << 56)


def draw_id(seed: int, *key: str | int) -> str:
    """A UUID-shaped id decided by `seed` and `key` alone."""
    text = "\x1f".join((str(seed), *map(str, key)))
    digits = blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"

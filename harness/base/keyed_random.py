"""Keyed randomness: every random choice is a pure function of the seed and of what it is for.

No two purposes share a stream, so removing one fault or one cohort never reshuffles the others' luck.
"""

from __future__ import annotations

from hashlib import blake2b
from random import Random

_MASK = (1 << 64) - 1
_STEP = 2.0**-53  # a power of two, so a product with it is exact


def _digest(seed: int, key: tuple[str | int, ...], size: int) -> bytes:
    text = "\x1f".join((str(seed), *map(str, key)))
    return blake2b(text.encode(), digest_size=size).digest()


def keyed_random(seed: int, *key: str | int) -> float:
    """A number in [0, 1) decided by `seed` and `key` alone, the same on every machine and Python."""
    return int.from_bytes(_digest(seed, key, 7), "big") / (1 << 56)


def keyed_id(seed: int, *key: str | int) -> str:
    """A UUID-shaped id decided by `seed` and `key` alone."""
    digits = _digest(seed, key, 16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def keyed_stream(seed: int, *key: str | int) -> Random:
    """A stream of its own for `seed` and `key`, for draws that come one after the other.

    Its `random()` is the same on every machine and Python, and ten times as fast as `KeyedRandom.at`.
    """
    return Random(int.from_bytes(_digest(seed, key, 8), "big"))  # noqa: S311 - not for secrets


class KeyedRandom:
    """Numbers in [0, 1) by index under one key, in any order, for hot paths: by integer mixing (SplitMix64), not by hashes."""

    __slots__ = ("_base",)

    def __init__(self, seed: int, *key: str | int) -> None:
        self._base = int.from_bytes(_digest(seed, key, 8), "big")

    def at(self, index: int) -> float:
        # SplitMix64 with its own constants; of the 64 bits the upper 53 are what a float holds exactly.
        mixed = (self._base + index * 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) * _STEP

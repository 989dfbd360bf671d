"""Violations that are expected by design, each with the faults that bring it about and the reason. Nothing else is excluded.

A violation is excluded only in a schedule that has one of these faults, and every exclusion is counted and told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Allowed:
    """`broken` is the property that may be violated while any of `kinds` is in the schedule; any fault where none is named."""

    broken: str
    kinds: frozenset[str]
    reason: str


KEY_ROLLS = frozenset({"signing-key-roll", "signing-key-withdraw"})
_ROLLED = "the fault signs with a new key at once, or takes a key away whose tokens are in force: that is what it is for"
LAGS = frozenset({"iam-describe-lag"})
_LAGGED = "the fault shows the account as it was: that is what it is for"
ALLOWED: tuple[Allowed, ...] = (
    Allowed(
        "objective:search-floor",
        frozenset(),
        "a schedule may take everything away for a while; what counts is that it comes back",
    ),
    Allowed(
        "gate:acts", frozenset(), "an act that another act keeps from being done fails in order, and nothing is left in place"
    ),
    Allowed(
        "stuck-beside:*", frozenset(), "another act kept the heal from being seen; nothing is left once that one has ended"
    ),
    Allowed("invariant:new-keys-are-published-first", KEY_ROLLS, _ROLLED),
    Allowed("invariant:old-keys-stay-published", KEY_ROLLS, _ROLLED),
    Allowed("invariant:no-refusal-for-a-lost-key", KEY_ROLLS, _ROLLED),
    Allowed("invariant:mixed-builds-keep-every-promise", KEY_ROLLS, f"with mixed builds too {_ROLLED}"),
    Allowed(
        "objective:*-recover", KEY_ROLLS, "tokens of the key that the fault made are refused once it is gone, until they end"
    ),
    Allowed(
        "invariant:static-stability",
        frozenset({"access-key-revoke"}),
        "who shows a key that the fault revokes is refused: that is what it is for",
    ),
    Allowed("invariant:read-your-writes", LAGS, _LAGGED),
    Allowed("invariant:monotonic-reads", LAGS, _LAGGED),
)


def why_allowed(broken: str, kinds: Iterable[str]) -> str:
    """The reason for which that violation is expected of a schedule with these faults; "" where it is not."""
    there = frozenset(kinds)
    applies = (each for each in ALLOWED if fnmatchcase(broken, each.broken) and (not each.kinds or each.kinds & there))
    return next((each.reason for each in applies), "")


def reason_of(broken: str) -> str:
    """The first reason for which that violation may be expected, of any faults."""
    return next((each.reason for each in ALLOWED if fnmatchcase(broken, each.broken)), "")

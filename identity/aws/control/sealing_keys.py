"""The keys that regions seal session tokens with: made well before their time, so that every region has each of them by then.

A region that is cut off at any moment knows the keys of the next day, and so do all others: it goes on issuing tokens that
the others can open, for AHEAD_S at least (docs/reference/aws-wire.md#sealing-keys).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.settings import SealingKey

HOUR_S = 3600.0
AHEAD_S = 24 * HOUR_S  # before its time a key is made
EVERY_S = 12 * HOUR_S  # a new key begins
SEALS_S = 24 * HOUR_S  # a key is used
LONGEST_SESSION_S = 36 * HOUR_S  # that a token may last which was sealed at the very end
KEY_BYTES = 32


def renew_sealing_keys(tx: Transaction) -> None:
    """Makes the keys that are to begin within AHEAD_S, the first of them at once, and takes away what opens nothing more."""
    known, now_s = tuple(tx.table(SealingKey).values()), tx.now_s
    for key in known:
        if key.opens_until_s <= now_s:
            tx.delete(key)
    seals_now = any(key.from_s <= now_s < key.until_s for key in known)  # not so after a clock was wrong
    from_s = max([key.from_s for key in known]) + EVERY_S if seals_now else now_s
    while from_s <= now_s + AHEAD_S:
        until_s = from_s + SEALS_S
        tx.put(SealingKey(tx.new_uuid()[:8], _material(tx), from_s, until_s, until_s + LONGEST_SESSION_S))
        from_s += EVERY_S


def renewed_until_s(keys: Iterable[SealingKey], now_s: float) -> float:
    """Until when `renew_sealing_keys` has nothing to do, where it had nothing to do at `now_s` with these keys."""
    known = tuple(keys)
    ends = [at_s for key in known for at_s in (key.from_s, key.until_s, key.opens_until_s)]
    ends += [key.from_s + EVERY_S - AHEAD_S - 1 for key in known]  # a second early costs nothing, and no rounding is late
    return min((at_s for at_s in ends if at_s > now_s), default=now_s)


def _material(tx: Transaction) -> bytes:
    made = hashlib.sha256(f"sealing {tx.new_uuid()} {tx.new_uuid()}".encode()).digest()
    assert len(made) == KEY_BYTES
    return made

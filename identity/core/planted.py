"""Bugs planted on purpose, each off unless the setting `planted` names it: what the search for schedules is measured by.

A bug is a line or two where the real ones of its kind would be. The setting is for the search and its tests, and for the files
that a search has written; no stack that is brought up by hand takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ACCOUNT_GOES_BACK = "account-goes-back"
REVOKED_KEY_ON_ONE_NODE = "revoked-key-on-one-node"
STALE_WITHOUT_AUDIENCE = "stale-without-audience"
RELEASE_LIFTS_OTHERS = "release-lifts-others"
PUBLISHER_GIVES_UP = "publisher-gives-up"
EXPIRED_ON_OUTAGE = "expired-on-outage"
TOMBSTONES_LOST = "tombstones-lost"
STORE_KEY_GRACE = "store-key-grace"
BREAKER_STAYS_OPEN = "breaker-stays-open"

PLANTED: Mapping[str, str] = {
    ACCOUNT_GOES_BACK: "a node makes the first account that it is sent durable, and none after it",
    REVOKED_KEY_ON_ONE_NODE: "one node of each region goes on accepting access keys that were revoked",
    STALE_WITHOUT_AUDIENCE: "while token nodes are away, a host serves a token of the machine for another audience",
    RELEASE_LIFTS_OTHERS: "the release of one hold of a switch lifts the other holds of that switch",
    PUBLISHER_GIVES_UP: "the directory publishes no more to a node that missed two rounds running",
    EXPIRED_ON_OUTAGE: "while token nodes are away, a host serves cached tokens past their end",
    TOMBSTONES_LOST: "a directory that restarts has forgotten which identities were deleted",
    STORE_KEY_GRACE: "a store accepts a key for a minute after it has ceased to be valid",
    BREAKER_STAYS_OPEN: "a node that refused requests, and may let all in again, lets nothing in any more",
}


def check_planted(names: Iterable[str]) -> None:
    """Raises ValueError for a bug that there is not."""
    for name in names:
        if name not in PLANTED:
            raise ValueError(f"no bug is planted as {name!r}; there are {', '.join(PLANTED)}")

"""What others did to a stack's proxies is named; what Brownout made is not."""

from __future__ import annotations

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.worlds.live.survey import foreign_proxies
from brownout.harness.worlds.toxiproxy.holds import Seen, marker_of

LINK, AT, TO = "client->sydney.host", "127.0.0.1:21000", "127.0.0.1:21001"
EXPECTED = {LINK: (AT, TO)}


def seen(
    *, enabled: bool = True, listen: str = AT, upstream: str = TO, refuse: bool = False, foreign: tuple[str, ...] = ()
) -> Seen:
    effect = LinkEffect("refuse")
    markers = {marker_of("up-1-001-cut", effect): ("up-1-001-cut", effect)} if refuse else {}
    return Seen(enabled, listen, TO, markers, {}, foreign)


@pytest.mark.parametrize("proxy", [seen(), seen(enabled=False, refuse=True)])
def test_what_brownout_made_is_not_foreign(proxy: Seen) -> None:
    """A link as it was made, and one that a hold refuses, are as they should be."""
    assert list(foreign_proxies({LINK: proxy}, EXPECTED)) == []


@pytest.mark.parametrize(
    ("proxies", "said"),
    [
        ({LINK: seen(foreign=("toxic evil (latency, downstream)",))}, f"link:{LINK}: toxic evil (latency, downstream)"),
        ({LINK: seen(enabled=False)}, f"link:{LINK}: disabled without a hold"),
        (
            {LINK: seen(listen="0.0.0.0:21000")},
            f"link:{LINK} listens on 0.0.0.0:21000 and leads to {TO}, instead of {AT} and {TO}",
        ),
        ({}, f"link:{LINK}: its proxy is gone"),
        (
            {LINK: seen(), "door": seen(listen="0.0.0.0:80")},
            f"proxy door, which is no link of the stack, listens on 0.0.0.0:80 and leads to {TO}",
        ),
    ],
    ids=["toxic", "disabled", "moved", "gone", "added"],
)
def test_what_others_did_is_named(proxies: dict[str, Seen], said: str) -> None:
    """Each is one sentence with the name of the link or proxy."""
    assert list(foreign_proxies(proxies, EXPECTED)) == [said]

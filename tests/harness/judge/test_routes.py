"""Which links a request went over, by the order of the hops in its trail."""

from __future__ import annotations

import pytest

from brownout.harness.judge.routes import route_of


@pytest.mark.parametrize(
    ("nodes", "links"),
    [
        (
            "sydney.host > sydney.token.z1 > sydney.store",
            "client->sydney.host sydney.host->sydney.token.z1 sydney.token->sydney.store",
        ),
        (
            "sydney.vault > sydney.host > sydney.token.z1",
            "client->sydney.vault client->sydney.host sydney.host->sydney.token.z1",
        ),
        ("melbourne.token.z1 > sydney.store", "client->melbourne.token.z1 melbourne.token->sydney.store"),
        ("client.edge > sydney.vault", "client->client.edge client->sydney.vault"),
        ("sydney.host > client.edge > sydney.token.z1", "client->sydney.host client->client.edge client->sydney.token.z1"),
        ("sydney.host > melbourne.token.z1", "client->sydney.host sydney.host->melbourne.token.z1"),
        ("sydney.vault > melbourne.token.z1", "client->sydney.vault client->melbourne.token.z1"),
        ("sydney.vault > sydney.token.z1", "client->sydney.vault sydney.vault->sydney.token.z1"),
    ],
)
def test_a_hop_was_called_by_the_nearest_earlier_one_that_has_a_link_to_it(nodes: str, links: str) -> None:
    """And by the client where there is none: a vault has no link to another region, and what the edge called is its own."""
    trail = ">".join(f"{node};;;;" for node in nodes.split(" > "))
    assert route_of(trail).links == set(links.split())

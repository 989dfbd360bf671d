"""A host refreshes role credentials ahead of requests, and keeps the old ones while it cannot."""

from __future__ import annotations

import asyncio
import json

import pytest

from support.aws_machines import EPOCH_S, LIFETIME_S, TokenNodes, host_of

from .conftest import Metadata

HALF_S = LIFETIME_S / 2


def token_of(metadata: Metadata, machine: str = "web-1") -> str:
    answer = metadata.ask(f"/{machine}/latest/meta-data/iam/security-credentials/web")
    assert answer.status == 200, answer
    return str(json.loads(answer.payload).get("Token", ""))


def test_new_credentials_are_there_well_before_the_old_ones_end(metadata: Metadata) -> None:
    """After half of their life the host has asked by itself, and requests get the new ones from the cache."""
    assert token_of(metadata) == "token 1"
    metadata.nodes.now_s = EPOCH_S + HALF_S - 1
    metadata.refresh()
    assert token_of(metadata) == "token 1"
    metadata.nodes.now_s = EPOCH_S + HALF_S
    metadata.refresh()
    assert token_of(metadata) == "token 2"
    assert len(metadata.nodes.asked) == 2


def test_a_silent_zone_is_asked_once_in_a_round(metadata: Metadata) -> None:
    """The first machine of a zone that gets no answer decides for the rest of it; other zones are still asked."""
    for number in range(6):
        metadata.ask(f"/scaleout_{number}/latest/meta-data/iam/security-credentials/scaleout")
    metadata.nodes.asked.clear()
    metadata.nodes.failure, metadata.nodes.now_s = "timeout", EPOCH_S + HALF_S
    metadata.refresh()
    assert [wanted.machine for _, wanted in metadata.nodes.asked] == ["scaleout_0", "scaleout_1", "scaleout_2"]


def test_after_an_outage_the_next_round_brings_new_credentials(metadata: Metadata) -> None:
    """A failed refresh is tried again after the backoff, not before."""
    assert token_of(metadata) == "token 1"
    metadata.nodes.failure, metadata.nodes.now_s = "refused", EPOCH_S + HALF_S
    metadata.refresh()
    asked = len(metadata.nodes.asked)
    assert asked == 1 + 3, "a refused call goes on to the next zone"
    metadata.nodes.failure = ""
    metadata.refresh()
    assert len(metadata.nodes.asked) == asked
    metadata.nodes.now_s += 60
    metadata.refresh()
    assert token_of(metadata) == f"token {asked + 1}"


def test_a_role_that_went_away_is_told_once_its_credentials_are_due(metadata: Metadata) -> None:
    """Until the refresh the old credentials are served; from then on the document says that the role cannot be assumed."""
    assert token_of(metadata) == "token 1"
    metadata.nodes.refuses.add("web")
    assert token_of(metadata) == "token 1"
    metadata.nodes.now_s = EPOCH_S + HALF_S
    metadata.refresh()
    assert token_of(metadata) == ""
    metadata.nodes.refuses.clear()
    assert token_of(metadata) == f"token {len(metadata.nodes.asked)}"


def test_without_a_cache_every_request_asks() -> None:
    """The setting `host_cache` off takes the cache away."""
    nodes = TokenNodes()
    metadata = Metadata(nodes, host_of(nodes, host_cache=False))
    assert [token_of(metadata), token_of(metadata)] == ["token 1", "token 2"]
    assert metadata.annex.state()["cached"] == 0


def test_dropped_caches_are_cold(metadata: Metadata) -> None:
    """The control request drops credentials, and the state counts what is cached and who asked."""
    token_of(metadata)
    assert metadata.annex.state() == {"cached": 1, "requests": {"web-1": 1}}
    drop = metadata.node.internal("POST", "/admin/aws/drop-caches")
    assert asyncio.run(metadata.node.handle(drop)).status == 200
    assert metadata.annex.state() == {"cached": 0, "requests": {"web-1": 1}}
    assert token_of(metadata) == "token 2"


@pytest.mark.parametrize("failure", ["refused", "reset"])
def test_another_zone_is_asked_when_the_machine_s_own_is_gone(metadata: Metadata, failure: str) -> None:
    """Zones are tried in turn from the machine's own on."""
    metadata.nodes.failure = failure
    metadata.ask("/web-2/latest/meta-data/iam/security-credentials/web")
    assert [node for node, _ in metadata.nodes.asked] == ["sydney.token.z2", "sydney.token.z3", "sydney.token.z1"]


def test_a_failed_over_zone_s_credentials_come_from_there(metadata: Metadata) -> None:
    """`route-region` sends AWS's requests too to the other region's token nodes."""
    value = {"switch": "route-region", "value": {"to": "melbourne"}}
    request = metadata.node.internal("PUT", "/admin/holds/f", value)
    assert asyncio.run(metadata.node.handle(request)).status == 200
    token_of(metadata)
    assert metadata.nodes.asked[0][0] == "melbourne.token.z1"

"""IMDS without a coroutine: the same answers as with one, and nothing of what a token node or a hold decides."""

from __future__ import annotations

import asyncio

import pytest

from brownout.identity.aws.hosts.imds import InstanceMetadata
from brownout.identity.core.messages import Request
from brownout.identity.core.surface import Served
from support.aws_machines import LIFETIME_S

from .conftest import TOKEN, TTL, Metadata

CREDENTIALS = "/web-1/latest/meta-data/iam/security-credentials"


def imds(metadata: Metadata) -> InstanceMetadata:
    return next(surface for surface in metadata.node.surfaces if isinstance(surface, InstanceMetadata))


def at_once(metadata: Metadata, path: str, method: str = "GET", **headers: str) -> Served | None:
    return imds(metadata).at_once(Request(method, path, {}, headers))


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        (f"{CREDENTIALS}/", "GET", {}, 200),
        (f"{CREDENTIALS}/web", "GET", {}, 200),
        (f"{CREDENTIALS}/web", "HEAD", {}, 200),
        (f"{CREDENTIALS}/web", "POST", {}, 405),
        (f"{CREDENTIALS}/web", "GET", {TOKEN: "guess"}, 401),
        (f"{CREDENTIALS}/other", "GET", {}, 404),
        ("/web-1/latest/meta-data/instance-id", "GET", {}, 200),
        ("/web-9/latest/meta-data/instance-id", "GET", {}, 404),
        ("/web-1/latest/api/token", "PUT", {}, 400),
        ("/web-1/latest/api/token", "GET", {}, 405),
    ],
)
def test_what_comes_at_once_is_what_is_served(
    metadata: Metadata, path: str, method: str, headers: dict[str, str], status: int
) -> None:
    """Once the credentials are cached, with the same hop and counted as often."""
    metadata.ask(f"{CREDENTIALS}/web")
    counted = [dict(metadata.annex.requests)]
    request = Request(method, path, {}, headers)
    found = imds(metadata).at_once(request)
    counted.append(dict(metadata.annex.requests))
    assert found == asyncio.run(imds(metadata).serve(request))
    counted.append(dict(metadata.annex.requests))
    assert found is not None
    assert found.response.status == status
    asked, with_one, with_two = (each["web-1"] for each in counted)
    assert with_one - asked == with_two - with_one


def test_a_token_that_comes_at_once_is_good(metadata: Metadata) -> None:
    """It is answered as any other, for as long as it was asked for."""
    made = at_once(metadata, "/web-1/latest/api/token", "PUT", **{TTL: "60"})
    assert made is not None
    shown = {TOKEN: made.response.payload.decode()}
    assert metadata.ask("/web-1/latest/meta-data/instance-id", **shown).status == 200
    metadata.nodes.now_s += 60
    late = at_once(metadata, "/web-1/latest/meta-data/instance-id", **shown)
    assert late is not None
    assert late.response.status == 401


def test_credentials_that_are_not_cached_are_not_there_at_once(metadata: Metadata) -> None:
    """Nothing is counted for what is asked again with a coroutine; what is past its refresh is served from the cache."""
    assert at_once(metadata, f"{CREDENTIALS}/web") is None
    assert metadata.annex.requests == {}
    assert metadata.ask(f"{CREDENTIALS}/web").status == 200
    metadata.nodes.now_s += LIFETIME_S
    stale = at_once(metadata, f"{CREDENTIALS}/web")
    assert stale is not None
    assert stale.hop is not None
    assert stale.hop.cache == "stale"
    metadata.annex.drop_caches()
    assert at_once(metadata, f"{CREDENTIALS}/web") is None


def test_while_a_hold_may_want_another_answer_nothing_is_there_at_once(metadata: Metadata) -> None:
    """Nor while the node has a capacity."""
    assert metadata.hold("fault-1", status=503, request="token").status == 200
    assert at_once(metadata, "/web-1/latest/meta-data/instance-id") is None
    release = metadata.node.internal("DELETE", "/admin/holds/fault-1")
    assert asyncio.run(metadata.node.handle(release)).status == 200
    assert at_once(metadata, "/web-1/latest/meta-data/instance-id") is not None
    limits = {"switch": "capacity", "value": {"at_once": 1}}
    assert asyncio.run(metadata.node.handle(metadata.node.internal("PUT", "/admin/holds/fault-2", limits))).status == 200
    assert at_once(metadata, "/web-1/latest/meta-data/instance-id") is None

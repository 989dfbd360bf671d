"""Resolvers: what a fault is, whom it concerns, and how long records are kept."""

from __future__ import annotations

import pytest

from brownout.identity.core.edge.names import Endpoint, NameFault, NameRoutes, Resolvers

ROUTES: NameRoutes = {("n", "here"): Endpoint("token", "here"), ("n", "there"): Endpoint("token", "here")}


def fault(effect: str, **more: object) -> NameFault:
    return NameFault.of({"name": "n", "effect": effect, **more}, names={"n"}, regions=("here", "there"))


def test_a_good_record_leads_to_its_endpoint() -> None:
    """Without faults the table says where a name leads, and a name that is not in it is a KeyError."""
    resolvers = Resolvers(ROUTES, ttl_s=0.0)
    assert resolvers.look_up("n", "there", (), 0.0).endpoint == Endpoint("token", "here")
    with pytest.raises(KeyError):
        resolvers.look_up("m", "here", (), 0.0)


def test_a_record_is_kept_until_its_end_and_no_longer() -> None:
    """A bad record outlives its fault by its time to live, counted from the look-up that got it."""
    resolvers = Resolvers(ROUTES, ttl_s=0.0)
    bad = (fault("empty", ttl_s=10),)
    assert resolvers.look_up("n", "here", bad, 5.0).problem == "empty"
    assert resolvers.look_up("n", "here", (), 14.9).problem == "empty"
    assert resolvers.look_up("n", "there", (), 14.9).problem == ""
    assert resolvers.look_up("n", "here", (), 15.0).problem == ""


def test_the_newest_record_counts() -> None:
    """Faults come in the order in which they were put; slow and reset are no records."""
    faults = (fault("empty"), fault("wrong", to="there"), fault("slow", delay_s=1), fault("reset"))
    found = Resolvers(ROUTES, ttl_s=0.0).look_up("n", "here", faults, 0.0)
    assert found.endpoint == Endpoint("token", "there")

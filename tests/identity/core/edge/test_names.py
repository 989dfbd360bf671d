"""Resolvers: what a fault is, whom it concerns, and how long records are kept."""

from __future__ import annotations

import pytest

from brownout.identity.core.edge.names import Endpoint, NameCache, NameFault, NameRoutes, Resolvers

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


CACHE = NameCache("c", ttl_s=60.0, negative_ttl_s=600.0, first_s=10.0)


def problem(resolvers: Resolvers, now_s: float, *faults: NameFault, cache: NameCache = CACHE) -> str:
    """What a client with that cache is told in `here`: why the name leads nowhere, or whether it leads from the cache."""
    found = resolvers.look_up_for("n", "here", faults, now_s, cache=cache)
    return found.record.problem or found.cache


def test_a_clients_own_cache_keeps_good_and_bad_records_for_times_of_its_own() -> None:
    """A lost record is noticed when the good one runs out, and its return when the bad one does, whatever the record says."""
    resolvers, lost = Resolvers(ROUTES, ttl_s=0.0), fault("lost")
    assert problem(resolvers, 0.0) == "miss"
    assert problem(resolvers, 9.9, lost) == "hit", "the first record is as old as the cache says"
    assert problem(resolvers, 10.0, lost) == "nxdomain"
    assert problem(resolvers, 609.9) == "nxdomain"
    assert problem(resolvers, 610.0) == "miss"
    assert problem(resolvers, 669.9, lost) == "hit"
    assert problem(resolvers, 670.0, lost) == "nxdomain"


def test_caches_are_apart_from_each_other_and_from_those_without() -> None:
    """One client's answer is no other's, and a client without a cache asks each time."""
    resolvers, lost = Resolvers(ROUTES, ttl_s=0.0), fault("lost")
    assert problem(resolvers, 0.0, lost) == "nxdomain"
    assert problem(resolvers, 1.0, cache=CACHE._replace(name="d")) == "miss"
    assert resolvers.look_up("n", "here", (), 1.0).problem == ""
    assert problem(resolvers, 1.0) == "nxdomain"


def test_a_record_is_in_use_while_somebody_asks_for_it() -> None:
    """A question that a cache answers is none to the zone, and a probe does not count."""
    resolvers = Resolvers(ROUTES, ttl_s=0.0)
    resolvers.look_up_for("n", "here", (), 1.0, cache=None, counts=False)
    assert resolvers.used_s("n") is None
    problem(resolvers, 2.0)
    problem(resolvers, 3.0)
    assert resolvers.used_s("n") == 2.0


def test_a_cache_survives_a_header() -> None:
    """What a request says of a client's cache is read back as it was."""
    assert NameCache.of(str(CACHE)) == CACHE


@pytest.mark.parametrize("text", ["c", "c;1;2", ";1;2;3", "c;1;2;-3", "c;1;nan;3", "c;1;inf;3", "c;1;2;3;4", "c;a;2;3"])
def test_a_header_that_names_no_cache_is_refused(text: str) -> None:
    """Its words say how one is written."""
    with pytest.raises(ValueError, match="NAME;TTL_S"):
        NameCache.of(text)

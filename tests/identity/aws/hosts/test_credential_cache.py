"""When cached role credentials are due, and that each is told once."""

from __future__ import annotations

from brownout.identity.aws.hosts.credential_cache import CredentialCache
from brownout.identity.aws.instance_credentials import InstanceCredentials, InstanceCredentialsRequest


def wanted(machine: str) -> InstanceCredentialsRequest:
    return InstanceCredentialsRequest(machine, "web", "i-0")


def given(issued_s: float, expires_s: float) -> InstanceCredentials:
    return InstanceCredentials("ASIA", "s", "t", issued_s, expires_s)


def test_credentials_are_due_after_a_share_of_their_life() -> None:
    """Nothing is due before the refresh point; at it the credentials are, and stay in the cache."""
    cache = CredentialCache(refresh_fraction=0.5)
    cache.put(wanted("a"), given(0.0, 1000.0))
    assert cache.due(499.9) == []
    assert not cache.is_past_refresh(wanted("a"), 499.9)
    assert cache.due(500.0) == [wanted("a")]
    assert cache.is_past_refresh(wanted("a"), 500.0)
    assert cache.get(wanted("a")) == given(0.0, 1000.0)


def test_what_is_due_is_told_once_until_it_is_put_or_postponed() -> None:
    """After it was told it comes back only at the moment that it was put off to, or with new credentials."""
    cache = CredentialCache(refresh_fraction=0.5)
    cache.put(wanted("a"), given(0.0, 1000.0))
    assert cache.due(600.0) == [wanted("a")]
    assert cache.due(600.0) == []
    cache.postpone(wanted("a"), 700.0)
    assert cache.due(699.0) == []
    assert cache.due(700.0) == [wanted("a")]
    cache.put(wanted("a"), given(700.0, 1700.0))
    assert cache.due(1100.0) == []
    assert cache.due(1200.0) == [wanted("a")]


def test_newer_credentials_move_the_moment() -> None:
    """Credentials that came early outdate the entry of those before."""
    cache = CredentialCache(refresh_fraction=0.5)
    cache.put(wanted("a"), given(0.0, 1000.0))
    cache.put(wanted("a"), given(400.0, 1400.0))
    assert cache.due(500.0) == []
    assert cache.due(900.0) == [wanted("a")]


def test_the_most_urgent_comes_first_and_what_was_dropped_not_at_all() -> None:
    """Order is by moment, then by arrival; dropped entries are neither due nor served."""
    cache = CredentialCache(refresh_fraction=0.5)
    for name, expires_s in (("late", 1000.0), ("early", 200.0), ("gone", 100.0), ("later", 1000.0)):
        cache.put(wanted(name), given(0.0, expires_s))
    cache.drop(wanted("gone"))
    cache.drop(wanted("never there"))
    assert cache.due(1000.0) == [wanted("early"), wanted("late"), wanted("later")]
    assert cache.get(wanted("gone")) is None


def test_a_cleared_cache_is_cold() -> None:
    """Nothing is served and nothing is due."""
    cache = CredentialCache(refresh_fraction=0.5)
    cache.put(wanted("a"), given(0.0, 1000.0))
    cache.clear()
    assert len(cache) == 0
    assert cache.due(1e9) == []

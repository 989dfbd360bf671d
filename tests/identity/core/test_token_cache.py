"""The refresh rule of token caches: fresh, due, ending, and the wait after an attempt that brought nothing newer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.token_cache import CachedToken, TokenCache
from support.identity_stacks import HOUR_S, QUIET_S, Stack, body, hops, on_stack

KEY = ("identity", "machine", "resource")
TOKEN = CachedToken("t", "c", issued_s=1000.0, expires_s=2000.0)


def cache_of(*, refresh_fraction: float = 0.5, margin_s: float = 100.0, backoff_s: float = 60.0) -> TokenCache:
    made = TokenCache(refresh_fraction=refresh_fraction, margin_s=margin_s, backoff_s=backoff_s)
    made.put(KEY, TOKEN)
    return made


@pytest.mark.parametrize(
    ("now_s", "freshness"),
    [(1000, "fresh"), (1499.9, "fresh"), (1500, "due"), (1899.9, "due"), (1900, "ending"), (2000, "ending"), (9000, "ending")],
)
def test_the_stages_of_a_token(now_s: float, freshness: str) -> None:
    """Fresh until its refresh point, due until the margin before its end, ending from then on."""
    assert cache_of().freshness(KEY, now_s) == freshness


def test_a_key_without_a_token_has_none() -> None:
    """What was never put in, or was dropped, is `none`."""
    cache = cache_of()
    assert cache.freshness(("another",), 1000) == "none"
    cache.clear()
    assert (cache.freshness(KEY, 1000), len(cache)) == ("none", 0)


@pytest.mark.parametrize(("now_s", "freshness"), [(1600, "fresh"), (1659.9, "fresh"), (1660, "due"), (1950, "ending")])
def test_after_an_attempt_the_next_waits_for_the_backoff(now_s: float, freshness: str) -> None:
    """An attempt that brought nothing newer keeps the token fresh for the backoff, and never past the margin."""
    cache = cache_of()
    cache.asked(KEY, 1600)
    assert cache.freshness(KEY, now_s) == freshness


def test_a_new_token_forgets_the_attempt() -> None:
    """A token put in is judged by its own life alone."""
    cache = cache_of()
    cache.asked(KEY, 1600)
    cache.put(KEY, TOKEN)
    assert cache.freshness(KEY, 1601) == "due"


@given(now_s=st.floats(1000, 3000), fraction=st.floats(0.01, 1.0), margin_s=st.floats(0, 1000))
def test_no_token_is_served_within_the_margin_of_its_end(now_s: float, fraction: float, margin_s: float) -> None:
    """Whatever the settings, fresh and due tokens have more than the margin left."""
    if cache_of(refresh_fraction=fraction, margin_s=margin_s).freshness(KEY, now_s) in ("fresh", "due"):
        assert TOKEN.expires_s - now_s > 0
        assert now_s < TOKEN.expires_s - margin_s


async def after_an_outage_began(stack: Stack, *, age_h: float, at_host: bool = False) -> Response:
    """What a machine gets whose token is `age_h` old when the store refuses, or with `at_host` no token node answers."""
    await stack.imds("web-1")
    await stack.wait(age_h * HOUR_S)
    if at_host:
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("link", f"sydney.host->sydney.token.{zone}"), "key", LinkEffect("refuse"))
    else:
        await stack.hold("sydney.store", "key", "invalidate-key", key_id="current")
    return await stack.imds("web-1")


def caches(answer: Response) -> list[str]:
    return [hop.cache for hop in hops(answer) if hop.cache]


@pytest.mark.parametrize("at_host", [False, True])
@pytest.mark.parametrize(("age_h", "served"), [(6, "hit"), (13, "stale"), (23, "stale"), (23.95, "")])
def test_a_stale_token_is_served_when_the_refresh_fails_but_never_near_its_end(
    age_h: float, served: str, at_host: bool
) -> None:
    """Claim C4: warm machines go on with their cached token while refreshes fail, until five minutes before its end."""
    answer = on_stack(lambda stack: after_an_outage_began(stack, age_h=age_h, at_host=at_host), publish_interval_s=QUIET_S)
    assert answer.ok is bool(served)
    assert answer.ok or answer.status == (503 if at_host else 500)
    assert caches(answer)[-1] == (served or "miss")


@pytest.mark.parametrize("at_host", [False, True])
def test_a_failed_refresh_is_not_repeated_within_the_backoff(at_host: bool) -> None:
    """After a failed early refresh the host serves the cached token without asking, then asks again."""

    async def story(stack: Stack) -> list[str]:
        seen = [caches(await after_an_outage_began(stack, age_h=13, at_host=at_host))[-1]]
        for wait_s in (30, 40):
            await stack.wait(wait_s)
            seen.append(caches(await stack.imds("web-1"))[-1])
        return seen

    assert on_stack(story, publish_interval_s=QUIET_S) == ["stale", "hit", "stale"]


def test_after_the_outage_the_refresh_succeeds() -> None:
    """Once the store accepts the key again, the next attempt after the backoff brings a new token."""

    async def story(stack: Stack) -> bool:
        old = body(await after_an_outage_began(stack, age_h=13))["access_token"]
        await stack.release("sydney.store", "key")
        await stack.wait(61)
        return body(await stack.imds("web-1"))["access_token"] != old

    assert on_stack(story, publish_interval_s=QUIET_S)


def test_caches_can_be_switched_off() -> None:
    """Without host and instance caches every request is issued anew, and none survives an outage."""

    async def story(stack: Stack) -> tuple[bool, int]:
        first, second = await stack.token("web-1"), await stack.token("web-1")
        await stack.hold("sydney.store", "key", "invalidate-key", key_id="current")
        return first != second, (await stack.imds("web-1")).status

    assert on_stack(story, host_cache=False, instance_cache=False) == (True, 500)


def test_the_token_nodes_cache_serves_a_host_that_lost_its_own() -> None:
    """A host whose cache was dropped gets the very same token back from its zone's token node, without the store."""

    async def story(stack: Stack) -> tuple[bool, str]:
        first = await stack.token("web-1")
        await stack.world.control("sydney.host", Request("POST", "/admin/drop-caches"))
        await stack.hold("sydney.store", "key", "invalidate-key", key_id="current")
        again = await stack.imds("web-1")
        return body(again)["access_token"] == first, hops(again)[1].cache

    assert on_stack(story) == (True, "hit")


def test_that_a_token_ends_after_its_issue_is_asserted() -> None:
    """A token that ends before it was issued is a bug of its maker and gets into no cache."""
    cache = cache_of()
    with pytest.raises(AssertionError):
        cache.put(("another",), TOKEN._replace(expires_s=TOKEN.issued_s - 1))
    assert cache.get(("another",)) is None

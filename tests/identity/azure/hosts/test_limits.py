"""IMDS' limits: so many token requests of one machine in any second, so many at once; each machine by itself."""

from __future__ import annotations

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.hosts.limits import TokenLimits
from support.identity_stacks import Stack, on_stack


def test_the_window_slides() -> None:
    """A request counts for one second from its own moment, and a refused one does not count."""
    limits = TokenLimits(per_s=2, at_once=0)
    took = []
    for at_s in (0.0, 0.4, 0.5, 0.99, 1.0, 1.3, 1.41, 1.5):
        took.append(limits.begin("m", at_s))
        if took[-1]:
            limits.end("m")
    assert took == [True, True, False, False, True, False, True, False]


def test_a_machine_has_its_own_limits() -> None:
    """What one machine asks for is not held against another."""
    limits = TokenLimits(per_s=1, at_once=1)
    assert [limits.begin(machine, 0.0) for machine in ("a", "b", "a")] == [True, True, False]


def test_no_limit_is_none() -> None:
    """Without settings nothing is counted against anybody."""
    assert not TokenLimits(per_s=0, at_once=0).are_set


def test_only_so_many_requests_are_under_way_at_once() -> None:
    """While five wait for a slow token node, a sixth is 429; when they have ended, the next is served."""

    async def story(stack: Stack) -> list[int]:
        found: list[int] = []

        async def ask() -> None:
            found.append((await stack.imds("web-1")).status)

        link = Carrier("link", "sydney.host->sydney.token.z1")
        await stack.world.hold(link, "f", LinkEffect("slow", latency_ms=300))
        for _ in range(8):
            stack.world.kernel.spawn(ask())
        await stack.wait(3)
        await ask()
        return found

    assert on_stack(story, imds_requests_at_once=5) == [429] * 3 + [200] * 6

"""Simulated links mean by refuse, reset, stall and slow what the real proxies mean, for new calls and for calls under way."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.errors import WorldError
from brownout.harness.worlds.simulation.kernel import Future
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.core.topology import HEALTH_PATH
from support.carriers import link, node
from support.client_requests import ARM_VERSION, HERE, user_token
from support.simulated_stacks import on_world

CLIENT = "client->sydney.host"
INNER = "sydney.host->sydney.token.z1"
STORE = "sydney.token->sydney.store"


def outcome(held: LinkEffect, *, timeout_ms: float = 500) -> tuple[str, float]:
    """How a probe of the client's link ends under one hold, and how long it took."""

    async def story(world: SimulationWorld) -> tuple[str, float]:
        await world.hold(link(CLIENT), "f", held)
        result = await world.probe(CLIENT, timeout_ms=timeout_ms)
        return result.outcome, result.latency_ms

    return on_world(story)


@pytest.mark.parametrize(
    ("state", "expected", "least_ms", "most_ms"),
    [
        (LinkEffect("refuse"), "refused", 0, 5),
        (LinkEffect("reset"), "reset", 0, 5),
        (LinkEffect("reset", "upstream"), "reset", 0, 5),
        (LinkEffect("reset", "downstream"), "reset", 0, 5),
        (LinkEffect("stall"), "timeout", 500, 500),
        (LinkEffect("stall", "upstream"), "timeout", 500, 500),
        (LinkEffect("stall", "downstream"), "timeout", 500, 500),
        (LinkEffect("slow", latency_ms=100), "ok", 200, 203),
        (LinkEffect("slow", "upstream", latency_ms=100), "ok", 100, 103),
        (LinkEffect("slow", "downstream", latency_ms=100), "ok", 100, 103),
        (LinkEffect("slow", latency_ms=100, jitter_ms=50), "ok", 100, 303),
        (LinkEffect("slow", "upstream", latency_ms=600), "timeout", 500, 500),
    ],
)
def test_each_effect_on_new_calls(state: LinkEffect, expected: str, least_ms: float, most_ms: float) -> None:
    """Refuse refuses and reset resets at once, stall is silence, slow adds its latency once for each direction named."""
    ended, took_ms = outcome(state)
    assert ended == expected
    assert least_ms <= took_ms <= most_ms


def test_an_effect_that_a_simulated_link_cannot_have_is_refused() -> None:
    """No packets vanish in the simulation; a black hole is refused and the link stays whole."""

    async def story(world: SimulationWorld) -> str:
        with pytest.raises(WorldError, match="vanish"):
            await world.hold(link(CLIENT), "f", LinkEffect("blackhole"))
        assert (await world.read(link(CLIENT)))["holds"] == {}
        return (await world.probe(CLIENT, timeout_ms=500)).outcome

    assert on_world(story) == "ok"


def call_during(*acts: tuple[float, str, LinkEffect | None], slow_ms: float = 300) -> tuple[str, float]:
    """How a call of the client ends that takes 2 x `slow_ms`, with holds put (a state) or released (None) on the way."""

    async def story(world: SimulationWorld) -> tuple[str, float]:
        await world.hold(link(CLIENT), "slow", LinkEffect("slow", latency_ms=slow_ms))
        began_s = world.now()
        ended: Future[tuple[str, float]] = Future(world.kernel)

        async def call() -> None:
            try:
                await world.client("sydney.host", Request("GET", HEALTH_PATH), timeout_s=5)
                ended.resolve(("ok", world.now() - began_s))
            except CallFailed as failed:
                ended.resolve((failed.failure, world.now() - began_s))

        world.kernel.spawn(call())
        for at_s, fault_id, state in acts:
            await world.sleep_until(began_s + at_s)
            if state is None:
                await world.release(link(CLIENT), fault_id)
            else:
                await world.hold(link(CLIENT), fault_id, state)
        return await ended

    return on_world(story)


STALL_UP, STALL_DOWN = (LinkEffect("stall", way) for way in ("upstream", "downstream"))
RESET_UP, RESET_DOWN = (LinkEffect("reset", way) for way in ("upstream", "downstream"))
REFUSE = LinkEffect("refuse")


@pytest.mark.parametrize(
    ("acts", "expected", "at_s"),
    [
        ((), "ok", 0.6),
        (((0.1, "f", REFUSE),), "reset", 0.1),
        (((0.5, "f", REFUSE),), "reset", 0.5),
        (((0.1, "f", STALL_UP),), "timeout", 5),
        (((0.5, "f", STALL_UP),), "ok", 0.6),
        (((0.1, "f", STALL_DOWN),), "timeout", 5),
        (((0.1, "f", STALL_UP), (1, "f", None)), "reset", 1),
        (((0.1, "f", STALL_UP), (0.2, "f", None)), "reset", 0.2),
        (((0.1, "f", STALL_UP), (0.2, "g", STALL_UP), (1, "f", None), (2, "g", None)), "reset", 2),
        (((0.1, "f", STALL_UP), (0.2, "g", STALL_DOWN), (1, "f", None)), "reset", 1),
        (((0.1, "f", STALL_UP), (1, "g", REFUSE)), "reset", 1),
        (((0.1, "f", RESET_UP),), "reset", 0.3),
        (((0.5, "f", RESET_UP),), "ok", 0.6),
        (((0.1, "f", RESET_DOWN),), "reset", 0.3),
        (((0.1, "f", RESET_DOWN), (0.2, "f", None)), "reset", 0.2),
        (((0.5, "f", RESET_UP), (0.55, "f", None)), "reset", 0.55),
        (((0.1, "f", STALL_UP), (1, "g", RESET_UP)), "reset", 1),
        (((0.1, "f", STALL_UP), (0.2, "g", RESET_DOWN), (1, "g", None)), "reset", 1),
        (((0.4, "f", RESET_UP), (0.45, "g", STALL_UP), (0.5, "f", None)), "ok", 0.6),
        (((0.1, "f", STALL_UP), (1, "f", LinkEffect("slow", latency_ms=5))), "reset", 1),
    ],
)
def test_calls_under_way(acts: tuple[Any, ...], expected: str, at_s: float) -> None:
    """Refuse cuts them at once; a stall loses what meets it, a reset cuts it; the end of a direction's last one cuts them."""
    ended, took_s = call_during(*acts)
    assert ended == expected
    assert took_s == pytest.approx(at_s, abs=0.01)


def test_a_request_that_met_a_stall_is_never_carried_out() -> None:
    """What was sent into a stall does not arrive when it ends: the real proxy drops it too."""

    async def story(world: SimulationWorld) -> int:
        group = f"/subscriptions/{world.spec.subscription_id}/resourceGroups/load"
        path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/new"
        headers = {"authorization": f"Bearer {await user_token(world)}"}
        front = link("client->sydney.management")
        await world.hold(front, "f", STALL_UP)
        with pytest.raises(CallFailed, match="timeout"):
            await world.client("sydney.management", Request("PUT", path, ARM_VERSION, headers, HERE), timeout_s=1)
        await world.release(front, "f")
        await world.sleep_until(world.now() + 10)
        return (await world.client("sydney.management", Request("GET", path, ARM_VERSION, headers), timeout_s=1)).status

    assert on_world(story) == 404


def test_a_request_that_was_cut_on_its_way_is_never_carried_out() -> None:
    """What a refusal cuts before it arrived does not arrive, though the link would have carried it a moment later."""

    async def story(world: SimulationWorld) -> tuple[str, int]:
        group = f"/subscriptions/{world.spec.subscription_id}/resourceGroups/load"
        path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/new"
        headers = {"authorization": f"Bearer {await user_token(world)}"}
        front = link("client->sydney.management")
        await world.hold(front, "slow", LinkEffect("slow", "upstream", latency_ms=500))
        world.kernel.after(0.2, lambda: world.kernel.spawn(world.hold(front, "f", REFUSE)) and None)
        with pytest.raises(CallFailed) as cut:
            await world.client("sydney.management", Request("PUT", path, ARM_VERSION, headers, HERE), timeout_s=3)
        for fault_id in ("f", "slow"):
            await world.release(front, fault_id)
        await world.sleep_until(world.now() + 10)
        found = await world.client("sydney.management", Request("GET", path, ARM_VERSION, headers), timeout_s=1)
        return cut.value.failure, found.status

    assert on_world(story) == ("reset", 404)


def test_a_request_whose_caller_gave_up_is_carried_out_all_the_same() -> None:
    """The time-out is the caller's; what it had sent arrives and is served."""

    async def story(world: SimulationWorld) -> tuple[str, int]:
        group = f"/subscriptions/{world.spec.subscription_id}/resourceGroups/load"
        path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/new"
        headers = {"authorization": f"Bearer {await user_token(world)}"}
        front = link("client->sydney.management")
        await world.hold(front, "slow", LinkEffect("slow", "upstream", latency_ms=500))
        with pytest.raises(CallFailed) as ended:
            await world.client("sydney.management", Request("PUT", path, ARM_VERSION, headers, HERE), timeout_s=0.3)
        await world.release(front, "slow")
        await world.sleep_until(world.now() + 1)
        found = await world.client("sydney.management", Request("GET", path, ARM_VERSION, headers), timeout_s=1)
        return ended.value.failure, found.status

    assert on_world(story) == ("timeout", 200)


def test_a_fault_is_on_its_link_alone() -> None:
    """Holding one link leaves every other as it was."""

    async def story(world: SimulationWorld) -> dict[str, str]:
        await world.hold(link("sydney.token->melbourne.store"), "f", REFUSE)
        links = [str(each) for each in world.spec.links()]
        return {name: (await world.probe(name, timeout_ms=500)).outcome for name in links}

    outcomes = on_world(story)
    assert [name for name, ended in outcomes.items() if ended != "ok"] == ["sydney.token->melbourne.store"]


HOLDS: dict[str, dict[str, Any]] = {
    "a": LinkEffect("slow", "upstream", latency_ms=50),
    "b": LinkEffect("slow", "both", latency_ms=100),
    "c": STALL_DOWN,
    "d": REFUSE,
}


@pytest.mark.parametrize("order", list(permutations(HOLDS)), ids="".join)
def test_holds_are_a_set_in_any_order_of_release(order: tuple[str, ...]) -> None:
    """What a link does is a function of the holds that are left; the last release leaves it whole."""

    async def story(world: SimulationWorld) -> None:
        for fault_id, state in HOLDS.items():
            await world.hold(link(INNER), fault_id, state)
        kept = set(HOLDS)
        for fault_id in order:
            await world.release(link(INNER), fault_id)
            kept.remove(fault_id)
            result = await world.probe(INNER, timeout_ms=400)
            assert result.outcome == ("refused" if "d" in kept else "timeout" if "c" in kept else "ok")
            if result.outcome == "ok":
                expected_ms = 50 * ("a" in kept) + 200 * ("b" in kept)
                assert expected_ms <= result.latency_ms <= expected_ms + 3
            assert set((await world.read(link(INNER)))["holds"]) == kept

    on_world(story)


def test_links_between_regions_are_slower() -> None:
    """A call across regions takes the distance both ways, one inside a region next to nothing."""

    async def story(world: SimulationWorld) -> tuple[float, float]:
        near = await world.probe("sydney.token->sydney.store", timeout_ms=500)
        far = await world.probe("melbourne.token->sydney.store", timeout_ms=500)
        return near.latency_ms, far.latency_ms

    near_ms, far_ms = on_world(story)
    assert 0.8 <= near_ms <= 1.7
    assert 11 <= far_ms <= 12


def test_a_node_behind_a_refusing_link_works_on() -> None:
    """A link fault is seen over the link and not beside it."""

    async def story(world: SimulationWorld) -> tuple[str, int]:
        await world.hold(link(CLIENT), "f", REFUSE)
        answer = await world.control("sydney.host", Request("GET", "/admin/state"))
        return (await world.probe(CLIENT, timeout_ms=300)).outcome, answer.status

    assert on_world(story) == ("refused", 200)


@pytest.mark.parametrize("effect", ["down", "paused"])
def test_link_and_node_faults_overlap(effect: str) -> None:
    """Each heals by itself: with the link refusing a dead node is refused, with the link whole it is silent."""

    async def story(world: SimulationWorld) -> list[str]:
        await world.hold(node("sydney.host"), "n", NodeEffect(effect))
        await world.hold(link(CLIENT), "l", REFUSE)
        seen = [(await world.probe(CLIENT, timeout_ms=300)).outcome]
        await world.release(link(CLIENT), "l")
        seen.append((await world.probe(CLIENT, timeout_ms=300)).outcome)
        await world.release(node("sydney.host"), "n")
        return [*seen, (await world.probe(CLIENT, timeout_ms=300)).outcome]

    assert on_world(story) == ["refused", "reset" if effect == "down" else "timeout", "ok"]

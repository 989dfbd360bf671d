"""Simulated nodes die and stand still as processes do."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect, NodeEffectKind, SwitchThrow
from brownout.harness.errors import WorldError
from brownout.harness.worlds.simulation.kernel import Future
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.core.topology import HEALTH_PATH
from support.carriers import link, node, switch
from support.client_requests import ARM_VERSION, HERE, token_request, user_token
from support.simulated_stacks import HOUR_S, on_world

HOST = "client->sydney.host"


def test_a_node_that_is_down_resets_its_callers_and_comes_back_from_its_disk() -> None:
    """Down: callers are reset, the control plane is silent; back: memory is gone, what was durable is there."""

    async def story(world: SimulationWorld) -> list[Any]:
        await world.client("sydney.host", token_request("web-1"), timeout_s=2)
        await world.hold(switch("sydney.host"), "route", SwitchThrow("route-zone", {"zone": "z1", "to": "z2"}))
        await world.hold(node("sydney.host"), "f", NodeEffect("down"))
        seen: list[Any] = [(await world.probe(HOST, timeout_ms=300)).outcome]
        with pytest.raises(WorldError, match="does not answer"):
            await world.control("sydney.host", Request("GET", "/admin/state"))
        await world.release(node("sydney.host"), "f")
        state = await world.read(switch("sydney.host"))
        return [*seen, state["cached"], list(state["holds"])]

    assert on_world(story) == ["reset", 0, ["route"]]


def test_a_call_under_way_is_reset_when_its_node_dies() -> None:
    """The caller hears at once, not when the answer would have come."""

    async def story(world: SimulationWorld) -> tuple[str, float]:
        await world.hold(link("sydney.token->sydney.store"), "slow", LinkEffect("slow", latency_ms=400))
        began_s = world.now()
        ended: Future[str] = Future(world.kernel)

        async def call() -> None:
            try:
                await world.client("sydney.host", token_request("web-1"), timeout_s=5)
            except CallFailed as failed:
                ended.resolve(failed.failure)

        world.kernel.spawn(call())
        await world.sleep_until(began_s + 0.1)
        await world.hold(node("sydney.host"), "f", NodeEffect("down"))
        return await ended, world.now() - began_s

    failure, took_s = on_world(story)
    assert failure == "reset"
    assert took_s == pytest.approx(0.1, abs=0.01)


def test_a_dead_node_does_nothing_more() -> None:
    """Work that was under way in a killed node never continues: it publishes nothing and writes nothing."""

    async def story(world: SimulationWorld) -> list[Any]:
        vault: Any = world._nodes["melbourne.vault"].node
        await world.hold(node("sydney.directory"), "f", NodeEffect("down"))
        disk = dict(world._nodes["sydney.directory"].disk)
        taken: list[float] = []
        original = vault.replica.take
        vault.replica.take = lambda snapshot: taken.append(world.now()) or original(snapshot)
        await world.sleep_until(world.now() + 10 * HOUR_S)
        return [taken, disk == world._nodes["sydney.directory"].disk]

    assert on_world(story) == [[], True]


def test_a_change_that_dies_with_its_node_is_not_written() -> None:
    """A management node killed before the store answered does not remember the change in its next life."""

    async def story(world: SimulationWorld) -> list[int]:
        token = await user_token(world)
        group = f"/subscriptions/{world.spec.subscription_id}/resourceGroups/load"
        path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/new"
        headers = {"authorization": f"Bearer {token}"}
        await world.hold(link("sydney.management->sydney.store"), "slow", LinkEffect("slow", latency_ms=200))
        ended: Future[str] = Future(world.kernel)

        async def call() -> None:
            try:
                await world.client("sydney.management", Request("PUT", path, ARM_VERSION, headers, HERE), timeout_s=5)
            except CallFailed as failed:
                ended.resolve(failed.failure)

        world.kernel.spawn(call())
        await world.sleep_until(world.now() + 0.1)
        await world.hold(node("sydney.management"), "f", NodeEffect("down"))
        assert await ended == "reset"
        await world.release(node("sydney.management"), "f")
        await world.sleep_until(world.now() + 5)
        disk: Mapping[str, Any] = world._nodes["sydney.management"].disk
        return [sum(1 for key in disk if key.startswith("resource:"))]

    assert on_world(story) == [0]


def test_a_paused_node_answers_nobody_and_goes_on() -> None:
    """While a node is paused, its callers time out and its control plane is silent; released, it continues with its memory."""

    async def story(world: SimulationWorld) -> list[Any]:
        await world.client("sydney.host", token_request("web-1"), timeout_s=2)
        await world.hold(node("sydney.host"), "f", NodeEffect("paused"))
        seen: list[Any] = [(await world.probe(HOST, timeout_ms=300)).outcome]
        with pytest.raises(WorldError, match="does not answer"):
            await world.control("sydney.host", Request("GET", "/admin/state"))
        await world.release(node("sydney.host"), "f")
        return [*seen, (await world.read(switch("sydney.host")))["cached"], (await world.probe(HOST, timeout_ms=300)).outcome]

    assert on_world(story) == ["timeout", 1, "ok"]


def test_a_call_that_outwaits_a_pause_is_answered() -> None:
    """A caller that is still waiting when the pause ends gets the answer."""

    async def story(world: SimulationWorld) -> tuple[int, float]:
        await world.hold(node("sydney.host"), "f", NodeEffect("paused"))
        began_s = world.now()
        world.kernel.after(3, lambda: world.kernel.spawn(world.release(node("sydney.host"), "f")) and None)
        answer = await world.client("sydney.host", Request("GET", HEALTH_PATH), timeout_s=10)
        return answer.status, world.now() - began_s

    status, took_s = on_world(story)
    assert status == 200
    assert took_s == pytest.approx(3, abs=0.01)


def test_a_paused_node_stops_its_own_work_too() -> None:
    """A paused directory publishes nothing, and goes on when it is released."""

    async def story(world: SimulationWorld) -> list[int]:
        directory: Any = world._nodes["sydney.directory"].node
        vault: Any = world._nodes["melbourne.vault"].node
        body = {"object_id": "n", "resource_id": "/n", "home_region": "sydney", "kind": "user", "name": "n"}
        await directory.handle(directory.internal("PUT", "/principals/n", body))
        await world.hold(node("sydney.directory"), "f", NodeEffect("paused"))
        await world.sleep_until(world.now() + HOUR_S)
        seen = [vault.replica.version]
        await world.release(node("sydney.directory"), "f")
        await world.sleep_until(world.now() + 61)
        return [*seen, vault.replica.version]

    assert on_world(story) == [1, 2]


def test_down_and_paused_overlap() -> None:
    """A node that is both is down; whichever is released first, the other stays; both released, it runs."""

    async def story(world: SimulationWorld) -> list[str]:
        carrier = node("sydney.host")
        seen = []
        for first, second in (("paused", "down"), ("down", "paused")):
            await world.hold(carrier, "a", NodeEffect(first))
            await world.hold(carrier, "b", NodeEffect(second))
            for fault_id in ("", "a", "b"):
                await world.release(carrier, fault_id)
                seen.append((await world.probe(HOST, timeout_ms=200)).outcome)
        return seen

    assert on_world(story) == ["reset", "reset", "ok", "reset", "timeout", "ok"]


@pytest.mark.parametrize("effect", ["wiped", "stopped", "disconnected"])
def test_an_effect_that_nodes_do_not_have_is_refused(effect: NodeEffectKind) -> None:
    """Only `down` and `paused` can be put on a node."""

    async def story(world: SimulationWorld) -> str:
        with pytest.raises(WorldError, match="no effect"):
            await world.hold(node("sydney.host"), "f", NodeEffect(effect))
        return (await world.probe(HOST, timeout_ms=200)).outcome

    assert on_world(story) == "ok"


def test_a_bug_in_a_node_surfaces() -> None:
    """What a node raises for a request, contrary to its contract, is raised by the run, not turned into a timeout."""

    async def story(world: SimulationWorld) -> None:
        host: Any = world._nodes["sydney.host"].node
        host.answer = None
        await world.client("sydney.host", token_request("web-1"), timeout_s=5)

    with pytest.raises(TypeError):
        on_world(story)


def test_a_stack_that_never_gets_ready_is_an_error() -> None:
    """When a node is never ready, start says which and leaves nothing running."""
    from brownout.harness.worlds.stack_spec import build_stack

    world = SimulationWorld(build_stack(seed=1), epoch_s=0.0)
    world._nodes["sydney.directory"].boot = lambda: world.kernel.sleep(0)  # type: ignore[method-assign]
    with pytest.raises(WorldError, match=r"never got ready: .*sydney\.directory"):
        world.run(world.start())
    assert all(each.node is None for each in world._nodes.values())


def test_a_failed_call_of_a_node_is_freed_with_its_last_reference() -> None:
    """The failure that a node's call raises holds nothing that holds the failure, so an outage leaves no reference cycles."""

    async def story(world: SimulationWorld) -> weakref.ref[CallFailed]:
        await world.hold(link("sydney.token->sydney.store"), "cut", LinkEffect("refuse"))
        asking = world._nodes["sydney.token.z1"].node
        assert asking is not None
        try:
            await asking.ports.call("sydney.store", Request("GET", HEALTH_PATH), timeout_s=1)
        except CallFailed as failed:
            return weakref.ref(failed)
        raise AssertionError("the link refuses, and the call did not fail")

    gc.disable()
    try:
        assert on_world(story)() is None
    finally:
        gc.enable()


def test_what_a_node_has_ready_is_what_it_would_answer_and_nothing_while_it_is_held() -> None:
    """A cached token needs no coroutine; a paused or dead node has nothing ready."""

    async def story(world: SimulationWorld) -> None:
        request = token_request("web-1")
        simulated = world._nodes["sydney.host"]
        assert simulated.at_once(request) is None, "no token is cached yet"
        await world.client("sydney.host", request, timeout_s=2)
        assert simulated.node is not None
        assert simulated.at_once(request) == await simulated.node.handle(request)
        assert simulated.at_once(Request("GET", HEALTH_PATH)) is None, "pages of the node's own are asked for"
        for effect in ("paused", "down"):
            await world.hold(node("sydney.host"), "f", NodeEffect(effect))
            assert simulated.at_once(request) is None
            await world.release(node("sydney.host"), "f")

    on_world(story)

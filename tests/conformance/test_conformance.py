"""One suite for every world: what the protocol promises is so, and means the same (harness/world.py)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from itertools import permutations
from typing import Any

import pytest

from brownout.harness.effects import Direction, Effect, LinkEffect, NodeEffect, SwitchThrow
from brownout.harness.errors import Defended, WorldError
from brownout.harness.world import Carrier, World
from brownout.harness.worlds.catalog import COMPOSE, WORLDS
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.names import LOGIN
from brownout.identity.core.edge.node import NAME_CACHE
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import EDGE_NODE
from support.carriers import link, node, switch
from support.client_requests import token_request
from support.world_drivers import SLACK_MS, TIMER_MS, Driver, ask

FRONT = "client->sydney.host"
STORE = "melbourne.token->sydney.store"
HEALTH = Request("GET", "/healthz")
REFUSE = LinkEffect("refuse")
RESET = LinkEffect("reset", "both")
STALL = LinkEffect("stall", "both")
OUTCOMES = {"refuse": "refused", "reset": "reset", "stall": "timeout", "slow": "ok"}


def slow(latency_ms: int, direction: Direction = "both") -> LinkEffect:
    return LinkEffect("slow", direction, latency_ms=latency_ms)


async def seen(driver: Driver, name: str = FRONT, timeout_ms: float = 300) -> str:
    return (await driver.world.probe(name, timeout_ms=timeout_ms)).outcome


def test_a_world_says_what_it_is_and_can(driver: Driver) -> None:
    """Every world has a name, a rate, a specification and at least the abilities that every world has."""
    world = driver.world
    assert world.name in WORLDS
    assert world.rate > 0
    assert world.abilities >= {"link:refuse", "link:reset", "link:stall", "link:slow", "node:down", "node:paused", "control"}
    assert "load" in world.abilities
    assert world.spec.nodes() == build_stack(seed=21).nodes()


def test_a_stack_that_is_up_is_whole(driver: Driver) -> None:
    """After `start` every link carries, every node is ready, and nothing is held."""

    async def story() -> set[bool]:
        await driver.require_whole()
        answers = [await driver.world.control(name, HEALTH) for name in driver.world.spec.nodes()]
        return {bool((answer.body or {}).get("ready")) for answer in answers}

    assert driver.run(story()) == {True}


def test_time_goes_forward_and_can_be_waited_for(driver: Driver) -> None:
    """`sleep_until` returns at or after its time, and at once for a time that is past."""

    async def story() -> tuple[float, float]:
        began_s = driver.world.now()
        await driver.world.sleep_until(began_s + 0.2)
        again_s = driver.world.now()
        await driver.world.sleep_until(began_s - 1000)
        return again_s - began_s, driver.world.now() - again_s

    waited_s, past_s = driver.run(story())
    assert 0.2 <= waited_s < 0.2 + SLACK_MS / 1000
    assert past_s < 0.1


LINK_CASES: tuple[tuple[dict[str, Any], str, float], ...] = (
    (REFUSE, "refused", 0),
    (RESET, "reset", 0),
    (LinkEffect("reset", "upstream"), "reset", 0),
    (LinkEffect("reset", "downstream"), "reset", 0),
    (STALL, "timeout", 300),
    (LinkEffect("stall", "upstream"), "timeout", 300),
    (LinkEffect("stall", "downstream"), "timeout", 300),
    (slow(50), "ok", 100),
    (slow(120, "upstream"), "ok", 120),
    (slow(120, "downstream"), "ok", 120),
    (slow(2000, "downstream"), "timeout", 300),
)


@pytest.mark.parametrize(("state", "outcome", "least_ms"), LINK_CASES)
@pytest.mark.parametrize("name", [FRONT, STORE, "sydney.directory->melbourne.vault"])
def test_each_link_effect_means_the_same(driver: Driver, state: LinkEffect, outcome: str, least_ms: float, name: str) -> None:
    """A probe of a held link ends as the effect says, in the time that it says; released, the link is whole."""

    async def story() -> None:
        held = await driver.world.hold(link(name), "f-1", state)
        assert held["holds"] == {"f-1": state.to_json()}
        assert (await driver.world.read(link(name)))["holds"] == held["holds"]
        timeout_ms = 300 if outcome == "timeout" else 3000
        result = await driver.world.probe(name, timeout_ms=timeout_ms)
        assert result.outcome == outcome
        assert least_ms - TIMER_MS <= result.latency_ms <= least_ms + SLACK_MS
        await driver.world.release(link(name), "f-1")

    driver.run(story())


OVERLAPS = (
    (REFUSE, REFUSE),
    (RESET, REFUSE),
    (RESET, RESET),
    (RESET, STALL),
    (RESET, slow(60)),
    (STALL, REFUSE),
    (STALL, RESET),
    (STALL, slow(60)),
    (slow(60), slow(60)),
)


@pytest.mark.parametrize(("first", "second"), OVERLAPS)
@pytest.mark.parametrize("order", list(permutations(("f-1", "f-2"))), ids="+".join)
def test_overlapping_holds_on_a_link_are_a_set(
    driver: Driver, first: LinkEffect, second: LinkEffect, order: tuple[str, str]
) -> None:
    """While both are held the stronger shows; each release leaves the link as the other hold alone would have it."""
    states = {"f-1": first, "f-2": second}

    async def story() -> None:
        for fault_id, state in states.items():
            await driver.world.hold(link(FRONT), fault_id, state)
        assert set((await driver.world.read(link(FRONT)))["holds"]) == set(states)
        strongest = min((first.effect, second.effect), key=tuple(OUTCOMES).index)
        assert await seen(driver, timeout_ms=600) == OUTCOMES[strongest]
        await driver.world.release(link(FRONT), order[0])
        left = states[order[1]]
        result = await driver.world.probe(FRONT, timeout_ms=600)
        assert result.outcome == OUTCOMES[left.effect]
        if left.effect == "slow":
            assert 120 <= result.latency_ms < 240 + SLACK_MS
        await driver.world.release(link(FRONT), order[1])
        assert await seen(driver, timeout_ms=3000) == "ok"

    driver.run(story())


def test_slow_holds_add_up(driver: Driver) -> None:
    """Two latencies on one link are their sum."""

    async def story() -> float:
        for fault_id in ("f-1", "f-2"):
            await driver.world.hold(link(FRONT), fault_id, slow(80, "downstream"))
        result = await driver.world.probe(FRONT, timeout_ms=3000)
        for fault_id in ("f-1", "f-2"):
            await driver.world.release(link(FRONT), fault_id)
        return result.latency_ms

    assert 160 <= driver.run(story()) < 160 + SLACK_MS


HOLDS: tuple[tuple[Carrier, Effect, Effect], ...] = (
    (link(FRONT), slow(10), REFUSE),
    (node("melbourne.vault"), NodeEffect("paused"), NodeEffect("down")),
    (
        switch("sydney.host"),
        SwitchThrow("route-zone", {"zone": "z1", "to": "z2"}),
        SwitchThrow("route-zone", {"zone": "z1", "to": "z3"}),
    ),
)


@pytest.mark.parametrize(
    ("carrier", "state", "other"), HOLDS, ids=lambda value: value.kind if isinstance(value, Carrier) else ""
)
def test_the_laws_of_holds(driver: Driver, carrier: Carrier, state: Effect, other: Effect) -> None:
    """Putting a hold twice is once, putting another under the same id replaces it, and releasing what is not there succeeds."""
    world = driver.world

    async def held() -> dict[str, Any]:
        return dict((await world.read(carrier))["holds"])

    async def story() -> None:
        await world.release(carrier, "never-put")
        await world.hold(carrier, "f-1", state)
        once = await held()
        await world.hold(carrier, "f-1", state)
        assert await held() == once
        await world.hold(carrier, "f-1", other)
        assert set(await held()) == {"f-1"}
        assert await held() != once
        await world.hold(carrier, "f-2", other)
        assert set(await held()) == {"f-1", "f-2"}
        await world.release(carrier, "f-1")
        assert set(await held()) == {"f-2"}
        for _ in range(2):
            await world.release(carrier, "f-2")
        assert await held() == {}

    driver.run(story())


@pytest.mark.parametrize(
    ("carrier", "effect"),
    [
        (link(FRONT), NodeEffect("down")),
        (link(FRONT), SwitchThrow("freeze", {})),
        (node("sydney.vault"), LinkEffect("refuse")),
        (switch("sydney.vault"), NodeEffect("down")),
    ],
)
def test_an_effect_of_another_kind_of_carrier_is_refused(driver: Driver, carrier: Carrier, effect: Effect) -> None:
    """It is an error in every world, and nothing is held afterwards."""
    with pytest.raises(WorldError, match="cannot be held by"):
        driver.run(driver.world.hold(carrier, "f-1", effect))
    assert driver.run(driver.world.read(carrier))["holds"] == {}


@pytest.mark.parametrize(("effect", "outcome"), [("down", "reset"), ("paused", "timeout")])
@pytest.mark.parametrize("name", ["sydney.host", "melbourne.token.z2"])
def test_each_node_effect_means_the_same(driver: Driver, effect: str, outcome: str, name: str) -> None:
    """Over its link a dead node resets and a paused one is silent; beside its links its control plane is silent too."""
    front = f"client->{name}"

    async def story() -> None:
        held = await driver.world.hold(node(name), "f-1", NodeEffect(effect))
        assert held["holds"] == {"f-1": {"effect": effect}}
        assert await seen(driver, front) == outcome
        assert await ask(driver.world, name, HEALTH, timeout_s=0.3) == outcome
        if effect == "down":
            with pytest.raises(WorldError, match="does not answer"):
                await driver.world.control(name, Request("GET", "/admin/state"))
        await driver.world.release(node(name), "f-1")
        assert await seen(driver, front, 3000) == "ok"

    driver.run(story())


@pytest.mark.parametrize("order", list(permutations(("down", "paused"))), ids="+".join)
def test_overlapping_holds_on_a_node_are_a_set(driver: Driver, order: tuple[str, str]) -> None:
    """Down wins over paused while both are held; each release lifts its own effect only."""
    name, front = "sydney.vault", "client->sydney.vault"

    async def story() -> None:
        for effect in ("paused", "down"):
            await driver.world.hold(node(name), effect, NodeEffect(effect))
        assert await seen(driver, front) == "reset"
        await driver.world.release(node(name), order[0])
        assert await seen(driver, front) == ("timeout" if order[1] == "paused" else "reset")
        await driver.world.release(node(name), order[1])
        assert await seen(driver, front, 3000) == "ok"

    driver.run(story())


def test_a_node_comes_back_without_its_memory_and_with_what_was_durable(driver: Driver) -> None:
    """A host that was killed has no cached tokens and is still held by what was thrown on it."""
    world = driver.world

    async def story() -> None:
        assert await ask(world, "sydney.host", token_request("web-1")) == "200"
        await world.hold(switch("sydney.host"), "route", SwitchThrow("route-zone", {"zone": "z1", "to": "z2"}))
        before = await world.read(switch("sydney.host"))
        await world.hold(node("sydney.host"), "f-1", NodeEffect("down"))
        await world.release(node("sydney.host"), "f-1")
        after = await world.read(switch("sydney.host"))
        assert (before["cached"] > 0, after["cached"]) == (True, 0)
        assert after["holds"] == before["holds"] != {}
        assert after["routes"]["z1"][0] == "sydney.token.z2"
        await world.release(switch("sydney.host"), "route")

    driver.run(story())


@pytest.mark.parametrize(("effect", "ends"), [("refuse", "reset"), ("reset", "reset"), ("stall", "timeout")])
def test_calls_under_way_meet_a_link_fault(driver: Driver, effect: str, ends: str) -> None:
    """A call that waits for its answer is cut by refuse at once and by reset when the answer comes; stall leaves it hanging.

    The answer is slow further in: what a real proxy itself delays it lets through when its own holds change.
    """
    world, inner = driver.world, "sydney.token->sydney.store"

    async def fault() -> None:
        await world.sleep_until(world.now() + 0.3)
        await world.hold(link(FRONT), "f-1", LinkEffect(effect))

    async def story() -> str:
        await world.hold(link(inner), "slow", slow(700, "downstream"))
        cold = ask(world, "sydney.host", token_request(f"scaleout_1{tuple(OUTCOMES).index(effect)}"), timeout_s=2.0)
        ended, _ = await driver.both(cold, fault())
        await world.release(link(inner), "slow")
        await world.release(link(FRONT), "f-1")
        return ended

    assert driver.run(story()) == ends


@pytest.mark.parametrize("effect", ["stall", "reset"])
def test_the_end_of_a_fault_cuts_what_lived_through_it(driver: Driver, effect: str) -> None:
    """A caller that still waits when a stall or a reset of answers ends is reset: no connection is left half broken."""
    world, inner = driver.world, "sydney.token->sydney.store"

    async def heal() -> None:
        await world.sleep_until(world.now() + 0.4)
        await world.release(link(FRONT), "f-1")

    async def story() -> tuple[str, bool]:
        await world.hold(link(inner), "slow", slow(900, "downstream"))
        await world.hold(link(FRONT), "f-1", LinkEffect(effect, "downstream"))
        began_s = world.now()
        cold = ask(world, "sydney.host", token_request(f"scaleout_9{tuple(OUTCOMES).index(effect)}"), timeout_s=4.0)
        ended = (await driver.both(cold, heal()))[0]
        took_s = world.now() - began_s
        await world.release(link(inner), "slow")
        return ended, 0.4 <= took_s < 0.9

    assert driver.run(story()) == ("reset", True)


@pytest.mark.parametrize(("state", "ends"), [(REFUSE, "refused"), (RESET, "reset"), (STALL, "timeout")])
def test_clients_meet_link_faults_as_probes_do(driver: Driver, state: LinkEffect, ends: str) -> None:
    """A client's call over a held link fails in the way of the effect, and works again afterwards."""
    world = driver.world
    if (world.name, ends) == (COMPOSE, "refused"):
        ends = "reset"  # the engine's own proxy on loopback has accepted the connection before the link refuses it

    async def story() -> list[str]:
        await world.hold(link(FRONT), "f-1", state)
        seen_by_client = [await ask(world, "sydney.host", token_request("web-2"), timeout_s=0.4)]
        await world.release(link(FRONT), "f-1")
        return [*seen_by_client, await ask(world, "sydney.host", token_request("web-2"))]

    assert driver.run(story()) == [ends, "200"]


def test_faults_between_nodes_are_felt_by_clients(driver: Driver) -> None:
    """With the token nodes' links to their store refused, a cold machine gets an error and a warm one its token."""
    world = driver.world
    inner = "sydney.token->sydney.store"

    async def story() -> list[str]:
        answers = [await ask(world, "sydney.host", token_request("web-3"))]
        await world.hold(link(inner), "f-1", REFUSE)
        answers += [await ask(world, "sydney.host", token_request(name)) for name in ("web-3", "scaleout_77")]
        await world.release(link(inner), "f-1")
        return [*answers, await ask(world, "sydney.host", token_request("scaleout_77"))]

    assert driver.run(story()) == ["200", "200", "500", "200"]


def test_a_switch_is_read_back_with_its_report(driver: Driver) -> None:
    """A control hold answers with the node's report, shows in its state, works, and is gone after its release."""
    world = driver.world

    async def story() -> None:
        answer = await world.hold(switch("melbourne.store"), "f-1", SwitchThrow("roll-key", {"overlap_s": 0}))
        key_id = answer["report"]["key_id"]
        state = await world.read(switch("melbourne.store"))
        assert state["holds"]["f-1"]["switch"] == "roll-key"
        assert state["reports"]["f-1"]["key_id"] == key_id
        assert {row["key_id"]: row["valid"] for row in state["keys"]}[key_id] is True
        assert await ask(world, "melbourne.host", token_request("scaleout-south_5")) == "500"
        await world.release(switch("melbourne.store"), "f-1")
        assert await ask(world, "melbourne.host", token_request("scaleout-south_5")) == "200"

    driver.run(story())


def test_a_clock_that_is_wrong_is_a_nodes_own(driver: Driver) -> None:
    """The node is ahead by what was asked for as long as it is held, and its neighbour is not."""

    async def off_s(name: str) -> float:
        return float((await driver.world.read(switch(name)))["now_s"]) - driver.world.now()

    async def story() -> list[float]:
        await driver.world.hold(switch("melbourne.vault"), "f-1", SwitchThrow("skew", {"ahead_s": 3600}))
        held = [await off_s("melbourne.vault"), await off_s("melbourne.store")]
        await driver.world.release(switch("melbourne.vault"), "f-1")
        return [*held, await off_s("melbourne.vault")]

    assert driver.run(story()) == pytest.approx([3600, 0, 0], abs=SLACK_MS / 1000)


def test_what_the_system_refuses_is_a_defence(driver: Driver) -> None:
    """409 is Defended with the system's own words, and leaves nothing held."""
    world = driver.world

    async def story() -> str:
        await world.hold(switch("sydney.deployer"), "ice", SwitchThrow("freeze", {}))
        with pytest.raises(Defended) as refused:
            await world.hold(switch("sydney.deployer"), "f-1", SwitchThrow("roll-out", {"build": "2.0"}))
        assert set((await world.read(switch("sydney.deployer")))["holds"]) == {"ice"}
        await world.release(switch("sydney.deployer"), "ice")
        return refused.value.reason

    assert driver.run(story()) == "all changes are frozen"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (SwitchThrow("self-destruct", {}), "self-destruct"),
        (SwitchThrow("roll-out", {"build": "9.9"}), r"9\.9"),
        (SwitchThrow("pin", {}), "region"),
    ],
)
def test_a_switch_that_cannot_be_thrown_is_an_error(driver: Driver, state: SwitchThrow, words: str) -> None:
    """An unknown switch and a bad value are WorldErrors that say what is wrong."""
    with pytest.raises(WorldError, match=words):
        driver.run(driver.world.hold(switch("sydney.deployer"), "f-1", state))


GHOST, PATH = "sydney.ghost", "client->sydney.ghost"
UNKNOWN_CALLS: Mapping[str, Callable[[World], Coroutine[Any, Any, Any]]] = {
    "hold link": lambda world: world.hold(link(PATH), "f-1", REFUSE),
    "release link": lambda world: world.release(link(PATH), "f-1"),
    "read link": lambda world: world.read(link(PATH)),
    "probe": lambda world: world.probe(PATH, timeout_ms=100),
    "hold node": lambda world: world.hold(node(GHOST), "f-1", NodeEffect("down")),
    "release node": lambda world: world.release(node(GHOST), "f-1"),
    "read node": lambda world: world.read(node(GHOST)),
    "hold control": lambda world: world.hold(switch(GHOST), "f-1", SwitchThrow("freeze", {})),
    "release control": lambda world: world.release(switch(GHOST), "f-1"),
    "read control": lambda world: world.read(switch(GHOST)),
    "control": lambda world: world.control(GHOST, HEALTH),
    "client": lambda world: world.client(GHOST, HEALTH, timeout_s=1),
}


@pytest.mark.parametrize("what", UNKNOWN_CALLS)
def test_a_name_that_there_is_not_is_told(driver: Driver, what: str) -> None:
    """Every verb refuses an unknown name with a WorldError that names it, and hints at what there is."""
    with pytest.raises(WorldError, match="ghost") as refused:
        driver.run(UNKNOWN_CALLS[what](driver.world))
    assert "sydney." in refused.value.hint


def test_clients_have_links_to_what_faces_them_only(driver: Driver) -> None:
    """There is no way for a client to a store, and no way around links."""
    with pytest.raises(WorldError, match=r"no link to sydney\.store"):
        driver.run(driver.world.client("sydney.store", HEALTH, timeout_s=1))


def test_a_clients_cache_of_names_keeps_what_it_was_told(driver: Driver) -> None:
    """A lost name fails whoever has to ask for it; who was told that there is none goes by that once it is back."""

    async def by(cache: str) -> str:
        headers = {"host": LOGIN, NAME_CACHE: f"{cache};3600;3600;3600"}
        path = f"/{driver.world.spec.tenant_id}/v2.0/.well-known/openid-configuration"
        return await ask(driver.world, EDGE_NODE, Request("GET", path, headers=headers))

    async def story() -> list[str]:
        found = [await by("early")]
        await driver.world.hold(switch(EDGE_NODE), "f-1", SwitchThrow("name", {"name": LOGIN, "effect": "lost"}))
        found += [await by("early"), await by("late")]
        await driver.world.release(switch(EDGE_NODE), "f-1")
        return [*found, await by("late"), await by("new")]

    assert driver.run(story()) == ["200", "200", "502", "502", "200"]

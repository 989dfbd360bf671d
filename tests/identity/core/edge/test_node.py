"""The edge leads by name, to nodes in turn, around those that failed, and nowhere else."""

from __future__ import annotations

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect, SwitchThrow
from brownout.harness.errors import Defended
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core import trail
from brownout.identity.core.messages import Request, Response
from support.simulated_stacks import on_world

REGIONAL = "sts.ap-southeast-2.amazonaws.com"
EDGE, CACHE = Carrier("control", "client.edge"), {"x_brownout_client_name_cache": "office-7;60;600;60"}
BOTH = ("aws", "azure")


async def ask(world: SimulationWorld, name: str, region: str = "sydney", **more: str) -> Response:
    sent = {"host": name, "x-brownout-client-region": region} | {key.replace("_", "-"): value for key, value in more.items()}
    request = Request("GET", "/nowhere", headers=sent)
    return await world.client("client.edge", request, timeout_s=90.0)


def nodes(answer: Response) -> list[str]:
    return [hop.node for hop in trail.parse(trail.of(answer))]


def test_nodes_behind_a_name_take_turns() -> None:
    """Three requests are served by the three zones, and the trail shows the way."""

    async def story(world: SimulationWorld) -> None:
        served = [nodes(await ask(world, REGIONAL)) for _ in range(3)]
        assert served == [["client.edge", f"sydney.token.z{number}"] for number in (1, 2, 3)]

    on_world(story, vendors=BOTH)


def test_a_port_behind_the_name_makes_no_difference() -> None:
    """A client says the port in `host`, and may write the name in capitals."""

    async def story(world: SimulationWorld) -> None:
        assert nodes(await ask(world, REGIONAL.upper() + ":443"))[1].startswith("sydney.token.")

    on_world(story, vendors=BOTH)


def test_a_node_that_failed_is_left_out_for_a_while() -> None:
    """One request meets the killed node, those of the next ten seconds do not, and later it is tried again."""

    async def story(world: SimulationWorld) -> None:
        await world.hold(Carrier("node", "sydney.token.z1"), "f", NodeEffect("down"))
        assert (await ask(world, REGIONAL)).status == 502
        assert {nodes(await ask(world, REGIONAL))[1] for _ in range(6)} == {"sydney.token.z2", "sydney.token.z3"}
        await world.release(Carrier("node", "sydney.token.z1"), "f")
        await world.sleep_until(world.now() + 11)
        assert "sydney.token.z1" in {nodes(await ask(world, REGIONAL))[1] for _ in range(3)}

    on_world(story, vendors=BOTH)


def test_a_refused_connection_is_tried_elsewhere_at_once() -> None:
    """Where nothing can have happened another node is tried for the same request; with none left the answer is 502."""

    async def story(world: SimulationWorld) -> None:
        for zone in ("z1", "z2"):
            await world.hold(Carrier("link", f"client->sydney.token.{zone}"), "f", LinkEffect("refuse"))
        assert nodes(await ask(world, REGIONAL))[1] == "sydney.token.z3"
        await world.hold(Carrier("link", "client->sydney.token.z3"), "f", LinkEffect("refuse"))
        answer = await ask(world, REGIONAL)
        assert (answer.status, (answer.body or {})["error"]["code"]) == (502, "backend-refused")

    on_world(story, vendors=BOTH)


def test_faults_of_clients_links_concern_clients_by_name_too() -> None:
    """The edge calls over the clients' links: a stalled one is a stalled request."""

    async def story(world: SimulationWorld) -> None:
        await world.hold(Carrier("link", "client->sydney.vault"), "f", LinkEffect("stall"))
        answer = await ask(world, "secretsmanager.ap-southeast-2.amazonaws.com")
        assert (answer.status, (answer.body or {})["error"]["code"]) == (504, "backend-timeout")

    on_world(story, vendors=BOTH)


@pytest.mark.parametrize(
    "name", ["", "example.com", "127.0.0.1", "[::1]", "sydney.store", "169.254.169.254", "iam.amazonaws.com."]
)
def test_nothing_but_the_stack_can_be_reached(name: str) -> None:
    """Any other name or address is refused, with the names that there are."""

    async def story(world: SimulationWorld) -> None:
        answer = await ask(world, name)
        assert (answer.status, (answer.body or {})["error"]["code"]) == (403, "NotOfThisStack")

    on_world(story, vendors=BOTH)


def test_a_client_stands_in_a_region_of_the_stack() -> None:
    """At home where it does not say; nowhere else."""

    async def story(world: SimulationWorld) -> None:
        home = await world.client("client.edge", Request("GET", "/", headers={"host": "iam.amazonaws.com"}), timeout_s=5.0)
        assert nodes(home)[1] == "sydney.management"
        assert (await ask(world, "iam.amazonaws.com", region="perth")).status == 403

    on_world(story, vendors=BOTH)


def test_a_clients_cache_stands_in_the_trail() -> None:
    """A record from the cache does not depend on the region's resolver any more, so it has another key than a fresh one."""

    async def story(world: SimulationWorld) -> None:
        hops = [trail.parse(trail.of(await ask(world, REGIONAL, **CACHE)))[0] for _ in range(2)]
        assert [(hop.key_id, hop.key_kind, hop.cache) for hop in hops] == [
            (f"{REGIONAL}@sydney", "office-7", "miss"),
            (REGIONAL, "office-7", "hit"),
        ]

    on_world(story, vendors=BOTH)


def test_who_has_the_record_does_not_wait_for_a_slow_look_up() -> None:
    """A look-up that takes long concerns only clients that look up."""

    async def story(world: SimulationWorld) -> None:
        await ask(world, REGIONAL, **CACHE)
        await world.hold(EDGE, "f", SwitchThrow("name", {"name": REGIONAL, "effect": "slow", "delay_s": 5.0}))
        began_s = world.now()
        await ask(world, REGIONAL, **CACHE)
        assert world.now() - began_s < 1
        await ask(world, REGIONAL)
        assert world.now() - began_s >= 5

    on_world(story, vendors=BOTH)


def test_a_cache_that_makes_no_sense_is_refused() -> None:
    """The answer says how one is written."""

    async def story(world: SimulationWorld) -> None:
        answer = await ask(world, REGIONAL, x_brownout_client_name_cache="office")
        assert (answer.status, (answer.body or {})["error"]["code"]) == (400, "BadNameCache")

    on_world(story, vendors=BOTH)


def test_a_zone_that_checks_keeps_a_record_in_use() -> None:
    """It is refused until nobody has asked for a day; looks of faults are no use, and other names may go."""
    lost = SwitchThrow("name", {"name": REGIONAL, "effect": "lost"})

    async def story(world: SimulationWorld) -> None:
        await ask(world, REGIONAL)
        await world.sleep_until(world.now() + 3600)
        with pytest.raises(Defended, match="asked for 3600 s ago"):
            await world.hold(EDGE, "f", lost)
        await world.hold(EDGE, "g", SwitchThrow("name", {"name": "iam.amazonaws.com", "effect": "lost"}))
        await ask(world, REGIONAL, user_agent="brownout-probe")
        await world.sleep_until(world.now() + 86_400)
        await world.hold(EDGE, "f", lost)
        assert (await ask(world, REGIONAL)).status == 502

    on_world(story, vendors=BOTH, name_gate=True, publish_interval_s=3600.0, iam_publish_interval_s=3600.0)

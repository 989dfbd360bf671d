"""The edge leads by name, to nodes in turn, around those that failed, and nowhere else."""

from __future__ import annotations

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core import trail
from brownout.identity.core.messages import Request, Response
from support.simulated_stacks import on_world

REGIONAL = "sts.ap-southeast-2.amazonaws.com"
BOTH = ("aws", "azure")


async def ask(world: SimulationWorld, name: str, region: str = "sydney") -> Response:
    request = Request("GET", "/nowhere", headers={"host": name, "x-brownout-client-region": region})
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

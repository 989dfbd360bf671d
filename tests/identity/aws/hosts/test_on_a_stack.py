"""Hosts on a whole stack: credentials that their region's STS made, from the account that the directory published."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.hosts.containers import authorization_token, ecs_path, eks_path
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.trail import parse
from support.simulated_aws import DAY_S, EPOCH_S

T = TypeVar("T")
HOUR_S = 3600.0
QUIET_S = 600.0  # a publishing interval for stories of hours
ROLE_PAGE = "/latest/meta-data/iam/security-credentials/"


def on_world(story: Callable[[SimulationWorld], Coroutine[Any, Any, T]], **settings: Any) -> T:
    """Runs a story on a simulated stack of AWS that has come up."""
    quiet = {"publish_interval_s": DAY_S, **settings}
    world = SimulationWorld(build_stack(seed=3, settings=quiet, vendors=("aws",)), epoch_s=EPOCH_S)

    async def whole() -> T:
        await world.start()
        return await story(world)

    try:
        return world.run(whole())
    finally:
        world.kernel.close()


async def ask(world: SimulationWorld, path: str, region: str = "sydney", **headers: str) -> Response:
    return await world.client(f"{region}.host", Request("GET", path, {}, headers), timeout_s=5)


async def wait(world: SimulationWorld, duration_s: float) -> None:
    await world.sleep_until(world.now() + duration_s)


def key_of(answer: Response) -> str:
    return str(json.loads(answer.payload)["AccessKeyId"])


def test_every_kind_of_machine_gets_credentials_of_its_own() -> None:
    """Instances, instances of scale sets, tasks and pods, in both regions; the trail names the token node."""

    async def story(world: SimulationWorld) -> list[Response]:
        secret = world.spec.control_token
        shown = {"authorization": authorization_token(secret, "web-1")}
        return [
            await ask(world, f"/web-1{ROLE_PAGE}web"),
            await ask(world, f"/scaleout_5{ROLE_PAGE}scaleout"),
            await ask(world, ecs_path(secret, "web-1"), **shown),
            await ask(world, eks_path("web-1"), **shown),
            await ask(world, f"/web-south-2{ROLE_PAGE}web-south", "melbourne"),
        ]

    answers = on_world(story, iam_publish_interval_s=QUIET_S)
    assert [answer.status for answer in answers] == [200] * 5
    assert len({key_of(answer) for answer in answers}) == 5
    asked = [parse(answer.headers["x-brownout-trail"])[-1].node for answer in answers]
    assert asked == ["sydney.token.z1", "sydney.token.z3", "sydney.token.z1", "sydney.token.z1", "melbourne.token.z2"]


def test_a_region_that_is_cut_off_gives_credentials_to_new_machines() -> None:
    """Without the home region, machines of the other one get their first credentials from their region alone."""

    async def story(world: SimulationWorld) -> Response:
        for link in world.spec.links():
            if {link.source.split(".")[0], link.target.split(".")[0]} == {"sydney", "melbourne"}:
                await world.hold(Carrier("link", str(link)), "cut", LinkEffect("refuse"))
        await wait(world, HOUR_S)
        return await ask(world, f"/web-south-1{ROLE_PAGE}web-south", "melbourne")

    assert on_world(story, iam_publish_interval_s=QUIET_S).status == 200


def test_machines_ride_out_an_outage_of_their_region_s_token_nodes() -> None:
    """Credentials are served throughout, and new ones are there soon after the token nodes are back."""

    async def story(world: SimulationWorld) -> list[str]:
        seen = [key_of(await ask(world, f"/web-1{ROLE_PAGE}web"))]
        nodes = world.spec.token_nodes("sydney")
        for node in nodes:
            await world.hold(Carrier("node", node), "down", NodeEffect("down"))
        await wait(world, 5 * HOUR_S)
        seen.append(key_of(await ask(world, f"/web-1{ROLE_PAGE}web")))
        for node in nodes:
            await world.release(Carrier("node", node), "down")
        await wait(world, 300)
        return [*seen, key_of(await ask(world, f"/web-1{ROLE_PAGE}web"))]

    first, during, after = on_world(story, iam_publish_interval_s=QUIET_S)
    assert first == during != after


def test_credentials_are_renewed_in_the_background_well_before_their_end() -> None:
    """A machine that asks once an hour never gets credentials with less than five minutes left, over a day."""

    async def story(world: SimulationWorld) -> list[float]:
        left: list[float] = []
        for _ in range(24):
            document = json.loads((await ask(world, f"/web-2{ROLE_PAGE}web")).payload)
            left.append(datetime.fromisoformat(document["Expiration"]).timestamp() - world.now())
            await wait(world, HOUR_S)
        return left

    assert min(on_world(story, iam_publish_interval_s=QUIET_S)) > 300

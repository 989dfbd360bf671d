"""A node with limits, in a simulated stack: what it works on, what waits, what it refuses and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.faults.admit import Admit
from brownout.faults.capacity import Capacity
from brownout.faults.node_kill import NodeKill
from brownout.harness.fault import node_state
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import CallFailed, Request, Response
from support.fault_cases import Trial, on_stack

RESOURCE = "https://vault.azure.net"
ONE_AT_A_TIME = {"at_once": 1, "queue": 3, "work_s": {"miss": 10}}


async def ask(world: SimulationWorld, machine: str, *, timeout_s: float = 1000.0) -> tuple[int, float, Response | None]:
    """Status, seconds and answer of a token request; status 0 without an answer."""
    request = Request(
        "GET",
        f"/{machine}/metadata/identity/oauth2/token",
        {"api-version": "2018-02-01", "resource": RESOURCE},
        {"metadata": "true"},
    )
    began_s = world.now()
    try:
        answer = await world.client("sydney.host", request, timeout_s=timeout_s)
    except CallFailed:
        return 0, world.now() - began_s, None
    return answer.status, world.now() - began_s, answer


async def at_once(world: SimulationWorld, count: int, **options: float) -> list[tuple[int, float, Response | None]]:
    """So many new machines ask in the same moment, all of zone z1 and thus the same token node."""
    return await world.together(ask(world, f"scaleout_{3 * number}", **options) for number in range(count))


def outcomes(seen: list[tuple[int, float, Response | None]]) -> list[tuple[int, int]]:
    """Status and whole seconds of each, in order."""
    return sorted((status, round(took_s)) for status, took_s, _ in seen)


def with_limits(story: Any, role: str = "token", limits: Mapping[str, Any] = ONE_AT_A_TIME, **settings: Any) -> Any:
    return on_stack(story, capacity={role: limits}, call_timeout_ms=100_000, **settings)


def test_requests_are_worked_on_one_after_the_other_and_the_rest_is_refused() -> None:
    """One in work and three in the queue take ten seconds each in their order; the fifth and sixth are refused at once."""

    async def story(trial: Trial) -> None:
        seen = await at_once(trial.world, 6)
        assert outcomes(seen) == [(200, 10), (200, 20), (200, 30), (200, 40), (503, 0), (503, 0)]
        state = (await node_state(trial.world, "sydney.token.z1"))["capacity"]
        assert (state["in_work"], state["queued"], state["refused"]["full"]) == (0, 0, 2)

    with_limits(story)


def test_a_node_works_for_clients_that_have_given_up() -> None:
    """Clients wait for fifteen seconds: the second is answered after its client has gone, and the third waits for that."""

    async def story(trial: Trial) -> None:
        seen = await at_once(trial.world, 2, timeout_s=15.0)
        assert sorted(status for status, _, _ in seen) == [0, 200]
        assert (await node_state(trial.world, "sydney.token.z1"))["capacity"]["in_work"] == 1
        status, took_s, _ = await ask(trial.world, "scaleout_300")
        assert (status, round(took_s)) == (200, 15)  # the rest of that one's ten, and its own ten

    with_limits(story)


def test_what_waited_for_too_long_is_refused_when_its_turn_comes() -> None:
    """With a patience of twelve seconds the second is worked on, and the others are told that it is too late, in no time."""

    async def story(trial: Trial) -> None:
        seen = await at_once(trial.world, 4)
        assert outcomes(seen) == [(200, 10), (200, 20), (503, 20), (503, 20)]

    with_limits(story, limits={**ONE_AT_A_TIME, "give_up_s": 12})


def test_shedding_refuses_on_arrival_what_would_wait_too_long() -> None:
    """Once the node knows what a request takes, nobody waits for more than the limit: the surplus is refused at once."""

    async def story(trial: Trial) -> None:
        for number in range(30):  # it learns from use
            await ask(trial.world, f"scaleout_{3 * (number + 100)}")
        seen = await at_once(trial.world, 4)
        assert outcomes(seen) == [(200, 10), (200, 20), (503, 0), (503, 0)]

    with_limits(story, limits={**ONE_AT_A_TIME, "shed_s": 15})


def test_a_place_is_kept_while_another_node_is_asked() -> None:
    """Token nodes without work of their own are as slow as the store that they wait for: a thread each, and two of them."""

    async def story(trial: Trial) -> None:
        await Capacity(node="sydney.store", work="10s").apply(trial.world, "slow")
        seen = await at_once(trial.world, 4)
        assert sorted(round(took_s) for _, took_s, _ in seen) == [10, 10, 20, 20]

    with_limits(story, limits={"at_once": 2, "queue": 10})


@pytest.mark.parametrize("change", [Capacity(node="sydney.token", at_once=4), NodeKill(node="sydney.token.z1")])
def test_more_room_and_a_new_life_begin_with_what_waits(change: Capacity | NodeKill) -> None:
    """When the limits are raised those who wait begin at once; a node that is killed has forgotten its queue."""

    async def story(trial: Trial) -> None:
        world = trial.world

        async def later() -> tuple[int, float, None]:
            await world.sleep_until(world.now() + 5)
            await change.apply(world, "f")
            if isinstance(change, NodeKill):
                await change.revert(world, "f")
            return 0, 0.0, None

        seen = await world.together([ask(world, f"scaleout_{3 * number}") for number in range(4)] + [later()])
        if isinstance(change, Capacity):
            assert outcomes(seen[:4]) == [(200, 10), (200, 15), (200, 15), (200, 15)]
        else:
            assert {status for status, _, _ in seen[:4]} <= {200, 503}
            assert (await node_state(world, "sydney.token.z1"))["capacity"]["queued"] == 0

    with_limits(story)


def test_admission_lets_a_growing_share_in_and_refuses_the_rest_at_once() -> None:
    """Nothing while it is closed, about half in the middle of the ramp, all at its end; nobody waits."""

    async def story(trial: Trial) -> list[float]:
        world, shares = trial.world, list[float]()
        await Admit(node="sydney.host", closed="100s", share=0.0, ramp="100s").apply(world, "f")
        began_s = world.now()
        for after_s in (10, 140, 250):
            await world.sleep_until(began_s + after_s)
            seen = await world.together(ask(world, f"scaleout_{number}") for number in range(200))
            shares.append(sum(status == 200 for status, _, _ in seen) / len(seen))
        return shares

    assert on_stack(story) == pytest.approx([0, 0.4, 1], abs=0.01)


@pytest.mark.parametrize(
    ("node", "path", "headers", "told"),
    [
        ("sydney.host", "/web-1/metadata/identity/oauth2/token", {"metadata": "true"}, '"error":"too_many_requests"'),
        ("sydney.management", "/subscriptions/s/resourceGroups", {}, '"code":"TooManyRequests"'),
        ("sydney.vault", "/secrets/s", {}, '"code":"Throttled"'),
        ("sydney.vault", "/brownoutsydney/samples", {"x-ms-version": "2025-01-05"}, "<Code>ServerBusy</Code>"),
        ("sydney.token.z1", "/t/oauth2/v2.0/token", {}, '"error":"temporarily_unavailable"'),
        ("sydney.token.z1", "/t/v2.0/.well-known/openid-configuration", {}, '"error":"temporarily_unavailable"'),
    ],
)
def test_each_surface_is_busy_in_its_own_words(node: str, path: str, headers: Mapping[str, str], told: str) -> None:
    """A full host answers 429 in IMDS' shape, ARM, Entra, Key Vault and Storage in theirs, with Retry-After."""

    async def story(trial: Trial) -> None:
        await Admit(node=node, closed="1h").apply(trial.world, "f")
        answer = await trial.world.client(node, Request("GET", path, {}, dict(headers)), timeout_s=5)
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        assert told in answer.payload.decode().replace('": ', '":')

    role = node.split(".")[1]
    on_stack(story, capacity={role: {"status": 429, "retry_after_s": 6.5}})


def test_services_of_aws_are_busy_in_their_own_words() -> None:
    """STS answers Throttling in XML, as its query protocol does."""

    async def story(trial: Trial) -> None:
        await Admit(node="sydney.token.z1", closed="1h").apply(trial.world, "f")
        body = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
        request = Request("POST", "/", {}, {"content-type": "application/x-www-form-urlencoded"}, body)
        answer = await trial.world.client("sydney.token.z1", request, timeout_s=5)
        assert answer.status == 400
        assert b"<Code>Throttling</Code>" in answer.payload

    on_stack(story, capacity={"token": {"status": 429}})


def test_a_busy_store_is_told_apart_from_a_broken_one() -> None:
    """A machine hears 503 with the store's Retry-After, and not the 500 of a store that cannot be read."""

    async def story(trial: Trial) -> None:
        await Admit(node="sydney.store", closed="1h").apply(trial.world, "f")
        status, _, answer = await ask(trial.world, "scaleout_1")
        assert answer is not None
        assert (status, answer.headers.get("retry-after")) == (503, "3")

    on_stack(story, capacity={"store": {"retry_after_s": 3}})


def test_health_control_and_snapshots_are_no_work() -> None:
    """A node that takes nothing is healthy, shows its state, and keeps its replica: a check of its health says nothing."""

    async def story(trial: Trial) -> None:
        world = trial.world
        await Admit(node="sydney.token.z1", closed="1h").apply(world, "f")
        await world.sleep_until(world.now() + 200)
        after = await node_state(world, "sydney.token.z1")
        assert after["capacity"]["refused"]["closed"] == 0
        assert (await world.probe("client->sydney.token.z1", timeout_ms=100)).outcome == "ok"

    on_stack(story)

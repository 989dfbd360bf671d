"""Which token node a machine uses: its zone, the next ones, or where an operator failed it over to (claims C15, C18)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request, Response
from support.identity_stacks import HOUR_S, VAULT, Stack, body, error_code, hops, on_stack

HOST = "sydney.host"


async def used(stack: Stack, machine: str) -> str:
    """The token node that a cold request of the machine goes to."""
    await stack.world.control(HOST, Request("POST", "/admin/drop-caches"))
    return hops(await stack.imds(machine))[1].node


@pytest.mark.parametrize(("machine", "zone"), [("web-1", "z1"), ("web-2", "z2"), ("web-3", "z3"), ("scaleout_4", "z2")])
def test_a_machine_uses_its_own_zone(machine: str, zone: str) -> None:
    """Machines and instances are spread over the zones and each asks the token node of its own."""
    assert on_stack(lambda stack: used(stack, machine)) == f"sydney.token.{zone}"


@pytest.mark.parametrize("effect", ["node", "link"])
def test_the_next_zone_serves_when_ones_own_is_away(effect: str) -> None:
    """A zone whose token node is down or refused is passed over for the next one."""

    async def story(stack: Stack) -> str:
        if effect == "node":
            await stack.world.hold(Carrier("node", "sydney.token.z1"), "f", NodeEffect("down"))
        else:
            await stack.world.hold(Carrier("link", "sydney.host->sydney.token.z1"), "f", LinkEffect("refuse"))
        return await used(stack, "web-1")

    assert on_stack(story) == "sydney.token.z2"


def test_a_zone_that_hangs_is_not_passed_over() -> None:
    """A token node that does not answer in time makes the request fail: another try would outlast the client."""

    async def story(stack: Stack) -> tuple[int, float]:
        await stack.world.hold(Carrier("node", "sydney.token.z1"), "f", NodeEffect("paused"))
        began_s = stack.world.now()
        return (await stack.imds("web-1")).status, stack.world.now() - began_s

    status, took_s = on_stack(story)
    assert status == 503
    assert 1.4 < took_s < 1.7


def test_with_no_token_node_left_imds_is_unavailable() -> None:
    """503 with a body, never a hang or an empty answer (docs/reference/azure-wire.md#error-bodies)."""

    async def story(stack: Stack) -> Response:
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("node", f"sydney.token.{zone}"), "f", NodeEffect("down"))
        return await stack.imds("web-1")

    answer = on_stack(story)
    assert answer.status == 503
    assert set(body(answer)) == {"error", "error_description"}


ROUTES: dict[str, tuple[str, dict[str, str]]] = {
    "a": ("route-zone", {"zone": "z1", "to": "z2"}),
    "b": ("route-zone", {"zone": "z1", "to": "z3"}),
    "c": ("route-region", {"to": "melbourne"}),
}


def expected_route(kept: set[str]) -> str:
    region = "melbourne" if "c" in kept else "sydney"
    zone = "z3" if "b" in kept else "z2" if "a" in kept else "z1"
    return f"{region}.token.{zone}"


@pytest.mark.parametrize("order", list(permutations(ROUTES)), ids="".join)
def test_failovers_overlap_and_are_undone_in_any_order(order: tuple[str, ...]) -> None:
    """Where a zone's machines go is a function of the failovers that are held; others' zones are never touched."""

    async def story(stack: Stack) -> None:
        for fault_id, (switch, value) in ROUTES.items():
            await stack.hold(HOST, fault_id, switch, **value)
        kept = set(ROUTES)
        for fault_id in order:
            assert await used(stack, "web-1") == expected_route(kept)
            assert (await used(stack, "web-3")).endswith(".z3")
            await stack.release(HOST, fault_id)
            kept.remove(fault_id)
        assert await used(stack, "web-1") == "sydney.token.z1"

    on_stack(story)


def test_a_zone_that_was_failed_over_is_not_fallen_back_to() -> None:
    """The zone that an operator moved traffic away from gets none of its machines' requests; other zones' routes stay."""

    async def story(stack: Stack) -> Any:
        await stack.hold(HOST, "f", "route-zone", zone="z1", to="z3")
        return (await stack.state(HOST))["routes"]

    routes = on_stack(story)
    assert routes["z1"] == ["sydney.token.z3", "sydney.token.z2"]
    assert routes["z2"] == ["sydney.token.z2", "sydney.token.z3", "sydney.token.z1"]


def test_routes_survive_a_restart_of_the_host() -> None:
    """A failover holds though the host is killed."""

    async def story(stack: Stack) -> str:
        await stack.hold(HOST, "f", "route-zone", zone="z1", to="z2")
        await stack.restart(HOST)
        return await used(stack, "web-1")

    assert on_stack(story) == "sydney.token.z2"


@pytest.mark.parametrize("only_sydney", [True, False])
def test_failing_over_to_the_pair_helps_only_if_the_pair_knows_the_key(only_sydney: bool) -> None:
    """Claim C15: with both regions on the old build the failover changes nothing; with only Sydney's pinned it works."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.directory", "s", "switch-keys", region="sydney", overlap_s=0)
        seen = [(await stack.imds("scaleout_1")).status]
        await stack.hold(HOST, "f", "route-region", to="melbourne")
        return [*seen, (await stack.imds("scaleout_2")).status]

    assert on_stack(story, builds={"melbourne": "2.0" if only_sydney else "1.0"}) == [500, 200 if only_sydney else 500]


def test_failing_over_a_zone_does_not_help() -> None:
    """Claim C18: every zone of the region holds the same old key."""

    async def story(stack: Stack) -> set[int]:
        await stack.hold("sydney.directory", "s", "switch-keys", region="sydney", overlap_s=0)
        seen = set()
        for zone, to in (("z1", "z2"), ("z2", "z3"), ("z3", "z1")):
            await stack.hold(HOST, f"f-{zone}", "route-zone", zone=zone, to=to)
            seen |= {(await stack.imds(f"scaleout_{number}")).status for number in range(3)}
        return seen

    assert on_stack(story) == {500}


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("route-zone", {"zone": "z9", "to": "z1"}),
        ("route-zone", {"zone": "z1", "to": "z9"}),
        ("route-zone", {"zone": "z1"}),
        ("route-region", {"to": "perth"}),
        ("route-region", {}),
        ("answer", {}),
        ("answer", {"status": 99}),
        ("answer", {"status": 600}),
        ("answer", {"status": "down"}),
        ("answer", {"status": 500, "body": "text"}),
        ("answer", {"status": 500, "times": -1}),
        ("answer", {"status": 500, "retry_after_s": "soon"}),
    ],
)
def test_what_cannot_be_meant_is_refused_and_machines_go_on(switch: str, value: dict[str, Any]) -> None:
    """A bad value is 400 and leaves every machine's route and answers as they were."""

    async def story(stack: Stack) -> tuple[int, str, str]:
        answer = await stack.try_hold(HOST, "f", switch, value)
        return answer.status, error_code(answer), await used(stack, "web-1")

    assert on_stack(story) == (400, "BadValue", "sydney.token.z1")


@pytest.mark.parametrize(("status", "retry_after_s"), [(404, None), (410, None), (429, 3), (500, None), (503, 7)])
def test_imds_can_be_made_to_answer_anything(status: int, retry_after_s: int | None) -> None:
    """A scripted answer has its status, a documented body and Retry-After only when asked for."""

    async def story(stack: Stack) -> tuple[Response, Response]:
        await stack.hold(HOST, "f", "answer", status=status, retry_after_s=retry_after_s)
        during = await stack.imds("web-1")
        await stack.release(HOST, "f")
        return during, await stack.imds("web-1")

    during, after = on_stack(story)
    assert (during.status, after.status) == (status, 200)
    assert set(body(during)) == {"error", "error_description"}
    assert during.headers.get("retry-after") == (None if retry_after_s is None else str(retry_after_s))


def test_a_scripted_answer_ends_after_its_times() -> None:
    """`times` counts the answers to all machines together; then the real service answers again."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold(HOST, "f", "answer", status=503, times=2)
        return [(await stack.imds(machine)).status for machine in ("web-1", "web-2", "web-1")]

    assert on_stack(story) == [503, 503, 200]


def test_a_scripted_answer_can_be_for_one_machine() -> None:
    """With `machine` only that machine gets the answer, with the body that was given."""

    async def story(stack: Stack) -> list[Any]:
        await stack.hold(HOST, "f", "answer", status=400, machine="web-1", body={"error": "x", "error_description": "y"})
        return [body(await stack.imds("web-1")), (await stack.imds("web-2")).status]

    assert on_stack(story) == [{"error": "x", "error_description": "y"}, 200]


def test_priming_makes_caches_look_lived_in() -> None:
    """A primed machine serves a token of the given age, with the life that such a token has left."""

    async def story(stack: Stack) -> tuple[Any, Response, Response]:
        tokens = [{"machine": "web-1", "resource": VAULT, "age_s": 5 * HOUR_S}]
        primed = await stack.world.control(HOST, Request("POST", "/admin/prime", body={"tokens": tokens}))
        return body(primed), await stack.imds("web-1"), await stack.imds("web-2")

    primed, warm, cold = on_stack(story)
    way = "sydney.host;;;;miss>sydney.token.z1;1.0;manual-sydney-1;manual;miss>sydney.store;;manual-sydney-1;manual;"
    assert primed == {"primed": 1, "routes": {way: ["web-1"]}}
    assert hops(warm)[0].cache == "hit"
    assert abs(int(body(warm)["expires_in"]) - (86399 - 5 * HOUR_S)) < 3
    assert hops(cold)[0].cache == "miss"


@pytest.mark.parametrize(
    ("tokens", "status"),
    [
        ([{"machine": "nobody", "resource": VAULT, "age_s": 1}], 404),
        ([{"machine": "bare", "resource": VAULT, "age_s": 1}], 404),
        ([{"resource": VAULT, "age_s": 1}], 400),
        ([{"machine": "web-1", "resource": VAULT, "age_s": "old"}], 400),
    ],
)
def test_priming_says_what_cannot_be_primed(tokens: list[dict[str, Any]], status: int) -> None:
    """An unknown machine, one without an identity, and a wrong shape are refused."""

    async def story(stack: Stack) -> int:
        return (await stack.world.control(HOST, Request("POST", "/admin/prime", body={"tokens": tokens}))).status

    assert on_stack(story) == status


def test_priming_fails_loudly_when_no_token_can_be_had() -> None:
    """Caches that could not be filled are an error, never a quiet cold start."""

    async def story(stack: Stack) -> tuple[int, str]:
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        tokens = [{"machine": "web-1", "resource": VAULT, "age_s": 1}]
        answer = await stack.world.control(HOST, Request("POST", "/admin/prime", body={"tokens": tokens}))
        return answer.status, error_code(answer)

    assert on_stack(story) == (502, "PrimeFailed")


def test_a_region_cut_off_from_its_peer_serves_its_own_identities() -> None:
    """I11: with every link between the regions refused, each region's machines get tokens for their own identities."""

    async def story(stack: Stack) -> list[int]:
        for link in stack.world.spec.links():
            source, target = link.source.split(".")[0], link.target.split(".")[0]
            if source != "client" and source != target:
                await stack.world.hold(Carrier("link", str(link)), "f", LinkEffect("refuse"))
        local = [(await stack.imds("web-1")).status, (await stack.imds("south-1", region="melbourne")).status]
        return [*local, (await stack.imds("visitor", region="melbourne")).status]

    assert on_stack(story) == [200, 200, 500]

"""A tried renewal tells today what will fail later, and at which hour, and the hour is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.renewals import LatentFailure, look_at_renewals
from brownout.identity.core.messages import Request
from support.identity_stacks import HOUR_S, QUIET_S, VAULT, Stack, body, on_stack

REMEMBERS: Mapping[str, Any] = {"host_cache_unnamed": True, "publish_interval_s": QUIET_S}
DAY_S, MARGIN_S = 86399.0, 300.0
NEAR_S = 65.0  # a host that has just asked waits a minute


async def failure(stack: Stack, machine: str) -> LatentFailure:
    """What the look says of the machine's only token."""
    look = await look_at_renewals(stack.world)
    (found,) = (each for each in look.failures if each.machine == machine)
    return found


async def fails_between(stack: Stack, machine: str, at_s: float, **asked: str) -> None:
    """Asserts that the machine's requests are answered until shortly before that time, and refused shortly after it."""
    await stack.world.sleep_until(at_s - NEAR_S)
    assert (await stack.imds(machine, **asked)).status == 200
    await stack.world.sleep_until(at_s + NEAR_S)
    assert (await stack.imds(machine, **asked)).status >= 400


async def attach(stack: Stack, *names: str) -> None:
    machines = [machine.resource_id for machine in stack.world.spec.machines if machine.name in names]
    await stack.hold("sydney.management", "f", "attach-identity", identity=stack.identity_path("addon-id"), machines=machines)


def test_tokens_that_would_be_renewed_are_counted_and_nothing_is_changed() -> None:
    """On a sound stack the look finds nothing; it makes no token, fills no cache and is no request of a machine."""

    async def story(stack: Stack) -> None:
        before = [await stack.token(name) for name in ("web-1", "single", "scaleout_4")]
        counted = (await stack.state("sydney.host"))["imds_requests"]
        caches = [len(stack.node(name).cache) for name in ("sydney.host", "sydney.token.z1", "sydney.token.z2")]  # type: ignore[attr-defined]
        look = await look_at_renewals(stack.world)
        assert (look.tokens, look.failures) == (3, ())
        assert (await stack.state("sydney.host"))["imds_requests"] == counted
        assert caches == [len(stack.node(name).cache) for name in ("sydney.host", "sydney.token.z1", "sydney.token.z2")]  # type: ignore[attr-defined]
        assert [await stack.token(name) for name in ("web-1", "single", "scaleout_4")] == before

    on_stack(story, **REMEMBERS)


def test_a_second_identity_is_found_before_it_bites_with_the_hour() -> None:
    """Callers that name none go on until their cached token ends; the look says so a day ahead."""

    async def story(stack: Stack) -> None:
        await stack.token("single")
        got_s = stack.world.now()
        await attach(stack, "single")
        found = await failure(stack, "single")
        assert (found.named, found.identity, found.code) == (False, "", "not-found")
        assert abs(found.fails_s - (got_s + DAY_S - MARGIN_S)) < 1
        await fails_between(stack, "single", found.fails_s)

    on_stack(story, **REMEMBERS)


def test_without_the_hosts_memory_of_the_unnamed_request_there_is_nothing_ahead() -> None:
    """Control: where a host chooses the identity before it looks into its cache, the same attach is refused at once."""

    async def story(stack: Stack) -> None:
        await stack.token("single")
        await attach(stack, "single")
        assert (await stack.imds("single")).status == 400
        assert (await look_at_renewals(stack.world)).failures == ()

    on_stack(story, publish_interval_s=QUIET_S)


def test_a_deleted_identity_fails_when_it_is_next_asked_for() -> None:
    """The identity is deleted and still on the machine: both caches hide it until their refresh point at half of the life."""

    async def story(stack: Stack) -> None:
        await stack.token("single")
        assert (await stack.arm("DELETE", stack.identity_path("only-id"))).status == 200
        found = await failure(stack, "single")
        assert (found.identity, found.code) == ("only-id", "not-found")
        assert abs(found.fails_s - stack.world.now() - DAY_S / 2) < 5
        await fails_between(stack, "single", found.fails_s)

    on_stack(story, **{**REMEMBERS, "publish_interval_s": 5.0})


def test_a_store_key_that_would_be_refused_fails_at_the_tokens_end() -> None:
    """The store's key rolled over: whoever has a token keeps it to its end, and the look says when that is."""

    async def story(stack: Stack) -> None:
        await stack.token("web-1")
        await stack.hold("sydney.store", "roll", "roll-key")
        found = await failure(stack, "web-1")
        assert (found.identity, found.code) == ("web-1-system", "unavailable")
        assert "AuthenticationFailed" in found.reason
        await fails_between(stack, "web-1", found.fails_s)

    on_stack(story, **REMEMBERS)


def test_a_named_identity_that_was_taken_off_fails_already() -> None:
    """A caller that names it is refused before any cache is read, and the look says now."""

    async def story(stack: Stack) -> None:
        named = stack.identity_path("first-id")
        assert (await stack.imds("several", msi_res_id=named)).status == 200
        change = {"identity": {"userAssignedIdentities": {named: None}}}
        assert (await stack.arm("PATCH", stack.machine_path("several"), change)).status == 200
        found = await failure(stack, "several")
        assert (found.named, found.fails_s <= stack.world.now()) == (True, True)
        assert (await stack.imds("several", msi_res_id=named)).status == 400

    on_stack(story, **REMEMBERS)


def test_token_nodes_that_do_not_answer_are_a_finding() -> None:
    """All token nodes of the region are down: every cached token would not be renewed."""

    async def story(stack: Stack) -> None:
        await stack.token("web-1")
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("node", f"sydney.token.{zone}"), f"down-{zone}", NodeEffect("down"))
        found = await failure(stack, "web-1")
        assert found.code == "unreachable"
        assert found.fails_s > stack.world.now() + 23 * HOUR_S

    on_stack(story, **REMEMBERS)


def test_a_silent_change_of_identity_is_found_with_the_hour() -> None:
    """A machine gets an identity of its own: callers that name none get that one's token from the refresh point on (D11)."""

    async def story(stack: Stack) -> None:
        before = body(await stack.imds("single"))["client_id"]
        got_s = stack.world.now()
        machine = next(one for one in stack.world.spec.machines if one.name == "single")
        wanted = {"identity": "system", "machines": [machine.resource_id]}
        await stack.hold("sydney.management", "f", "attach-identity", **wanted)
        look = await look_at_renewals(stack.world)
        (change,) = look.changes
        assert (look.failures, change.machine, change.identity) == ((), "single", "single")
        assert abs(change.changes_s - got_s - DAY_S / 2) < 5
        await stack.world.sleep_until(change.changes_s - NEAR_S)
        assert body(await stack.imds("single"))["client_id"] == before
        await stack.world.sleep_until(change.changes_s + NEAR_S)
        assert body(await stack.imds("single"))["client_id"] != before

    on_stack(story, **REMEMBERS)


def test_the_page_needs_the_control_token() -> None:
    """What machines hold is nobody else's business."""

    async def story(stack: Stack) -> None:
        assert (await stack.raw("sydney.host", "GET", "/admin/renewals")).status == 401
        request = Request("GET", "/admin/renewals")
        answer = await stack.world.control("sydney.host", request)
        assert answer.body is not None
        assert answer.body["tokens"] == []

    on_stack(story)


def test_primed_machines_are_looked_at_like_others() -> None:
    """Tokens of every age come with the stack: the oldest fails first."""

    async def story(stack: Stack) -> None:
        tokens = [{"machine": f"scaleout_{age}", "resource": VAULT, "age_s": age * HOUR_S} for age in range(1, 6)]
        request = Request("POST", "/admin/prime", body={"tokens": tokens})
        assert (await stack.world.control("sydney.host", request)).status == 200
        await stack.hold("sydney.store", "roll", "roll-key")
        look = await look_at_renewals(stack.world, ["sydney"])
        unnamed = [each for each in look.failures if not each.named]
        assert [each.machine for each in unnamed] == [f"scaleout_{age}" for age in (5, 4, 3, 2, 1)]
        assert look.machines[0] == "scaleout_5"

    on_stack(story, **REMEMBERS)

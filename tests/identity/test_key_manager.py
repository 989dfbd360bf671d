"""The directory: switching keys, readiness gate, publication, versions, tombstones (claims C14, C19, C21, C25; I1, I8, I9)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from identity_stacks import Stack, body, error_code, hops, on_stack

from harness.errors import Defended
from harness.world import Carrier
from identity.core.messages import Request
from identity.core.replica import Replica

DIRECTORY = "sydney.directory"


async def switch(stack: Stack, fault_id: str = "f", region: str = "sydney", **value: Any) -> Any:
    return await stack.hold(DIRECTORY, fault_id, "switch-keys", region=region, **value)


async def validity(stack: Stack, region: str = "sydney") -> dict[str, bool]:
    return {row["key_id"]: row["valid"] for row in (await stack.state(f"{region}.store"))["keys"]}


def test_a_switch_rolls_the_key_and_publishes_the_new_one() -> None:
    """Claim C14: the switch takes the key over, rolls it at once and publishes the new key to every reader."""

    async def story(stack: Stack) -> tuple[Any, Any, Any]:
        report = await switch(stack, overlap_s=0)
        return report, await validity(stack), await stack.state(DIRECTORY)

    report, keys, state = on_stack(story)
    assert report["key_id"] == "managed-sydney-1"
    assert set(report["published"].values()) == {True}
    assert keys == {"manual-sydney-1": False, "managed-sydney-1": True}
    assert state["managed_keys"] == {"sydney": "managed-sydney-1"}


@pytest.mark.parametrize("order", list(permutations("abc")), ids="".join)
def test_overlapping_switches_are_undone_in_any_order(order: tuple[str, ...]) -> None:
    """The directory names the key of the newest switch that is left, and the store accepts exactly that one."""

    async def story(stack: Stack) -> None:
        made = {fault_id: (await switch(stack, fault_id, overlap_s=0))["key_id"] for fault_id in "abc"}
        left = dict(made)
        for fault_id in order:
            await stack.release(DIRECTORY, fault_id)
            del left[fault_id]
            newest = next(reversed(left.values()), None)
            state = await stack.state(DIRECTORY)
            assert state["managed_keys"].get("sydney") == newest
            accepted = [key for key, valid in (await validity(stack)).items() if valid]
            assert accepted == [newest or "manual-sydney-1"]
            assert (await stack.imds(f"scaleout_{len(left)}")).status == 200

    on_stack(story, builds={"sydney": "2.0"})


@pytest.mark.parametrize("builds", [{"sydney": "2.0"}, {"melbourne": "2.0"}, {}])
def test_the_gate_refuses_a_switch_that_somebody_could_not_follow(builds: dict[str, str]) -> None:
    """Claim C25: with the gate on, nodes of either region on a build that cannot use the key block the switch, by name."""

    async def story(stack: Stack) -> str:
        with pytest.raises(Defended) as refused:
            await switch(stack)
        assert await validity(stack) == {"manual-sydney-1": True}
        return refused.value.reason

    reason = on_stack(story, readiness_gate=True, builds=builds)
    for region in {"sydney", "melbourne"} - builds.keys():
        assert f"{region}: {region}.token.z1 runs build 1.0" in reason
    for region in builds:
        assert f"{region}:" not in reason


def test_the_gate_lets_through_what_everybody_can_follow() -> None:
    """Claim C22: with every region on a capable build or configuration the same switch goes through, and nobody fails."""

    async def story(stack: Stack) -> list[int]:
        await switch(stack, overlap_s=0)
        return [(await stack.imds("scaleout_1")).status, (await stack.imds("visitor", region="melbourne")).status]

    assert on_stack(story, readiness_gate=True, builds={"sydney": "2.0"}, force_managed_key=["melbourne"]) == [200, 200]


def test_configuration_does_not_make_a_build_ready_that_cannot() -> None:
    """Claim C25: a build that cannot take a managed key is unready whatever its configuration says."""

    async def story(stack: Stack) -> None:
        with pytest.raises(Defended, match=r"runs build 0\.9"):
            await switch(stack)

    on_stack(story, readiness_gate=True, builds={"sydney": "2.0", "melbourne": "0.9"}, force_managed_key=["melbourne"])


def test_a_node_that_does_not_answer_the_gate_is_not_ready() -> None:
    """Claim C25: silence is no consent."""

    async def story(stack: Stack) -> None:
        await stack.world.hold(Carrier("node", "melbourne.token.z2"), "down", {"effect": "down"})
        with pytest.raises(Defended, match=r"melbourne\.token\.z2 did not answer"):
            await switch(stack)

    on_stack(story, readiness_gate=True, builds={"sydney": "2.0", "melbourne": "2.0"})


def test_a_switch_whose_store_is_away_is_not_in_force() -> None:
    """When the store cannot be told, the switch fails, nothing is held and no key is published."""

    async def story(stack: Stack) -> tuple[int, Any, Any]:
        await stack.world.hold(Carrier("node", "sydney.store"), "down", {"effect": "down"})
        answer = await stack.try_hold(DIRECTORY, "f", "switch-keys", {"region": "sydney"})
        state = await stack.state(DIRECTORY)
        return answer.status, state["holds"], state["managed_keys"]

    assert on_stack(story) == (503, {}, {})


def test_an_undo_that_the_store_does_not_hear_can_be_repeated() -> None:
    """A release that fails half-way says so, keeps the hold, and succeeds when the store is back (world laws)."""

    async def story(stack: Stack) -> None:
        await switch(stack, overlap_s=0)
        await stack.world.hold(Carrier("node", "sydney.store"), "down", {"effect": "down"})
        failed = await stack.world.control(DIRECTORY, Request("DELETE", "/admin/holds/f"))
        assert failed.status == 503
        assert "f" in (await stack.state(DIRECTORY))["holds"]
        await stack.world.release(Carrier("node", "sydney.store"), "down")
        await stack.release(DIRECTORY, "f")
        assert await validity(stack) == {"manual-sydney-1": True}
        assert (await stack.state(DIRECTORY))["managed_keys"] == {}

    on_stack(story)


def test_the_directory_keeps_a_switch_through_a_restart() -> None:
    """Killed and back, the directory still publishes the managed key, under a version that replicas take."""

    async def story(stack: Stack) -> tuple[Any, bool, int]:
        await switch(stack, overlap_s=0)
        before = (await stack.state(DIRECTORY))["version"]
        await stack.restart(DIRECTORY)
        state = await stack.state(DIRECTORY)
        answer = await stack.imds("scaleout_1")
        return state["managed_keys"], state["version"] > before, answer.status

    assert on_stack(story, builds={"sydney": "2.0"}) == ({"sydney": "managed-sydney-1"}, True, 200)


@pytest.mark.parametrize("value", [{}, {"region": "perth"}])
@pytest.mark.parametrize("what", ["switch-keys", "push-keys"])
def test_a_region_that_is_not_there_is_a_bad_value(what: str, value: dict[str, Any]) -> None:
    """An unknown region is refused by name and nothing is held."""

    async def story(stack: Stack) -> tuple[int, Any]:
        answer = await stack.try_hold(DIRECTORY, "f", what, value)
        return answer.status, (await stack.state(DIRECTORY))["holds"]

    assert on_stack(story) == (400, {})


@pytest.mark.parametrize("value", [{}, {"regions": "sydney"}, {"regions": ["perth"]}, {"regions": [1]}])
def test_a_pause_that_cannot_be_meant_does_not_stop_the_publisher(value: dict[str, Any]) -> None:
    """A pause of what is no region is refused, and publication goes on."""

    async def story(stack: Stack) -> tuple[int, int]:
        answer = await stack.try_hold(DIRECTORY, "f", "pause-replication", value)
        await create(stack, "new")
        await stack.wait(70)
        return answer.status, (await replica_versions(stack))["melbourne.vault"]

    status, version = on_stack(story)
    assert (status, version) == (400, 2)


async def create(stack: Stack, name: str, **more: Any) -> None:
    """Makes an identity known to the directory."""
    record = {"object_id": name, "resource_id": f"/{name}", "home_region": "sydney", "kind": "user", "name": name, **more}
    request = stack.node("sydney.management").internal("PUT", f"/principals/{name}", record)
    assert (await stack.node(DIRECTORY).handle(request)).status == 200


async def replica_versions(stack: Stack) -> dict[str, int]:
    roles = ("token.z1", "token.z2", "token.z3", "management", "vault")
    names = [f"{region}.{role}" for region in stack.world.spec.regions for role in roles]
    return {name: int((await stack.state(name))["replica_version"]) for name in names}


def test_snapshots_reach_every_replica_within_the_interval() -> None:
    """A change is in every replica one publishing interval later (I8)."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        before = set((await replica_versions(stack)).values())
        await create(stack, "new")
        await stack.wait(61)
        return before, set((await replica_versions(stack)).values())

    assert on_stack(story) == ({1}, {2})


def test_replication_is_by_snapshot_and_never_by_sharing() -> None:
    """Until a snapshot arrives a replica knows nothing of a change, in the simulation as on a network."""

    async def story(stack: Stack) -> list[bool]:
        vault: Any = stack.node("melbourne.vault")
        await create(stack, "new")
        seen = ["new" in vault.replica.identities]
        await stack.wait(61)
        return [*seen, "new" in vault.replica.identities]

    assert on_stack(story) == [False, True]


def test_a_paused_region_lags_and_catches_up() -> None:
    """A replication pause holds its regions back and no others; released, they catch up within the interval."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        await stack.hold(DIRECTORY, "f", "pause-replication", regions=["melbourne"])
        await create(stack, "new")
        await stack.wait(200)
        during = await replica_versions(stack)
        await stack.release(DIRECTORY, "f")
        await stack.wait(61)
        return during, await replica_versions(stack)

    during, after = on_stack(story)
    assert {version for name, version in during.items() if name.startswith("melbourne")} == {1}
    assert {version for name, version in during.items() if name.startswith("sydney")} == {2}
    assert set(after.values()) == {2}


def test_overlapping_pauses_are_a_set() -> None:
    """Releasing one of two pauses of a region leaves it paused."""

    async def story(stack: Stack) -> list[int]:
        for fault_id in "ab":
            await stack.hold(DIRECTORY, fault_id, "pause-replication", regions=["melbourne"])
        await create(stack, "new")
        seen = []
        for fault_id in "ab":
            await stack.release(DIRECTORY, fault_id)
            await stack.wait(61)
            seen.append((await replica_versions(stack))["melbourne.vault"])
        return seen

    assert on_stack(story) == [1, 2]


def test_one_node_that_hangs_delays_no_other_replica() -> None:
    """Publication to each node is a round of its own."""

    async def story(stack: Stack) -> Any:
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("node", f"sydney.token.{zone}"), "p", {"effect": "paused"})
        await create(stack, "new")
        await stack.wait(61)
        vault: Any = stack.node("melbourne.vault")
        return vault.replica.version

    assert on_stack(story) == 2


def test_a_node_that_comes_back_is_told_soon() -> None:
    """A node that missed a round is asked again long before the next one is due."""

    async def story(stack: Stack) -> int:
        carrier = Carrier("node", "melbourne.vault")
        await stack.world.hold(carrier, "f", {"effect": "down"})
        await create(stack, "new")
        await stack.wait(601)
        await stack.world.release(carrier, "f")
        await stack.wait(31)
        vault: Any = stack.node("melbourne.vault")
        return int(vault.replica.version)

    assert on_stack(story, publish_interval_s=600) == 2


def snapshot(version: int, **more: Any) -> dict[str, Any]:
    return {"version": version, "identities": {}, "key_set": {}, **more}


def test_a_replica_never_goes_backwards() -> None:
    """An older snapshot is dropped, an equal or newer one taken (I8)."""
    replica = Replica()
    taken = [replica.take(snapshot(version, identities={"v": {"n": version}})) for version in (3, 2, 3, 5, 4)]
    assert taken == [True, False, True, True, False]
    assert (replica.version, replica.identities["v"]["n"]) == (5, 5)


@pytest.mark.parametrize("node", ["sydney.token.z1", "melbourne.management", "melbourne.vault"])
def test_an_old_snapshot_changes_nothing_on_a_node(node: str) -> None:
    """A node answers that it did not take an older snapshot, also after a restart while the directory is away (I8)."""

    async def story(stack: Stack) -> list[Any]:
        await create(stack, "new")
        await stack.wait(61)
        await stack.world.hold(Carrier("node", DIRECTORY), "f", {"effect": "down"})
        await stack.restart(node)
        answer = await stack.node(node).handle(stack.node(node).internal("PUT", "/snapshot", snapshot(1)))
        return [body(answer), (await stack.state(node))["replica_version"]]

    assert on_stack(story) == [{"taken": False, "version": 2}, 2]


def test_versions_grow_through_restarts_of_the_directory() -> None:
    """What the directory publishes after a kill is newer than all that it published before, so replicas take it (I8)."""

    async def story(stack: Stack) -> Any:
        for number in range(3):
            await switch(stack, f"f{number}", overlap_s=0)
        await create(stack, "before")
        await stack.wait(61)
        await stack.restart(DIRECTORY)
        await create(stack, "after")
        await stack.wait(61)
        vault: Any = stack.node("melbourne.vault")
        return sorted({"before", "after"} & vault.replica.identities.keys())

    assert on_stack(story) == ["after", "before"]


@pytest.mark.parametrize("content", [None, {}, {"version": 9}, {"version": 9, "identities": {}}])
def test_a_snapshot_that_is_none_is_refused(content: dict[str, Any] | None) -> None:
    """What is no whole snapshot is answered 400, and the replica stays."""

    async def story(stack: Stack) -> tuple[int, int]:
        vault: Any = stack.node("sydney.vault")
        answer = await vault.handle(vault.internal("PUT", "/snapshot", content))
        return answer.status, vault.replica.version

    assert on_stack(story) == (400, 1)


def test_a_deleted_identity_gets_no_new_token_once_that_is_known() -> None:
    """I1: after its tombstone has been published, no new token is issued, whatever the store still says."""

    async def story(stack: Stack) -> list[Any]:
        spec = stack.world.spec.identity("only-id")
        before = await stack.imds("single")
        await stack.node(DIRECTORY).handle(stack.node(DIRECTORY).internal("DELETE", f"/principals/{spec.object_id}"))
        await stack.wait(61)
        return [before.status, await stack.imds("single", resource="https://graph.microsoft.com")]

    before, after = on_stack(story)
    assert before == 200
    assert (after.status, body(after)["error_description"]) == (400, "Identity not found")
    assert [hop.node for hop in hops(after)] == ["sydney.host", "sydney.token.z1"]


def test_a_tombstone_survives_every_restart() -> None:
    """I9: a deletion is remembered by the directory and by replicas through kills, with the directory away too."""

    async def story(stack: Stack) -> list[int]:
        spec = stack.world.spec.identity("only-id")
        await stack.node(DIRECTORY).handle(stack.node(DIRECTORY).internal("DELETE", f"/principals/{spec.object_id}"))
        await stack.wait(61)
        await stack.restart(DIRECTORY)
        await stack.wait(61)
        await stack.world.hold(Carrier("node", DIRECTORY), "f", {"effect": "down"})
        await stack.restart("sydney.token.z1")
        return [(await stack.imds("single")).status]

    assert on_stack(story) == [400]


def test_pushing_the_key_again_does_not_help_an_old_build() -> None:
    """Claim C19: publishing the new key again reaches every node, and nodes of the pinned build go on with the old one."""

    async def story(stack: Stack) -> tuple[Any, int]:
        await switch(stack, overlap_s=0)
        report = await stack.hold(DIRECTORY, "push", "push-keys", region="sydney")
        return set(report["published"].values()), (await stack.imds("scaleout_1")).status

    assert on_stack(story) == ({True}, 500)


@pytest.mark.parametrize(("key_id", "status"), [("managed", 500), ("manual", 200)])
def test_accepting_the_new_key_does_not_help_and_the_old_one_would(key_id: str, status: int) -> None:
    """Claim C19: making storage accept the new key changes nothing; accepting the old one again would have helped."""

    async def story(stack: Stack) -> int:
        await switch(stack, overlap_s=0)
        await stack.hold("sydney.store", "accept", "accept-key", key_id=key_id)
        return (await stack.imds("scaleout_1")).status

    assert on_stack(story) == status


@pytest.mark.parametrize("path", ["/snapshot/keys", "/resources", "/principals/x", "/anything"])
def test_the_directory_answers_the_stacks_own_nodes_only(path: str) -> None:
    """Everything on the directory needs the stack's own token; it hands out secrets."""

    async def story(stack: Stack) -> list[int]:
        return [(await stack.raw(DIRECTORY, "GET", path, token)).status for token in ("", "guess")]

    assert on_stack(story) == [401, 401]


def test_the_directory_says_what_it_does_not_have() -> None:
    """An unknown path or resource is 404, a deletion of what was never there 204."""

    async def story(stack: Stack) -> list[int]:
        token = stack.world.spec.control_token
        return [
            (await stack.raw(DIRECTORY, "GET", "/nothing", token)).status,
            (await stack.raw(DIRECTORY, "GET", "/resources", token)).status,
            (await stack.raw(DIRECTORY, "DELETE", "/principals/nobody", token)).status,
        ]

    assert on_stack(story) == [404, 404, 204]


def test_a_user_token_needs_a_lifetime_that_is_a_number() -> None:
    """The control request for an operator's token refuses nonsense with 400."""

    async def story(stack: Stack) -> Any:
        return await stack.world.control(DIRECTORY, Request("POST", "/admin/user-token", body={"lifetime_s": "long"}))

    answer = on_stack(story)
    assert (answer.status, error_code(answer)) == (400, "BadRequest")

"""Nodes that lost their disks: what comes back by itself, and that nothing deleted comes back with it (docs/design.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.identity_stacks import Stack, body, error_code, on_stack

STORE, DIRECTORY = "sydney.store", "sydney.directory"
ROUND_S = 61.0
VM = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}


async def wipe(stack: Stack, nodes: Iterable[str]) -> None:
    """Takes nodes and their disks away and brings empty ones back, in the order in which nodes start."""
    names = tuple(nodes)
    for node in names:
        await stack.world.hold(Carrier("node", node), "wipe", NodeEffect("down"))
        stack.world._nodes[node].disk.clear()
    for node in names:
        await stack.world.release(Carrier("node", node), "wipe")


def nodes_of(stack: Stack, *regions: str) -> list[str]:
    return [node for node in stack.world.spec.nodes() if node.partition(".")[0] in regions]


async def create(stack: Stack, name: str, *, region: str = "sydney", location: str = "australiaeast") -> None:
    answer = await stack.arm("PUT", stack.identity_path(name), {"location": location}, region=region)
    assert answer.status == 201, answer


async def drop_caches(stack: Stack) -> None:
    for region in stack.world.spec.regions:
        await stack.world.control(f"{region}.host", Request("POST", "/admin/drop-caches"))
        for node in stack.world.spec.token_nodes(region):
            await stack.restart(node)


def test_a_wiped_store_is_given_identities_again_when_they_are_asked_for() -> None:
    """A machine created before the loss gets a token from a store that had lost its identity, its assignment included."""

    async def story(stack: Stack) -> tuple[int, int, int]:
        assert (await stack.arm("PUT", stack.machine_path("newcomer"), VM)).status == 201
        await stack.wait(ROUND_S)
        before = (await stack.state(STORE))["identities"]
        await wipe(stack, [STORE])
        lost = before - (await stack.state(STORE))["identities"]
        await drop_caches(stack)
        await stack.token("newcomer")
        return lost, before, (await stack.state(STORE))["identities"]

    lost, before, after = on_stack(story)
    assert lost == 1
    assert after == before


def test_what_a_store_was_given_again_is_durable() -> None:
    """An identity that came back is there after the next death too, with nobody to ask."""

    async def story(stack: Stack) -> None:
        await stack.arm("PUT", stack.machine_path("newcomer"), VM)
        await stack.wait(ROUND_S)
        await wipe(stack, [STORE])
        await drop_caches(stack)
        await stack.token("newcomer")
        await drop_caches(stack)
        await stack.restart(STORE)
        await stack.world.hold(Carrier("node", DIRECTORY), "f", NodeEffect("down"))
        await stack.token("newcomer")

    on_stack(story)


def test_a_deleted_identity_never_comes_back() -> None:
    """Neither a lost store nor a lost directory brings a deleted identity back to life, nor does asking for it."""

    async def story(stack: Stack) -> list[int]:
        path = stack.identity_path("gone")
        await create(stack, "gone")
        vm = {"location": "australiaeast", "identity": {"type": "UserAssigned", "userAssignedIdentities": {path: {}}}}
        assert (await stack.arm("PUT", stack.machine_path("holder"), vm)).status == 201
        await stack.token("holder")
        assert (await stack.arm("DELETE", path)).status == 200
        await stack.wait(ROUND_S)
        seen = []
        for node in (STORE, DIRECTORY):
            await wipe(stack, [node])
            await stack.wait(ROUND_S)
            await drop_caches(stack)
            seen += [(await stack.arm("GET", path)).status, (await stack.imds("holder")).status]
        return seen

    assert on_stack(story) == [404, 400, 404, 400]


def test_a_store_that_still_has_its_tombstone_is_not_overruled() -> None:
    """A replica that has not heard of a deletion yet does not bring the identity back through the directory."""

    async def story(stack: Stack) -> tuple[int, int]:
        identity = next(each for each in stack.world.spec.identities if each.home_region == "sydney")
        await stack.hold(DIRECTORY, "pause", "pause-replication", regions=["sydney", "melbourne"])
        path = f"/principals/{identity.object_id}"
        store: Any = stack.node(STORE)
        await store._delete(identity.object_id)
        restored = await stack.raw(DIRECTORY, "POST", f"{path}/restore", stack.world.spec.control_token)
        return restored.status, store.records[identity.object_id].deleted

    assert on_stack(story) == (409, True)


def test_a_wiped_directory_learns_from_the_replicas() -> None:
    """Identities, deletions and the signing key come back, versions go on upwards, and tokens of before and after are good."""

    async def story(stack: Stack) -> None:
        await create(stack, "kept")
        await stack.wait(ROUND_S)
        early, before = await stack.token("web-1"), await stack.state(DIRECTORY)
        await wipe(stack, [DIRECTORY])
        await stack.wait(5)
        after = await stack.state(DIRECTORY)
        assert after["version"] > before["version"]
        assert (after["identities"], after["signing_key_id"]) == (before["identities"], before["signing_key_id"])
        assert (await stack.arm("GET", stack.identity_path("kept"), region="melbourne")).status == 200
        await create(stack, "later")
        await stack.wait(ROUND_S)
        assert (await stack.arm("GET", stack.identity_path("later"), region="melbourne")).status == 200
        await drop_caches(stack)
        for token in (early, await stack.token("web-1"), await stack.token("south-1", region="melbourne")):
            for region in ("sydney", "melbourne"):
                assert (await stack.secret(token, region=region)).status == 200

    on_stack(story)


def test_what_a_wiped_directory_learned_is_durable() -> None:
    """Killed after it learned, it has everything without asking anybody."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        await create(stack, "kept")
        await stack.wait(ROUND_S)
        await wipe(stack, [DIRECTORY])
        await stack.wait(5)
        learned = await stack.state(DIRECTORY)
        for region in stack.world.spec.regions:
            for node in (*stack.world.spec.token_nodes(region), f"{region}.management", f"{region}.vault"):
                await stack.world.hold(Carrier("node", node), "f", NodeEffect("down"))
        await stack.restart(DIRECTORY)
        again = await stack.state(DIRECTORY)
        return (learned["identities"], learned["signing_key_id"]), (again["identities"], again["signing_key_id"])

    learned, again = on_stack(story)
    assert learned == again


def test_a_wiped_home_region_comes_back_from_the_other_one() -> None:
    """Everything that had reached the other region is there again: identities of both regions, and tokens for them."""

    async def story(stack: Stack) -> None:
        await create(stack, "east")
        await create(stack, "south", region="melbourne", location="australiasoutheast")
        await stack.wait(ROUND_S)
        token = await stack.token("south-1", region="melbourne")
        await wipe(stack, nodes_of(stack, "sydney"))
        await stack.wait(ROUND_S)
        for region in ("sydney", "melbourne"):
            for name in ("east", "south"):
                assert (await stack.arm("GET", stack.identity_path(name), region=region)).status == 200
            assert (await stack.secret(token, region=region)).status == 200
            assert (await stack.secret(await stack.token("web-1"), region=region)).status == 200
        assert (await stack.arm("PATCH", stack.identity_path("east"), {"tags": {"a": "b"}})).status in (200, 201)
        held = {(await stack.state(node))["replica_version"] for node in nodes_of(stack, "melbourne") if "vault" in node}
        assert held == {(await stack.state("sydney.vault"))["replica_version"]}

    on_stack(story)


def test_a_write_that_no_replica_had_is_told_again_by_who_took_it() -> None:
    """The management node of the surviving region tells the directory again what it had acknowledged."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold(DIRECTORY, "pause", "pause-replication", regions=["sydney", "melbourne"])
        await create(stack, "fresh", region="melbourne", location="australiasoutheast")
        await wipe(stack, [DIRECTORY])
        await stack.wait(ROUND_S)
        path = stack.identity_path("fresh")
        seen = [(await stack.arm("GET", path, region="melbourne")).status]
        await stack.wait(ROUND_S)
        return [*seen, (await stack.arm("GET", path)).status]

    assert on_stack(story) == [200, 200]


def test_without_a_key_to_sign_with_a_new_one_signs_and_the_old_one_is_still_believed() -> None:
    """When no token node kept the signing key, old tokens stay good and new ones are signed by the new key."""

    async def story(stack: Stack) -> list[int]:
        token, before = await stack.token("web-1"), (await stack.state(DIRECTORY))["signing_key_id"]
        nodes = [DIRECTORY, *(node for node in stack.world.spec.nodes() if ".token." in node)]
        await wipe(stack, nodes)
        await stack.wait(2 * ROUND_S)
        assert (await stack.state(DIRECTORY))["signing_key_id"] != before
        await drop_caches(stack)
        return [(await stack.secret(each)).status for each in (token, await stack.token("web-2"))]

    assert on_stack(story) == [200, 200]


@pytest.mark.parametrize("role", ["token.z1", "management", "vault"])
def test_a_wiped_node_without_its_replica_says_so_until_the_next_round(role: str) -> None:
    """It is not ready and answers 503, never a refusal that a client would believe; one round later it serves."""
    node = f"melbourne.{role}"

    async def story(stack: Stack) -> None:
        await stack.wait(5)
        await wipe(stack, [node])
        health = await stack.world.control(node, Request("GET", "/healthz"))
        assert body(health)["ready"] is False
        if role == "management":
            refused = await stack.arm("GET", stack.identity_path("any"), region="melbourne")
            assert (refused.status, error_code(refused)) == (503, "ServiceUnavailable")
        await stack.wait(ROUND_S)
        assert body(await stack.world.control(node, Request("GET", "/healthz")))["ready"] is True
        assert (await stack.secret(await stack.token("south-1", region="melbourne"), region="melbourne")).status == 200

    on_stack(story)


def test_a_healthy_stack_restores_nothing() -> None:
    """Asking for what never was changes nothing and is answered as before."""

    async def story(stack: Stack) -> tuple[int, int]:
        before = (await stack.state(STORE))["identities"]
        assert (await stack.imds("nobody")).status in (400, 404)
        assert (await stack.arm("GET", stack.identity_path("nobody"))).status == 404
        return before, (await stack.state(STORE))["identities"]

    before, after = on_stack(story)
    assert before == after


async def put_back(stack: Stack, node: str, copy: dict[str, Any], *, before: float = 0.0) -> None:
    """Ends a node and brings it back with an older copy of its disk."""
    await stack.world.hold(Carrier("node", node), "copy", NodeEffect("down"))
    await stack.wait(before)
    disk = stack.world._nodes[node].disk
    disk.clear()
    disk.update(copy)
    await stack.world.release(Carrier("node", node), "copy")


@pytest.mark.parametrize("changes", [1, 700])  # fewer than a block of reserved versions, and more
def test_an_older_copy_of_the_directory_s_disk_catches_up(changes: int) -> None:
    """What was made, changed and deleted since the copy is known again; versions go on upwards, nothing deleted comes back."""

    async def story(stack: Stack) -> None:
        await create(stack, "deleted-later")
        await create(stack, "changed-later")
        copy = dict(stack.world._nodes[DIRECTORY].disk)
        await create(stack, "made-later")
        for number in range(changes):
            tags = {"tags": {"n": str(number)}}
            assert (await stack.arm("PATCH", stack.identity_path("changed-later"), tags)).status == 200
        assert (await stack.arm("DELETE", stack.identity_path("deleted-later"))).status == 200
        await stack.wait(ROUND_S)
        before, replica = await stack.state(DIRECTORY), (await stack.state("melbourne.vault"))["replica_version"]
        await put_back(stack, DIRECTORY, copy)
        await create(stack, "made-since", region="melbourne", location="australiasoutheast")
        await stack.wait(2 * ROUND_S)
        after = await stack.state(DIRECTORY)
        assert (after["identities"], after["signing_key_id"]) == (before["identities"] + 1, before["signing_key_id"])
        for region in ("sydney", "melbourne"):
            status = {
                name: (await stack.arm("GET", stack.identity_path(name), region=region)).status
                for name in ("made-later", "changed-later", "made-since", "deleted-later")
            }
            assert status == {"made-later": 200, "changed-later": 200, "made-since": 200, "deleted-later": 404}
        changed = body(await stack.arm("GET", stack.identity_path("changed-later")))
        assert changed["tags"] == {"n": str(changes - 1)}
        assert (await stack.state("melbourne.vault"))["replica_version"] == after["version"] > replica
        await stack.restart(DIRECTORY)
        again = await stack.state(DIRECTORY)
        assert again["identities"] == after["identities"], "what was learned is durable"

    on_stack(story)


def test_an_older_copy_that_nobody_contradicts_at_first_is_found_out_later() -> None:
    """Cut off from all replicas it gives out as many versions as they know; they still see what it lacks, and give it back."""

    async def story(stack: Stack) -> list[int]:
        copy = dict(stack.world._nodes[DIRECTORY].disk)
        await create(stack, "lost")
        await stack.wait(ROUND_S)
        readers = [
            node for node in stack.world.spec.nodes() if any(role in node for role in (".token.", "management", "vault"))
        ]
        for node in readers:
            await stack.world.hold(Carrier("node", node), "away", NodeEffect("down"))
        await put_back(stack, DIRECTORY, copy)
        for _ in range(5):
            await stack.raw(DIRECTORY, "POST", "/admin/nothing", stack.world.spec.control_token)
            await stack.node(DIRECTORY).catalog.next_version()  # type: ignore[attr-defined]
        for node in readers:
            await stack.world.release(Carrier("node", node), "away")
        await stack.wait(2 * ROUND_S)
        return [
            (await stack.arm("GET", stack.identity_path("lost"), region=region)).status for region in ("sydney", "melbourne")
        ]

    assert on_stack(story) == [200, 200]


def test_a_directory_that_is_only_restarted_learns_nothing() -> None:
    """Its disk has all that replicas know, key pushes included, so they take it as it is."""

    async def story(stack: Stack) -> list[bool]:
        await create(stack, "kept")
        await stack.hold(DIRECTORY, "push", "push-keys", region="sydney")
        await stack.wait(ROUND_S)
        found = []
        for _ in range(3):
            await stack.restart(DIRECTORY)
            await stack.wait(ROUND_S)
            found.append("learned:" in stack.world._nodes[DIRECTORY].disk)
            state = await stack.state("melbourne.vault")
            assert state["replica_version"] == (await stack.state(DIRECTORY))["version"]
        return found

    assert on_stack(story) == [False, False, False]

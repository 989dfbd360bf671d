"""Publication: the whole snapshot, to every replica, at a constant rate (invariants I8, I11)."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.identity_stacks import Stack, body, on_stack
from support.simulated_stacks import on_world

DIRECTORY = "sydney.directory"


@pytest.mark.parametrize("value", [{}, {"regions": "sydney"}, {"regions": ["perth"]}, {"regions": [1]}])
def test_a_pause_that_cannot_be_meant_does_not_stop_the_publisher(value: dict[str, Any]) -> None:
    """A pause of what is no region is refused, and publication goes on."""

    async def story(stack: Stack) -> tuple[int, int]:
        answer = await stack.try_hold(DIRECTORY, "f", "pause-replication", value)
        await stack.publish_identity("new")
        await stack.wait(70)
        return answer.status, (await replica_versions(stack))["melbourne.vault"]

    status, version = on_stack(story)
    assert (status, version) == (400, 2)


async def replica_versions(stack: Stack) -> dict[str, int]:
    roles = ("token.z1", "token.z2", "token.z3", "management", "vault")
    names = [f"{region}.{role}" for region in stack.world.spec.regions for role in roles]
    return {name: int((await stack.state(name))["replica_version"]) for name in names}


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("sydney.token.z1", "/snapshot"),
        ("melbourne.management", "/snapshot"),
        ("melbourne.vault", "/snapshot"),
        ("melbourne.token.z1", "/aws/account"),
    ],
)
def test_what_comes_again_is_answered_at_once_as_it_was(node: str, path: str) -> None:
    """The very same request gets the answer that the node gave; any other is looked into, also after a newer one came."""

    async def story(world: SimulationWorld) -> None:
        reader = world._nodes[node].node
        assert reader is not None
        offered = (await reader.handle(reader.internal("GET", path))).body or {}
        request, twin = (reader.internal("PUT", path, offered) for _ in range(2))
        at_once = reader.ready_answers.find
        assert at_once(request) is None
        given = await reader.handle(request)
        repeated = at_once(request)
        assert repeated is not None
        assert repeated.sealed() == given == await reader.handle(request)
        assert at_once(twin) is None
        assert (await reader.handle(reader.internal("PUT", path, {**offered, "version": offered["version"] + 1}))).ok
        assert at_once(request) is None
        assert body(await reader.handle(request))["taken"] is False

    on_world(story, vendors=("azure", "aws"))


def test_a_snapshot_is_looked_into_again_once_newer_keys_were_asked_for() -> None:
    """What a node asked for may be newer than the snapshot that it has, or made void by the same one."""

    async def story(world: SimulationWorld) -> None:
        reader: Any = world._nodes["sydney.token.z1"].node
        offered = (await reader.handle(reader.internal("GET", "/snapshot"))).body
        request = reader.internal("PUT", "/snapshot", offered)
        await reader.handle(request)
        assert reader.ready_answers.find(request) is not None
        await reader._renew_keys()
        assert reader.ready_answers.find(request) is None

    on_world(story)


def test_snapshots_reach_every_replica_within_the_interval() -> None:
    """A change is in every replica one publishing interval later (I8)."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        before = set((await replica_versions(stack)).values())
        await stack.publish_identity("new")
        await stack.wait(61)
        return before, set((await replica_versions(stack)).values())

    assert on_stack(story) == ({1}, {2})


def test_replication_is_by_snapshot_and_never_by_sharing() -> None:
    """Until a snapshot arrives a replica knows nothing of a change, in the simulation as on a network."""

    async def story(stack: Stack) -> list[bool]:
        vault: Any = stack.node("melbourne.vault")
        await stack.publish_identity("new")
        seen = ["new" in vault.replica.snapshot.identities]
        await stack.wait(61)
        return [*seen, "new" in vault.replica.snapshot.identities]

    assert on_stack(story) == [False, True]


def test_a_paused_region_lags_and_catches_up() -> None:
    """A replication pause holds its regions back and no others; released, they catch up within the interval."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        await stack.hold(DIRECTORY, "f", "pause-replication", regions=["melbourne"])
        await stack.publish_identity("new")
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
        await stack.publish_identity("new")
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
            await stack.world.hold(Carrier("node", f"sydney.token.{zone}"), "p", NodeEffect("paused"))
        await stack.publish_identity("new")
        await stack.wait(61)
        vault: Any = stack.node("melbourne.vault")
        return vault.replica.version

    assert on_stack(story) == 2


def test_a_node_that_comes_back_is_told_soon() -> None:
    """A node that missed a round is asked again long before the next one is due."""

    async def story(stack: Stack) -> int:
        carrier = Carrier("node", "melbourne.vault")
        await stack.world.hold(carrier, "f", NodeEffect("down"))
        await stack.publish_identity("new")
        await stack.wait(601)
        await stack.world.release(carrier, "f")
        await stack.wait(31)
        vault: Any = stack.node("melbourne.vault")
        return int(vault.replica.version)

    assert on_stack(story, publish_interval_s=600) == 2


def test_versions_grow_through_restarts_of_the_directory() -> None:
    """What the directory publishes after a kill is newer than all that it published before, so replicas take it (I8)."""

    async def story(stack: Stack) -> Any:
        for number in range(3):
            await stack.hold(DIRECTORY, f"f{number}", "switch-keys", region="sydney", overlap_s=0)
        await stack.publish_identity("before")
        await stack.wait(61)
        await stack.restart(DIRECTORY)
        await stack.publish_identity("after")
        await stack.wait(61)
        vault: Any = stack.node("melbourne.vault")
        return sorted({"before", "after"} & vault.replica.snapshot.identities.keys())

    assert on_stack(story) == ["after", "before"]

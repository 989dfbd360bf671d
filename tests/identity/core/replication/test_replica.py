"""What the directory publishes and replicas keep: snapshots, pauses, versions, tombstones (invariants I1, I8, I9, I11)."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.records import Snapshot
from brownout.identity.core.replication.replica import Replica
from support.identity_stacks import Stack, body, hops, on_stack

DIRECTORY = "sydney.directory"


def snapshot(version: int, **more: Any) -> dict[str, Any]:
    return {"version": version, "identities": {}, "key_set": {}, **more}


def test_a_replica_never_goes_backwards() -> None:
    """An older snapshot is dropped, an equal or newer one taken (I8)."""
    replica = Replica()
    taken = [replica.take(snapshot(version, key_set={"v": {"n": version}})) for version in (3, 2, 3, 5, 4)]
    assert taken == [True, False, True, True, False]
    assert (replica.version, replica.snapshot.key_set["v"]["n"]) == (5, 5)


def test_it_says_since_when_it_has_each_key() -> None:
    """The time is that of the first snapshot with the key, not known for one that was there at the start, and goes with it."""
    replica = Replica()
    replica.take(snapshot(1, key_set={"old": {}}))
    replica.take(snapshot(2, key_set={"old": {}, "new": {}}), 10.0)
    replica.take(snapshot(3, key_set={"old": {}, "new": {}}), 20.0)
    assert replica.keys_since_s == {"old": None, "new": 10.0}
    replica.take(snapshot(4, key_set={"new": {}}), 30.0)
    replica.take(snapshot(5, key_set={"old": {}, "new": {}}), 40.0)
    assert replica.keys_since_s == {"old": 40.0, "new": 10.0}


@pytest.mark.parametrize("node", ["sydney.token.z1", "melbourne.management", "melbourne.vault"])
def test_an_old_snapshot_changes_nothing_on_a_node(node: str) -> None:
    """A node answers that it did not take an older snapshot, also after a restart while the directory is away (I8)."""

    async def story(stack: Stack) -> list[Any]:
        await stack.publish_identity("new")
        await stack.wait(61)
        await stack.world.hold(Carrier("node", DIRECTORY), "f", NodeEffect("down"))
        await stack.restart(node)
        answer = await stack.node(node).handle(stack.node(node).internal("PUT", "/snapshot", snapshot(1)))
        return [body(answer), (await stack.state(node))["replica_version"]]

    assert on_stack(story) == [{"taken": False, "version": 2}, 2]


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
        await stack.world.hold(Carrier("node", DIRECTORY), "f", NodeEffect("down"))
        await stack.restart("sydney.token.z1")
        return [(await stack.imds("single")).status]

    assert on_stack(story) == [400]


def published(version: int, changed: dict[str, int], **more: Any) -> dict[str, Any]:
    """A snapshot of identities by the version of their last change; `more` is said of each of them."""
    item = {"kind": "user", "home_region": "sydney", "client_id": "", **more}
    identities = {
        name: {"name": name, "object_id": name, "resource_id": f"/{name}", "version": at, "deleted": False, **item}
        for name, at in changed.items()
    }
    return {"version": version, "identities": identities, "key_set": {}, "lines": ["a"]}


def test_only_what_changed_is_read_again() -> None:
    """A snapshot of the same line replaces the identities that are newer and keeps the others as they are."""
    replica = Replica()
    replica.take(published(5, {"one": 3, "two": 5}))
    before = replica.snapshot.identities
    replica.take(published(6, {"one": 3, "two": 6, "three": 6}, tags={"new": "yes"}))
    after = replica.snapshot.identities
    assert after["one"] is before["one"]
    assert [after[name].tags for name in ("one", "two", "three")] == [None, {"new": "yes"}, {"new": "yes"}]


def test_a_resource_id_is_looked_up_in_the_newest_snapshot() -> None:
    """A look-up regards no case, knows what a later snapshot brings, and takes the first of two with one resource id."""
    replica = Replica()
    assert replica.by_resource("/one") is None
    replica.take(published(5, {"one": 3}))
    assert replica.by_resource("/ONE") is replica.known("one")
    replica.take(published(6, {"one": 3, "two": 6, "three": 6}))
    assert replica.by_resource("/two") is replica.known("two")
    replica.take(published(7, {"one": 7, "two": 7}, resource_id="/same"))
    assert replica.by_resource("/same") is replica.known("one")
    assert replica.by_resource("/three") is None


def test_a_snapshot_of_other_lines_is_read_whole() -> None:
    """After a loss of the directory's disk one version of an identity may have two contents."""
    replica = Replica()
    replica.take(published(5, {"one": 3}))
    replica.take(published(6, {"one": 3}, tags={"new": "yes"}) | {"lines": ["a@5", "b"]})
    known = replica.known("one")
    assert known is not None
    assert known.tags == {"new": "yes"}


def test_that_a_replica_never_goes_backwards_is_asserted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that is read as another version than it names stops the replica."""
    replica = Replica()
    replica.take(snapshot(3))
    older = replica.snapshot
    monkeypatch.setattr(Snapshot, "from_json", lambda *_: older)
    with pytest.raises(AssertionError, match="never goes backwards"):
        replica.take(snapshot(4))


def test_that_a_node_keeps_its_replica_is_asserted() -> None:
    """A token node whose replica is gone by hand stops at the next snapshot that it does not take."""

    async def story(stack: Stack) -> None:
        node: Any = stack.node("sydney.token.z1")
        node.replica = Replica()
        with pytest.raises(AssertionError, match="does not lose it"):
            await node.handle(node.internal("PUT", "/snapshot", snapshot(0)))

    on_stack(story)

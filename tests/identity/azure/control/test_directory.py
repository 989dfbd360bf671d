"""Azure's control records: one directory keeps them, every region decides by its own copy."""

from __future__ import annotations

from typing import Any, cast

from brownout.identity.azure.control.directory import AzureDirectory
from brownout.identity.azure.control.replica import AzureReplica
from brownout.identity.azure.control.tables import ControlChange
from brownout.identity.azure.records import ControlRecord, RoleAssignment
from brownout.identity.core.messages import Response
from support.identity_stacks import Stack, body, error_code, on_stack

READ_VM = "Microsoft.Compute/virtualMachines/read"
SECRET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
ROUND_S = 61.0


def replica(stack: Stack, node: str = "sydney.vault") -> AzureReplica:
    return cast(AzureReplica, stack.node(node).annexes["azure"])


def scope(stack: Stack) -> str:
    return f"/subscriptions/{stack.world.spec.subscription_id}"


async def change(stack: Stack, record: ControlRecord, *, gone: bool = False) -> Response:
    """What the directory says to a change that a front end asks for."""
    wanted = ControlChange(record.KIND, record.key, None if gone else record)
    request = stack.node("sydney.management").internal("POST", "/azure/change", wanted.to_json())
    return await stack.node("sydney.directory").handle(request)


def grant(stack: Stack, name: str = "a1", **changed: Any) -> RoleAssignment:
    fields: dict[str, Any] = {"scope": scope(stack), "role": CONTRIBUTOR, "principal_id": "p", "principal_type": "User"}
    return RoleAssignment(name, **(fields | changed))


def test_a_stack_comes_up_with_its_operators_and_its_identities_roles() -> None:
    """The operator may do everything; identities of the specification read, and read secrets; nobody else does anything."""

    async def story(stack: Stack) -> list[bool]:
        known = stack.world.spec.identities[0].object_id
        asked = (("operator", "a/b/write", False), (known, READ_VM, False), (known, SECRET, True), (known, "a/write", False))
        decided = [replica(stack).decide(who, what, scope(stack), data=data) for who, what, data in asked]
        return [*decided, replica(stack).decide("stranger", READ_VM, scope(stack))]

    assert on_stack(story) == [True, True, True, False, False]


def test_a_change_reaches_every_region_within_a_round_and_not_before_it() -> None:
    """An assignment decides once the region's copy has it, its removal likewise; a kill of everybody forgets neither."""

    async def story(stack: Stack) -> list[list[bool]]:
        nodes = ("sydney.vault", "sydney.management", "melbourne.vault", "melbourne.management")

        def decided() -> list[bool]:
            return [replica(stack, node).decide("p", "a/b/write", scope(stack)) for node in nodes]

        seen = []
        for gone in (False, True):
            assert (await change(stack, grant(stack), gone=gone)).status == 200
            seen.append(decided())
            await stack.wait(ROUND_S)
            for node in ("sydney.directory", *nodes):
                await stack.restart(node)
            seen.append(decided())
        return seen

    assert on_stack(story) == [[False] * 4, [True] * 4, [True] * 4, [False] * 4]


def test_what_the_stack_came_up_with_does_not_come_back() -> None:
    """A seeded assignment that was deleted stays deleted when the directory is killed."""

    async def story(stack: Stack) -> bool:
        seeded = next(each for each in replica(stack).tables.table(RoleAssignment).values() if each.principal_type == "Group")
        await change(stack, seeded, gone=True)
        await stack.restart("sydney.directory")
        return seeded.key in cast(AzureDirectory, stack.node("sydney.directory").annexes["azure"]).tables.table(RoleAssignment)

    assert not on_stack(story)


def test_a_directory_that_lost_its_disk_learns_the_records_from_replicas() -> None:
    """Assignments and deletions that were published outlive the directory's disk."""

    async def story(stack: Stack) -> tuple[bool, int, int]:
        seeded = next(each for each in replica(stack).tables.table(RoleAssignment).values() if each.principal_type == "Group")
        await change(stack, grant(stack))
        await change(stack, seeded, gone=True)
        await stack.wait(ROUND_S)
        before = len(replica(stack).tables.table(RoleAssignment))
        stack.world._nodes["sydney.directory"].disk.clear()
        await stack.restart("sydney.directory")
        await stack.wait(3 * ROUND_S)
        await stack.restart("sydney.directory")
        await stack.wait(3 * ROUND_S)
        return (
            replica(stack).decide("p", "a/b/write", scope(stack)),
            before,
            len(replica(stack).tables.table(RoleAssignment)),
        )

    decided, before, after = on_stack(story)
    assert decided
    assert before == after == 4


def test_two_front_ends_cannot_make_one_assignment_twice() -> None:
    """The directory alone decides: a second name for the same grant is 409, another grant under one name 400."""

    async def story(stack: Stack) -> list[Response]:
        wanted = (grant(stack), grant(stack, "a2"), grant(stack, principal_id="q"), grant(stack))
        return [await change(stack, each) for each in wanted]

    first, twice, other, same = on_stack(story)
    assert (first.status, same.status, body(same)["existed"]) == (200, 200, True)
    assert (twice.status, error_code(twice)) == (409, "RoleAssignmentExists")
    assert (other.status, error_code(other)) == (400, "RoleAssignmentUpdateNotPermitted")

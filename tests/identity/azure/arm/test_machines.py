"""ARM's virtual machines and their identities: provisioning, assigning, deleting (claims C7, C9).

Wire facts: docs/reference/azure-wire.md#arm-virtual-machines.
"""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import CONTROL_PATH
from support.identity_stacks import Stack, body, error_code, on_stack

SYSTEM = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}
PLAIN = {"location": "australiaeast"}


async def operation(stack: Stack, answer: Response) -> Any:
    """What the asynchronous operation of an answer came to, as a client polls it."""
    url = answer.headers["azure-asyncoperation"]
    assert "://" in url
    assert answer.headers["retry-after"]
    path = "/" + url.split("://", 1)[1].split("/", 1)[1].split("?")[0]
    return body(await stack.arm("GET", path))


@pytest.mark.parametrize("content", [SYSTEM, PLAIN], ids=["system", "plain"])
def test_a_machine_is_provisioned(content: dict[str, Any]) -> None:
    """PUT is 201 with an operation to poll, which succeeds; the machine is there afterwards."""

    async def story(stack: Stack) -> tuple[Response, Any, Response, Response]:
        made = await stack.arm("PUT", stack.machine_path("vm"), content)
        found = await stack.arm("GET", stack.machine_path("vm"))
        again = await stack.arm("PUT", stack.machine_path("vm"), content)
        return made, await operation(stack, made), found, again

    made, ended, found, again = on_stack(story)
    assert (made.status, again.status, found.status) == (201, 200, 200)
    assert ended["status"] == "Succeeded"
    assert body(found) == body(made)
    assert body(found)["identity"]["type"] == ("SystemAssigned" if "identity" in content else "None")


def test_a_machine_with_an_identity_gets_tokens_and_one_without_does_not() -> None:
    """A provisioned machine's own IMDS works from then on; without an identity it says so (claim C9)."""

    async def story(stack: Stack) -> tuple[Response, Any, Response]:
        made = await stack.arm("PUT", stack.machine_path("vm"), SYSTEM)
        await stack.arm("PUT", stack.machine_path("bare-vm"), PLAIN)
        return await stack.imds("vm"), body(made)["identity"], await stack.imds("bare-vm")

    token, identity, none = on_stack(story)
    assert token.status == 200
    assert {"principalId", "tenantId", "type"} == set(identity)
    assert (none.status, body(none)["error_description"]) == (400, "Identity not found")


def test_creating_a_machine_with_an_identity_fails_while_the_store_refuses() -> None:
    """Claim C7: the operation ends as Failed with FailedIdentityOperation naming the resource, and no machine is left."""

    async def story(stack: Stack) -> tuple[Any, str, int, int]:
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        made = await stack.arm("PUT", stack.machine_path("vm"), SYSTEM)
        assert made.status == 201
        ended = await operation(stack, made)
        found = await stack.arm("GET", stack.machine_path("vm"))
        return ended, stack.machine_path("vm"), found.status, (await stack.imds("vm")).status

    ended, path, found, imds = on_stack(story)
    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == "FailedIdentityOperation"
    assert path in ended["error"]["message"]
    assert (found, imds) == (404, 404)


def test_creating_a_machine_without_an_identity_succeeds_meanwhile() -> None:
    """Claim C7, control: PUT of a machine without an identity is not concerned."""

    async def story(stack: Stack) -> Any:
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        made = await stack.arm("PUT", stack.machine_path("vm"), PLAIN)
        return (await operation(stack, made))["status"], (await stack.arm("GET", stack.machine_path("vm"))).status

    assert on_stack(story) == ("Succeeded", 200)


def test_a_half_made_identity_of_a_failed_machine_is_taken_back() -> None:
    """When a machine fails over a user-assigned identity, its own, made a moment before, does not stay behind."""

    async def story(stack: Stack) -> tuple[int, int, str]:
        before = (await stack.state("sydney.store"))["identities"]
        identity = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {stack.identity_path("no-such"): {}}}
        made = await stack.arm("PUT", stack.machine_path("vm"), PLAIN | {"identity": identity})
        ended = await operation(stack, made)
        return before, (await stack.state("sydney.store"))["identities"], ended["status"]

    before, after, status = on_stack(story)
    assert (after, status) == (before, "Failed")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_identity_is_assigned_and_taken_away(method: str) -> None:
    """A map entry assigns, null takes away; the machine's IMDS follows both."""

    async def story(stack: Stack) -> list[Any]:
        machine, identity = stack.machine_path("bare"), stack.identity_path("only-id")
        seen: list[Any] = []
        for entry in ({}, None):
            block = {"type": "UserAssigned", "userAssignedIdentities": {identity: entry}}
            answer = await stack.arm(method, machine, PLAIN | {"identity": block})
            shown = body(await stack.arm("GET", machine))["identity"]
            seen += [answer.status, list(shown.get("userAssignedIdentities", {})), (await stack.imds("bare")).status]
        return [*seen, identity]

    *seen, identity = on_stack(story)
    assert seen == [200, [identity], 200, 200, [], 400]


def test_a_machine_that_lost_an_identity_gets_no_token_from_the_store_either() -> None:
    """The store's own list of assignments is changed, so another zone or region could not issue a token."""

    async def story(stack: Stack) -> int:
        block = {"type": "UserAssigned", "userAssignedIdentities": {stack.identity_path("only-id"): None}}
        await stack.arm("PATCH", stack.machine_path("single"), {"identity": block})
        host: Any = stack.node("sydney.host")
        machine, identity = host.machine("web-1"), host.stack.identity("only-id")
        request = {
            "object_id": identity.object_id,
            "home_region": "sydney",
            "host_machine": "single",
            "machine": machine.resource_id.replace("web-1", "single"),
            "resource": "https://vault.azure.net",
        }
        return (await stack.node("sydney.token.z2").handle(host.internal("POST", "/token", request))).status

    assert on_stack(story) == 404


@pytest.mark.parametrize("kind", ["SystemAssigned", "SystemAssigned,UserAssigned", "SystemAssigned, UserAssigned"])
def test_an_identity_of_its_own_can_be_added_later(kind: str) -> None:
    """PATCH with SystemAssigned, however it is spelled, gives a machine an identity of its own once."""

    async def story(stack: Stack) -> list[Any]:
        ids = []
        for _ in range(2):
            answer = await stack.arm("PATCH", stack.machine_path("bare"), {"identity": {"type": kind}})
            ids.append(body(answer)["identity"]["principalId"])
        return [*ids, (await stack.imds("bare")).status]

    first, second, status = on_stack(story)
    assert first == second
    assert status == 200


def test_type_none_removes_every_identity() -> None:
    """`None` removes all: the machine's own is deleted, the shared one stays for others."""

    async def story(stack: Stack) -> list[Any]:
        block = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {stack.identity_path("only-id"): {}}}
        await stack.arm("PUT", stack.machine_path("vm"), PLAIN | {"identity": block})
        before = (await stack.state("sydney.store"))["identities"]
        answer = await stack.arm("PATCH", stack.machine_path("vm"), {"identity": {"type": "None"}})
        after = (await stack.state("sydney.store"))["identities"]
        shared = await stack.arm("GET", stack.identity_path("only-id"))
        return [body(answer)["identity"], before - after, (await stack.imds("vm")).status, shared.status]

    assert on_stack(story) == [{"type": "None"}, 1, 400, 200]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("kind", "left", "erased", "assigned"), [("UserAssigned", {"user"}, 1, 1), ("SystemAssigned", {"system"}, 0, 0)]
)
def test_a_type_takes_away_what_it_leaves_out(method: str, kind: str, left: set[str], erased: int, assigned: int) -> None:
    """A machine with both is left with what the type names; the store forgets its own identity, or that it shares one."""

    async def story(stack: Stack) -> list[Any]:
        path, store = stack.machine_path("vm"), stack.node("sydney.store")
        block = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {stack.identity_path("only-id"): {}}}
        await stack.arm("PUT", path, PLAIN | {"identity": block})
        before = (await stack.state("sydney.store"))["identities"]
        changed = await stack.arm(method, path, PLAIN | {"identity": {"type": kind}})
        after = (await stack.state("sydney.store"))["identities"]
        shown = body(await stack.arm("GET", path))["identity"]
        shares: Any = store.records[stack.world.spec.identity("only-id").object_id].assigned
        kinds = {kind for kind, key in (("system", "principalId"), ("user", "userAssignedIdentities")) if key in shown}
        return [
            changed.status,
            shown["type"],
            kinds,
            before - after,
            shares.count(path.lower()),
            (await stack.imds("vm")).status,
        ]

    assert on_stack(story) == [200, kind, left, erased, assigned, 200]


def test_a_machine_keeps_its_identity_while_it_cannot_be_taken_away() -> None:
    """A change that the store refuses leaves the machine as it was, and it succeeds later."""

    async def story(stack: Stack) -> list[Any]:
        path, wanted = stack.machine_path("web-1"), {"identity": {"type": "UserAssigned"}}
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        refused = await stack.arm("PATCH", path, wanted)
        kept = body(await stack.arm("GET", path))["identity"]["type"]
        await stack.release("sydney.store", "f")
        return [refused.status, kept, body(await stack.arm("PATCH", path, wanted))["identity"]["type"]]

    assert on_stack(story) == [500, "SystemAssigned", "None"]


def test_deleting_a_machine_deletes_its_own_identity() -> None:
    """System-assigned identities live and die with their machine; a repeated delete is 204."""

    async def story(stack: Stack) -> list[int]:
        before = (await stack.state("sydney.store"))["identities"]
        path = stack.machine_path("web-1")
        seen = [(await stack.arm(method, path)).status for method in ("DELETE", "GET", "DELETE")]
        return [*seen, before - (await stack.state("sydney.store"))["identities"], (await stack.imds("web-1")).status]

    assert on_stack(story) == [202, 404, 204, 1, 404]


def test_deleting_a_machine_gives_shared_identities_up() -> None:
    """After a machine is deleted no store lists it as allowed to use a shared identity."""

    async def story(stack: Stack) -> Any:
        await stack.arm("DELETE", stack.machine_path("single"))
        store: Any = stack.node("sydney.store")
        return store.records[stack.world.spec.identity("only-id").object_id].assigned

    assert on_stack(story) == ()


def test_a_machine_is_not_deleted_while_its_identity_cannot_be() -> None:
    """A machine whose identity cannot be deleted stays, and the delete succeeds later (claim C5)."""

    async def story(stack: Stack) -> list[int]:
        path = stack.machine_path("web-1")
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        seen = [(await stack.arm("DELETE", path)).status, (await stack.arm("GET", path)).status]
        await stack.release("sydney.store", "f")
        return [*seen, (await stack.arm("DELETE", path)).status]

    assert on_stack(story) == [500, 200, 202]


def test_a_machine_can_be_deleted_after_its_shared_identity_was() -> None:
    """An identity that is gone already does not keep a machine from being deleted, or from giving it up."""

    async def story(stack: Stack) -> list[int]:
        identity = stack.identity_path("first-id")
        await stack.arm("DELETE", identity)
        block = {"type": "UserAssigned", "userAssignedIdentities": {identity: None}}
        given_up = await stack.arm("PATCH", stack.machine_path("several"), {"identity": block})
        await stack.arm("DELETE", stack.identity_path("second-id"))
        return [given_up.status, (await stack.arm("DELETE", stack.machine_path("several"))).status]

    assert on_stack(story) == [200, 202]


def test_machines_stay_deleted_through_restarts() -> None:
    """I10: an acknowledged delete is not undone by killing the front end and the host, also for the stack's first machines."""

    async def story(stack: Stack) -> list[int]:
        await stack.arm("PUT", stack.machine_path("vm"), SYSTEM)
        for name in ("web-1", "vm"):
            await stack.arm("DELETE", stack.machine_path(name))
        await stack.arm("PUT", stack.machine_path("kept"), SYSTEM)
        for node in ("sydney.management", "sydney.host"):
            await stack.restart(node)
        names = ("web-1", "vm", "kept")
        seen = [(await stack.arm("GET", stack.machine_path(name))).status for name in names]
        return seen + [(await stack.imds(name)).status for name in names]

    assert on_stack(story) == [404, 404, 200, 404, 404, 200]


def test_assigning_an_identity_that_there_is_not_fails() -> None:
    """A linked resource that does not exist is FailedIdentityOperation, and the machine is as before."""

    async def story(stack: Stack) -> tuple[Response, Any]:
        block = {"type": "UserAssigned", "userAssignedIdentities": {stack.identity_path("no-such"): {}}}
        answer = await stack.arm("PATCH", stack.machine_path("bare"), {"identity": block})
        return answer, body(await stack.arm("GET", stack.machine_path("bare")))["identity"]

    answer, identity = on_stack(story)
    assert answer.status >= 400
    assert identity == {"type": "None"}


def test_assigning_across_regions_writes_to_the_identitys_home() -> None:
    """A machine of Melbourne can be given an identity of Sydney; the assignment lies in Sydney's store."""

    async def story(stack: Stack) -> list[Any]:
        block = {"type": "UserAssigned", "userAssignedIdentities": {stack.identity_path("only-id"): {}}}
        answer = await stack.arm("PATCH", stack.machine_path("south-1"), {"identity": block}, region="melbourne")
        store: Any = stack.node("sydney.store")
        assigned = store.records[stack.world.spec.identity("only-id").object_id].assigned
        return [answer.status, stack.machine_path("south-1").lower() in assigned]

    assert on_stack(story) == [200, True]


@pytest.mark.parametrize(
    "content",
    [
        {"identity": "x"},
        {"identity": {"type": "Root"}},
        {"identity": {"type": "None, SystemAssigned"}},
        {"identity": {"userAssignedIdentities": ["x"]}},
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_identity_block_that_cannot_be_meant_is_400(content: dict[str, Any], method: str) -> None:
    """A wrong shape or type is 400, and nothing is created or changed."""

    async def story(stack: Stack) -> list[Any]:
        name = "vm" if method == "PUT" else "web-1"
        answer = await stack.arm(method, stack.machine_path(name), PLAIN | content)
        return [answer.status, error_code(answer), (await stack.arm("GET", stack.machine_path("vm"))).status]

    assert on_stack(story) == [400, "InvalidRequestContent", 404]


def test_a_machine_of_nowhere_is_refused() -> None:
    """A location that no region has is refused by name."""

    async def story(stack: Stack) -> Response:
        return await stack.arm("PUT", stack.machine_path("vm"), {"location": "westeurope"})

    answer = on_stack(story)
    assert (answer.status, error_code(answer)) == (400, "LocationNotAvailableForResourceType")


def test_a_machine_is_there_for_arm_though_its_host_was_away() -> None:
    """When the host does not hear of a new machine, ARM's record stands and the next change tells it."""

    async def story(stack: Stack) -> list[int]:
        await stack.world.hold(Carrier("node", "sydney.host"), "f", NodeEffect("down"))
        made = await stack.arm("PUT", stack.machine_path("vm"), SYSTEM)
        await stack.world.release(Carrier("node", "sydney.host"), "f")
        before = (await stack.imds("vm")).status
        await stack.arm("PATCH", stack.machine_path("vm"), {"tags": {}})
        return [made.status, before, (await stack.imds("vm")).status]

    assert on_stack(story) == [201, 404, 200]


@pytest.mark.parametrize("method", ["PATCH", "GET"])
def test_a_machine_that_there_is_not_is_404(method: str) -> None:
    """PATCH and GET of an unknown machine are 404."""

    async def story(stack: Stack) -> int:
        return (await stack.arm(method, stack.machine_path("nobody"), {})).status

    assert on_stack(story) == 404


def test_machines_are_changed_on_their_host_by_the_stack_only() -> None:
    """A request without the control token cannot put a machine onto a host."""

    async def story(stack: Stack) -> list[int]:
        record = {"name": "evil", "zone": "z1", "arm_id": "/x", "identities": []}
        request = Request("PUT", f"{CONTROL_PATH}/machines", {}, {}, record)
        answer = await stack.world.client("sydney.host", request, timeout_s=5)
        return [answer.status, (await stack.imds("evil")).status]

    assert on_stack(story) == [401, 404]

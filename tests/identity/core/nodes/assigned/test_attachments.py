"""An attached identity is a hold: it comes and goes as a client's change does, and takes nothing with it that is not its."""

from __future__ import annotations

from typing import Any

from brownout.identity.core.messages import Response
from support.identity_stacks import Stack, body, error_code, on_stack

MANAGEMENT = "sydney.management"
ATTACH, DETACH = "attach-identity", "detach-identity"


def machine_id(stack: Stack, *names: str) -> list[str]:
    return [machine.resource_id for machine in stack.world.spec.machines if machine.name in names]


async def attach(stack: Stack, fault_id: str, *names: str, identity: str = "addon-id", switch: str = ATTACH) -> Any:
    wanted = identity if identity == "system" else stack.identity_path(identity)
    return await stack.hold(MANAGEMENT, fault_id, switch, identity=wanted, machines=machine_id(stack, *names))


async def try_attach(stack: Stack, identity: str, machines: list[str], switch: str = ATTACH) -> Response:
    return await stack.try_hold(MANAGEMENT, "f", switch, {"identity": identity, "machines": machines})


async def status(stack: Stack, machine: str, identity: str = "addon-id") -> int:
    """What a client gets that names the identity."""
    return (await stack.imds(machine, msi_res_id=stack.identity_path(identity))).status


def test_an_attached_identity_works_on_each_machine_and_is_gone_with_the_hold() -> None:
    """It is made, assigned and usable on plain machines and every instance of a scale set; released, nothing of it is left."""

    async def story(stack: Stack) -> None:
        report = await attach(stack, "f", "single", "scaleout")
        assert len(report["changed"]) == 2
        assert [await status(stack, name) for name in ("single", "scaleout_3", "web-1")] == [200, 200, 400]
        assert (await stack.arm("GET", stack.identity_path("addon-id"))).status == 200
        await stack.release(MANAGEMENT, "f")
        assert [await status(stack, name) for name in ("single", "scaleout_3")] == [400, 400]
        assert (await stack.arm("GET", stack.identity_path("addon-id"))).status == 404
        assert (await stack.imds("single")).status == 200, "one identity is left, so nobody has to name it"

    on_stack(story)


def test_a_release_takes_off_only_what_the_hold_attached() -> None:
    """A machine that had the identity before keeps it, and so do identities that were there before keep their record."""

    async def story(stack: Stack) -> None:
        report = await attach(stack, "f", "single", "several", identity="first-id")
        assert report["changed"] == [name.lower() for name in machine_id(stack, "single")]
        await stack.release(MANAGEMENT, "f")
        assert [await status(stack, name, "first-id") for name in ("single", "several")] == [400, 200]
        assert (await stack.arm("GET", stack.identity_path("first-id"))).status == 200

    on_stack(story)


def test_holds_on_one_machine_are_a_set() -> None:
    """Attached twice and taken off in between, released in any order: the newest hold decides, and at last what was before."""

    async def story(stack: Stack) -> None:
        for order in (("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a"), ("b", "a", "c")):
            await attach(stack, "a", "single")
            await attach(stack, "b", "single")
            await attach(stack, "c", "single", switch=DETACH)
            assert await status(stack, "single") == 400
            left = ["a", "b", "c"]
            for fault_id in order:
                await stack.release(MANAGEMENT, fault_id)
                left.remove(fault_id)
                wanted = 200 if left and left[-1] in "ab" else 400
                assert await status(stack, "single") == wanted, (order, left)

    on_stack(story)


def test_what_somebody_else_changed_meanwhile_is_left_alone() -> None:
    """An identity that a person gave back during a detach stays; a machine that they deleted meanwhile is no error."""

    async def story(stack: Stack) -> None:
        await attach(stack, "f", "several", identity="first-id", switch=DETACH)
        change = {"identity": {"userAssignedIdentities": {stack.identity_path("first-id"): {}}}}
        assert (await stack.arm("PATCH", stack.machine_path("several"), change)).status == 200
        await attach(stack, "g", "single")
        assert (await stack.arm("DELETE", stack.machine_path("single"))).status == 202
        await stack.release(MANAGEMENT, "f")
        await stack.release(MANAGEMENT, "g")
        assert await status(stack, "several", "first-id") == 200

    on_stack(story)


def test_an_identity_that_others_use_by_now_outlives_the_hold_that_made_it() -> None:
    """A person assigned the add-on's identity to a machine of theirs: the add-on goes, that machine keeps it."""

    async def story(stack: Stack) -> None:
        await attach(stack, "f", "single")
        change = {"identity": {"userAssignedIdentities": {stack.identity_path("addon-id"): {}}}}
        assert (await stack.arm("PATCH", stack.machine_path("bare"), change)).status == 200
        await stack.release(MANAGEMENT, "f")
        assert [await status(stack, name) for name in ("single", "bare")] == [400, 200]

    on_stack(story)


def test_a_restart_forgets_neither_the_attachment_nor_how_to_undo_it() -> None:
    """Management and host are killed while it is held; the identity still works, and a release still takes it off."""

    async def story(stack: Stack) -> None:
        await attach(stack, "f", "single", "scaleout")
        await stack.restart(MANAGEMENT)
        await stack.restart("sydney.host")
        assert [await status(stack, name) for name in ("single", "scaleout_1")] == [200, 200]
        await stack.release(MANAGEMENT, "f")
        assert [await status(stack, name) for name in ("single", "scaleout_1")] == [400, 400]

    on_stack(story, publish_interval_s=5.0)


def test_an_attach_that_cannot_be_done_leaves_nothing_behind() -> None:
    """The store is down: the switch answers 503, no hold stands, and no machine has the identity."""

    async def story(stack: Stack) -> None:
        from brownout.harness.effects import NodeEffect
        from brownout.harness.world import Carrier

        await stack.world.hold(Carrier("node", "sydney.store"), "k", NodeEffect("down"))
        answer = await try_attach(stack, stack.identity_path("addon-id"), machine_id(stack, "single"))
        assert (answer.status, error_code(answer)) == (503, "Unreachable")
        await stack.world.release(Carrier("node", "sydney.store"), "k")
        assert (await stack.state(MANAGEMENT))["holds"] == {}
        assert await status(stack, "single") == 400

    on_stack(story)


def test_what_cannot_be_meant_is_refused() -> None:
    """No machines, a machine that there is not, no identity, and an identity of its own taken off: 400 with the reason."""

    async def story(stack: Stack) -> None:
        some, addon = machine_id(stack, "single"), stack.identity_path("addon-id")
        wrong = [(addon, [], ATTACH), (addon, ["/nowhere"], ATTACH), ("", some, ATTACH), ("system", some, DETACH)]
        for identity, machines, switch in wrong:
            answer = await try_attach(stack, identity, machines, switch)
            assert (answer.status, error_code(answer)) == (400, "BadValue"), (identity, machines)
        assert (await stack.state(MANAGEMENT))["holds"] == {}

    on_stack(story)


def test_a_machine_gets_one_of_its_own_and_loses_it() -> None:
    """`system`: the machine's own identity is made and becomes the default; the release deletes it."""

    async def story(stack: Stack) -> None:
        before = body(await stack.imds("single"))["client_id"]
        await attach(stack, "f", "single", identity="system")
        own = body(await stack.imds("single"))["client_id"]
        assert own != before, "callers that name none now get another identity, without a word (D11)"
        await stack.release(MANAGEMENT, "f")
        assert body(await stack.imds("single"))["client_id"] == before

    on_stack(story)


def test_the_installer_that_asks_first_is_refused_where_callers_name_no_identity() -> None:
    """With `attach_checks_callers` a machine whose callers name none is spared; one whose callers all name theirs is not."""

    async def story(stack: Stack) -> None:
        await stack.token("single")
        refused = await try_attach(stack, stack.identity_path("addon-id"), machine_id(stack, "single"))
        assert refused.status == 409
        assert "single" in body(refused)["error"]["message"]
        assert (await stack.arm("GET", stack.identity_path("addon-id"))).status == 404
        await stack.token("web-1")
        await attach(stack, "g", "web-1")  # its own identity stays the default, so nobody misses anything
        await attach(stack, "h", "several")
        assert await status(stack, "several") == 200

    on_stack(story, attach_checks_callers=True)

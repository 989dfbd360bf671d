"""What is done to containers: each fault bites and heals by its own look, and the engine's word agrees."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from brownout.faults.link_blackhole import LinkBlackhole
from brownout.faults.node_disconnect import NodeDisconnect
from brownout.faults.node_kill import NodeKill
from brownout.faults.node_old_image import NodeOldImage
from brownout.faults.node_pause import NodePause
from brownout.faults.node_restart import NodeRestart
from brownout.faults.node_stop import NodeStop
from brownout.faults.node_wipe import NodeWipe
from brownout.harness.effects import NodeEffect, NodeEffectKind, SwitchThrow
from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.fault import Fault
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.containers import ContainerStack

pytestmark = [pytest.mark.docker, pytest.mark.slow]
CASES: tuple[Fault, ...] = (
    LinkBlackhole(link="melbourne->sydney"),
    LinkBlackhole(link="client->sydney.vault", direction="upstream"),
    LinkBlackhole(link="sydney.token->sydney.store", direction="downstream"),
    NodeKill(node="sydney.vault"),
    NodePause(node="sydney.vault"),
    NodeStop(node="sydney.vault"),
    NodeRestart(node="melbourne.token"),
    NodeWipe(node="melbourne.host"),
    NodeOldImage(node="melbourne.token.z1", build="0.9"),
    NodeOldImage(node="melbourne.management", build="1.0"),
    NodeDisconnect(node="melbourne.store"),
)


@pytest.mark.parametrize("fault", CASES, ids=lambda fault: fault.describe().replace(" ", "-"))
def test_a_fault_bites_and_heals(whole: ContainerStack, fault: Fault) -> None:
    """Under the life cycle its bite is proven, and after the revert its heal."""

    async def story() -> tuple[str, str]:
        with Ledger(":memory:") as ledger:
            row = ledger.add_stack("shared", folder=whole.world.folder, world="", run_owned=True)
            life = LifeCycle(whole.world, ledger, row.id, lambda *_: None)
            applied = await life.inject("step", fault)
            reverted = await life.revert(applied.fault_id)
            await whole.ready()
            return applied.state, reverted.state

    assert whole.run(story()) == ("bitten", "healed")


@pytest.mark.parametrize(
    ("effect", "state", "exit_code"), [("down", "exited", 137), ("stopped", "exited", 0), ("paused", "paused", 0)]
)
def test_the_engine_says_so_too(whole: ContainerStack, effect: NodeEffectKind, state: str, exit_code: int) -> None:
    """A killed process ended by SIGKILL, a stopped one by itself, a paused one has not ended; then it runs again."""
    carrier = Carrier("node", "sydney.vault")
    whole.run(whole.world.hold(carrier, "f-1", NodeEffect(effect)))
    seen = whole.container("sydney-vault")
    whole.run(whole.world.release(carrier, "f-1"))
    assert (seen.state, seen.exit_code) == (state, exit_code)
    assert whole.container("sydney-vault").running


def test_a_restart_is_done_once(whole: ContainerStack) -> None:
    """Putting the hold again, as after a crash half-way, does not restart again; another restart does."""
    carrier, state = Carrier("node", "melbourne.vault"), NodeEffect("restarted")
    started = [whole.container("melbourne-vault").started_at]
    for fault_id in ("f-1", "f-1", "f-2"):
        whole.run(whole.world.hold(carrier, fault_id, state))
        started.append(whole.container("melbourne-vault").started_at)
    for fault_id in ("f-1", "f-2"):
        whole.run(whole.world.release(carrier, fault_id))
    assert started[1] == started[2]
    assert len({started[0], started[1], started[3]}) == 3
    assert whole.container("melbourne-vault").started_at == started[3]


def test_what_does_not_run_cannot_be_restarted(whole: ContainerStack) -> None:
    """A node that is held down is not restarted; nothing is held by the attempt."""
    carrier = Carrier("node", "melbourne.vault")
    whole.run(whole.world.hold(carrier, "f-1", NodeEffect("down")))
    with pytest.raises(WorldError, match="does not run"):
        whole.run(whole.world.hold(carrier, "f-2", NodeEffect("restarted")))
    held = whole.run(whole.world.read(carrier))["holds"]
    whole.run(whole.world.release(carrier, "f-1"))
    assert set(held) == {"f-1"}


def test_a_node_that_was_killed_by_others_is_gone_with_what_it_holds(whole: ContainerStack) -> None:
    """Its control plane is not merely silent: nothing is in force there, until it is started and holds again what it had."""
    world, carrier = whole.world, Carrier("control", "sydney.token.z2")
    whole.run(world.hold(carrier, "f-1", SwitchThrow("skew", {"ahead_s": 1.0})))
    container = whole.container("sydney-token-z2").id
    whole.engine.containers.kill(container)
    whole.engine.containers.await_state(container, lambda seen: not seen.running, wanted="dead")
    with pytest.raises(CarrierGone, match=r"sydney\.token\.z2 has ended by itself") as told:
        whole.run(world.release(carrier, "f-1"))
    whole.engine.containers.start(container)
    whole.run(whole.ready("sydney.token.z2"))
    assert set(whole.run(world.read(carrier))["holds"]) == {"f-1"}
    whole.run(world.release(carrier, "f-1"))
    assert "docker logs" in told.value.hint


def test_a_container_that_was_frozen_by_others_is_named(whole: ContainerStack) -> None:
    """A request to its control plane is not waited for; the command in the hint thaws it."""
    container = whole.container("sydney-token-z2").id
    whole.engine.containers.pause(container)
    with pytest.raises(WorldError, match="is stopped, by no hold of Brownout's") as told:
        whole.run(whole.world.control("sydney.token.z2", Request("GET", "/admin/state")))
    subprocess.run(told.value.hint.split("`")[1].split(), check=True, timeout=30, capture_output=True)
    assert whole.container("sydney-token-z2").state == "running"


def test_wiping_takes_one_node_s_volume_and_no_other(whole: ContainerStack) -> None:
    """Container and volume of that node are gone, all others stay; afterwards it has new ones."""
    carrier, stack = Carrier("node", "sydney.host"), whole.world.folder.name
    before = whole.engine.containers.of_stack(stack)
    volumes = {node: whole.engine.has_volume(f"brownout-{stack}_{node}") for node in ("sydney-host", "sydney-vault")}
    whole.run(whole.world.hold(carrier, "f-1", NodeEffect("wiped")))
    left = whole.engine.containers.of_stack(stack)
    gone = {node: whole.engine.has_volume(f"brownout-{stack}_{node}") for node in volumes}
    whole.run(whole.world.release(carrier, "f-1"))
    assert volumes == {"sydney-host": True, "sydney-vault": True}
    assert gone == {"sydney-host": False, "sydney-vault": True}
    assert before.keys() - left.keys() == {"sydney-host"}
    assert whole.container("sydney-host").id != before["sydney-host"].id
    assert {each.id for each in left.values()} < {each.id for each in before.values()}


def test_an_old_image_has_one_build(whole: ContainerStack) -> None:
    """A node that runs from an old image says so, refuses another build, and afterwards runs what it ran before."""
    node, carrier = "melbourne.token.z2", Carrier("node", "melbourne.token.z2")

    async def state() -> Mapping[str, Any]:
        return await whole.world.read(Carrier("control", node))

    async def story() -> list[Any]:
        before = await state()
        await whole.world.hold(carrier, "f-1", NodeEffect("old-image", "0.9"))
        during = await state()
        refused = await whole.world.control(node, Request("POST", "/admin/build", body={"build": "2.0"}))
        await whole.world.release(carrier, "f-1")
        after = await state()
        return [during["build"], during["image_build"], refused.status, before["build"] == after["build"], after["image_build"]]

    assert whole.run(story()) == ["0.9", "0.9", 409, True, ""]


@pytest.mark.parametrize(
    ("weaker", "stronger", "seen"),
    [
        (NodeEffect("paused"), NodeEffect("wiped"), "down"),
        (NodeEffect("stopped"), NodeEffect("down"), "down"),
        (NodeEffect("disconnected"), NodeEffect("paused"), "paused"),
        (NodeEffect("old-image", "1.0"), NodeEffect("stopped"), "down"),
    ],
)
def test_holds_on_a_node_are_a_set(whole: ContainerStack, weaker: NodeEffect, stronger: NodeEffect, seen: str) -> None:
    """Both are in force as far as they can be, the first release leaves the second, and the last leaves the node whole."""
    carrier = Carrier("node", "melbourne.vault")

    async def story() -> list[Any]:
        await whole.world.hold(carrier, "weak", weaker)
        await whole.world.hold(carrier, "strong", stronger)
        states = [(await whole.world.read(carrier))["state"]]
        await whole.world.release(carrier, "weak")
        states.append((await whole.world.read(carrier))["state"])
        await whole.world.release(carrier, "strong")
        last = await whole.world.read(carrier)
        return [*states, last["state"], last["connected"], last["holds"]]

    assert whole.run(story()) == [seen, seen, "running", True, {}]


def test_a_region_is_changed_at_once(whole: ContainerStack) -> None:
    """Holds on several nodes are put and released side by side, and the file keeps them all."""
    carriers = [Carrier("node", node) for node in whole.world.spec.nodes() if node.startswith("melbourne.")]

    async def story() -> tuple[set[str], set[str]]:
        first = asyncio.create_task(whole.world.together(whole.world.hold(c, "f-1", NodeEffect("down")) for c in carriers))
        second = asyncio.create_task(whole.world.together(whole.world.hold(c, "f-2", NodeEffect("paused")) for c in carriers))
        await asyncio.gather(first, second)
        readings = await whole.world.together(whole.world.read(carrier) for carrier in carriers)
        held = {" ".join(sorted(reading["holds"])) for reading in readings}
        for fault_id in ("f-2", "f-1"):
            await whole.world.together(whole.world.release(carrier, fault_id) for carrier in carriers)
        readings = await whole.world.together(whole.world.read(carrier) for carrier in carriers)
        return held, {str(reading["state"]) for reading in readings}

    assert whole.run(story()) == ({"f-1 f-2"}, {"running"})

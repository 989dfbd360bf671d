"""The undo of switches on nodes that another fault has paused: it asks once, names that fault, and is done when that ends."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from brownout.faults.clock_skew import ClockSkew
from brownout.faults.freeze import Freeze
from brownout.faults.key_rollover import KeyRollover
from brownout.faults.key_switch import KeySwitch
from brownout.faults.node_pause import NodePause
from brownout.harness.errors import WorldError
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.injection.ledger_records import State
from brownout.harness.injection.lifecycle import RELEASE_TRIES, LifeCycle
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.fault_cases import Trial, on_stack

BUNDLED = plugins.faults()
ASKED_S = 4.0  # of emulated time: its own revert, one attempt at all carriers, and what a node waits for another
SWITCHES: tuple[tuple[Fault, str], ...] = (
    (ClockSkew.model_validate({"node": "sydney", "by": "20s"}), "sydney"),
    (ClockSkew.model_validate({"node": "sydney", "by": "20s"}), "sydney.token"),
    (KeyRollover(region="sydney"), "sydney.store"),
    (KeySwitch(region="sydney"), "sydney.store"),
    (Freeze(), "sydney.deployer"),
    (Freeze(), "sydney.directory"),  # the deployer is not paused, and has to ask the directory
)


@pytest.fixture(autouse=True)
def quiet_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """These undos are of the real faults."""
    monkeypatch.setattr(plugins, "faults", lambda: BUNDLED)


async def held(trial: Trial) -> set[str]:
    """Every hold of ours that any node's control plane has."""
    nodes = trial.world.spec.nodes()
    return {fault_id for node in nodes for fault_id in (await trial.world.read(Carrier("control", node)))["holds"]}


def beside_a_pause(fault: Fault, paused: str, story: Callable[[Trial, str, str], Coroutine[Any, Any, Any]]) -> Any:
    """What the story makes of a stack on which the fault is, and after it a pause; it gets both ids."""

    async def whole(trial: Trial) -> Any:
        switch = await trial.life.inject("switch", fault)
        pause = await trial.life.inject("pause", NodePause(node=paused))
        return await story(trial, switch.fault_id, pause.fault_id)

    return on_stack(whole)


@pytest.mark.parametrize(("fault", "paused"), SWITCHES, ids=str)
def test_an_undo_does_not_wait_for_a_pause(fault: Fault, paused: str) -> None:
    """It asks every node once, all of them together, and says what it waits for; it is done as soon as the pause ends."""

    async def story(trial: Trial, switch: str, pause: str) -> None:
        began_s = trial.world.now()
        undone = await trial.life.revert(switch)
        assert undone.state == "stuck"
        assert f"tried again when pause ({pause}) ends, which holds {paused}" in undone.evidence
        assert trial.world.now() - began_s <= ASKED_S
        assert (await trial.life.revert(pause)).state == "healed"
        assert [each.state for each in await trial.life.retry_stuck()] == ["healed"]
        assert await held(trial) == set()
        assert trial.ledger.open_faults("s") == ()

    beside_a_pause(fault, paused, story)


def test_it_is_not_tried_again_before() -> None:
    """The undo of a third fault does not have the schedule wait for the paused nodes anew."""

    async def story(trial: Trial, switch: str, pause: str) -> None:
        await trial.life.revert(switch)
        now_s = trial.world.now()
        assert await trial.life.retry_stuck() == ()
        assert trial.world.now() == now_s
        assert trial.ledger.fault(switch).state == "stuck"

    beside_a_pause(ClockSkew.model_validate({"node": "sydney", "by": "20s"}), "sydney", story)


def test_a_pause_of_another_owner_is_left_and_waited_for() -> None:
    """A guardian that is to undo the switch alone asks once, and leaves the pause to its owner."""

    async def story(trial: Trial, switch: str, pause: str) -> None:
        began_s = trial.world.now()
        ended = await trial.life.revert_all([switch])
        assert [(each.step, each.state) for each in ended] == [("switch", "stuck")]
        assert trial.world.now() - began_s <= ASKED_S
        assert trial.told.count("failed") == 1
        assert trial.ledger.fault(pause).state == "bitten"

    beside_a_pause(ClockSkew.model_validate({"node": "sydney", "by": "20s"}), "sydney", story)


class Reluctant(SimulationWorld):
    """A stack whose nodes cannot be let go on so many times."""

    refusals = 0

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        if carrier.kind == "node" and self.refusals:
            self.refusals -= 1
            raise WorldError("not now")
        await super().release(carrier, fault_id)


async def pause_and_switch(trial: Trial, first: str) -> None:
    """A paused store and a key that was rolled over there, in place one after the other."""
    world, pause = trial.world, NodePause(node="sydney.store")
    (carrier,) = pause.carriers(world.spec)
    faults: Mapping[str, Fault] = {"switch": KeyRollover(region="sydney"), "pause": pause}
    ids = {}
    for name in sorted(faults, key=lambda name: name != first):
        ids[name] = (await trial.life.inject(name, faults[name])).fault_id
        if name == "pause":  # lifted for a moment, so that the switch can be thrown beside it
            await world.release(carrier, ids[name])
    await world.hold(carrier, ids["pause"], pause.state(world.spec, carrier))


@pytest.mark.parametrize("refusals", [0, 2 * RELEASE_TRIES], ids=["at once", "when tried again"])
@pytest.mark.parametrize("who", ["the run", "another process"])
@pytest.mark.parametrize("first", ["switch", "pause"])
def test_all_is_undone_together(first: str, who: str, refusals: int) -> None:
    """At the end of a run, and by recovery and guardian, which know the faults from the ledger alone.

    What came last is undone first. Where that is the switch it has to wait, and is undone after the pause, also when the pause
    is undone only when it is tried again.
    """

    async def story(trial: Trial) -> None:
        await pause_and_switch(trial, first)
        assert isinstance(trial.world, Reluctant)
        trial.world.refusals = refusals
        began_s = trial.world.now()
        another = LifeCycle(trial.world, trial.ledger, "s", lambda _: None, make=plugins.fault)
        ended = await (trial.life if who == "the run" else another).revert_all()
        assert {each.step: each.state for each in ended} == {"switch": "healed", "pause": "healed"}
        assert trial.world.now() - began_s <= 2 * ASKED_S
        assert await held(trial) == set()
        assert trial.ledger.open_faults("s") == ()

    on_stack(story, world_kind=Reluctant)


@pytest.mark.parametrize(("state", "waits"), [("bitten", True), ("stuck", True), ("reverting", False)])
def test_what_is_being_undone_is_waited_for(state: State, waits: bool) -> None:
    """Another process may end the pause within a moment: then the usual attempts are made."""

    async def story(trial: Trial, switch: str, pause: str) -> None:
        for step in ("reverting", "stuck")[: ("bitten", "reverting", "stuck").index(state)]:
            trial.ledger.advance(pause, step)
        undone = await trial.life.revert(switch)
        assert undone.state == "stuck"
        assert ("tried again when" in undone.evidence) is waits

    beside_a_pause(KeyRollover(region="sydney"), "sydney.store", story)

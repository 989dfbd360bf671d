"""Every fault while it is held: it is seen in force until its revert, and it is missed when somebody else undid it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from brownout.faults.build_rollout import BuildRollout
from brownout.faults.key_invalidate import KeyInvalidate
from brownout.faults.region_kill import RegionKill
from brownout.harness.fault import Fault
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.fault_cases import CASES, SITUATIONAL, Trial, on_stack

HOLD_S = 1200.0
Meddle = Callable[[Trial, str], Awaitable[None]]


def evidence_after(fault: Fault, meddle: Meddle | None = None) -> str:
    """How a fault was lost that is held for HOLD_S, with `meddle` half-way; "" when it was in force throughout."""

    async def story(trial: Trial) -> str:
        world, watch = trial.world, trial.life.watch
        end_s = world.now() + HOLD_S
        applied = await trial.life.inject("step", fault, until_s=end_s, patience_s=1)
        meddle_s = world.now() + HOLD_S / 2
        for until_s in (meddle_s, end_s):
            while world.now() < until_s:
                await world.sleep_until(min(until_s, watch.next_s()))
                await watch.look_due(before_s=until_s)
            if meddle is not None and until_s == meddle_s:
                await meddle(trial, applied.fault_id)
        late_s = world.now() - end_s
        assert late_s == 0
        assert (await trial.life.revert(applied.fault_id)).state == "healed"
        lost = watch.lost.get(applied.fault_id)
        return "" if lost is None else lost.evidence

    return on_stack(story)


@pytest.mark.parametrize(("kind", "params"), [*CASES, *SITUATIONAL])
def test_a_fault_is_in_force_until_its_revert(kind: type[Fault], params: Mapping[str, Any]) -> None:
    """Twenty minutes after its bite it is still seen, and no look made the schedule late."""
    assert evidence_after(kind.model_validate(dict(params))) == ""


@pytest.mark.parametrize(("kind", "params"), [*CASES, *SITUATIONAL])
def test_a_fault_that_somebody_else_released_is_lost(kind: type[Fault], params: Mapping[str, Any]) -> None:
    """One carrier of it is released beside the life cycle: it is lost, whatever the others say."""
    fault, told = kind.model_validate(dict(params)), list[str]()

    async def release(trial: Trial, fault_id: str) -> None:
        carrier = fault.carriers(trial.world.spec)[-1]
        await trial.world.release(carrier, fault_id)
        told.append(f"{carrier} does not hold it any more")

    assert evidence_after(fault, release) == told[0]


def test_a_build_that_somebody_else_changed_is_lost() -> None:
    """The deployer still has the order, and a node runs another build."""

    async def change(trial: Trial, fault_id: str) -> None:
        await trial.world.control("sydney.management", Request("POST", "/admin/build", body={"build": "1.0"}))

    assert evidence_after(BuildRollout(build="2.0"), change).startswith("its effect is gone: ")


def test_a_key_that_somebody_else_made_valid_is_lost() -> None:
    """The order to refuse the key still stands, and another order makes the store accept it."""

    async def accept(trial: Trial, fault_id: str) -> None:
        throw = {"switch": "accept-key", "value": {"key_id": "manual"}}
        answer = await trial.world.control("sydney.store", Request("PUT", "/admin/holds/somebody", body=throw))
        assert answer.ok

    assert evidence_after(KeyInvalidate(region="sydney", key_id="manual"), accept).startswith("its effect is gone: ")


def test_a_node_that_came_back_by_itself_is_lost() -> None:
    """One node of a lost region runs again, though every carrier still lists the hold."""

    async def revive(trial: Trial, fault_id: str) -> None:
        await trial.world._nodes["melbourne.vault"].boot()

    assert evidence_after(RegionKill(region="melbourne"), revive).startswith("its effect is gone: ")


def test_a_switch_on_a_node_that_lost_its_disk_is_lost() -> None:
    """A wiped node starts again without the order."""

    async def wipe(trial: Trial, fault_id: str) -> None:
        node = trial.world._nodes["sydney.store"]
        node.kill()
        node.disk.clear()
        await node.boot()

    found = evidence_after(KeyInvalidate(region="sydney"), wipe)
    assert found == f"{Carrier('control', 'sydney.store')} does not hold it any more"

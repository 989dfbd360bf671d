"""What stands is compared with what is written: a ledger that was deleted hides neither a stack nor a fault."""

from __future__ import annotations

from collections.abc import Callable

from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.effects import NodeEffect
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import Intent
from brownout.harness.injection.standing import adopt, anything_stands, release_strays, unknown_stacks
from brownout.harness.operate.heal import heal_leftovers_now
from brownout.harness.world import Carrier
from support.fake_world import drive
from support.stand_ins import Stand, StandInWorld

MakeStand = Callable[[str], Stand]
NODE = Carrier("node", "a")
DOWN = NodeEffect("down")


def lose_the_ledger() -> None:
    for path in ledger_path().parent.glob("ledger.sqlite*"):
        path.unlink()


def test_a_deleted_ledger_gets_the_stacks_that_stand_back(stand: MakeStand) -> None:
    """A stack that stands is entered again, as standing, once."""
    stack = stand("up-1")
    lose_the_ledger()
    assert anything_stands()
    assert [entry.id for entry in unknown_stacks(None)] == ["up-1"]
    with Ledger(ledger_path()) as ledger:
        (row,) = adopt(ledger)
        assert (row.id, row.folder, row.world, row.run_owned, row.owner.pid) == ("up-1", stack.folder, "stand-in", False, 0)
        assert adopt(ledger) == ()


def test_a_living_runs_stack_is_entered_with_its_owner(stand: MakeStand) -> None:
    """So no command takes a run under way for a stack of its own to break."""
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack("run-1", folder=stack_dir("run-1"), world=StandInWorld.name, run_owned=True)
    lose_the_ledger()
    with Ledger(ledger_path()) as ledger:
        (row,) = adopt(ledger)
        assert (row.run_owned, row.owner) == (True, ProcessId.me())


def test_what_a_dead_stack_left_is_cleared_away(stand: MakeStand) -> None:
    """The folder of a stack that neither runs nor has a row goes."""
    folder = stand("up-1").folder
    drive(StandInWorld(folder).stop())
    lose_the_ledger()
    with Ledger(ledger_path()) as ledger:
        assert adopt(ledger) == ()
    assert not folder.exists()


def test_holds_of_a_lost_ledger_are_released_by_the_next_command(stand: MakeStand) -> None:
    """The hold that no row is left for goes; another program's hold stays."""
    stack = stand("up-1")
    drive(stack.world().hold(NODE, "up-1-001-cut", DOWN))
    drive(stack.world().hold(NODE, "somebody", DOWN))
    lose_the_ledger()
    entered, healed = heal_leftovers_now()
    assert "entered again" in entered
    assert "node:a: up-1-001-cut" in healed
    assert stack.held() == {"node:a": {"somebody"}}
    assert heal_leftovers_now() == ()


def test_a_hold_with_an_open_row_is_no_stray(stand: MakeStand) -> None:
    """What the ledger knows to be in place stays; a hold of a row that is closed goes."""
    stack = stand("up-1")
    with Ledger(ledger_path()) as ledger:
        first, second = (ledger.intend("up-1", 1, Intent("cut", "fake", {}, (NODE,), {}, 1e12)) for _ in range(2))
        for fault in (first, second):
            drive(stack.world().hold(NODE, fault.id, DOWN))
        for state in ("reverting", "reverted", "healed"):
            ledger.advance(second.id, state)
        assert drive(release_strays(stack.row(), ledger, stack.world())) == ((f"node:a: {second.id}",), ())
    assert stack.held() == {"node:a": {first.id}}

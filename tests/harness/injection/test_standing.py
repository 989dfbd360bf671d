"""What stands is compared with what is written: a ledger that was deleted hides neither a stack nor a fault."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.effects import NodeEffect
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.fault import Fault
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import Intent
from brownout.harness.injection.stack_entry import ENTRY_FILE, RECORD_FILE, StackEntry, read_entry
from brownout.harness.injection.standing import adopt, anything_stands, put_back, release_strays, stray_holds, unknown_stacks
from brownout.harness.world import Carrier
from support.fake_world import drive, make
from support.stand_ins import Stand, StandInWorld, all_undone

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
    entered, healed = all_undone()
    assert "entered again" in entered
    assert "node:a: up-1-001-cut" in healed
    assert stack.held() == {"node:a": {"somebody"}}
    assert all_undone() == ()


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


@pytest.mark.parametrize(
    ("there", "stands"),
    [
        ((), False),
        (("home/",), False),
        (("home/stacks/",), False),
        (("home/stacks/file",), False),
        (("home/ledger.sqlite",), True),
        (("home/stacks/up-1/",), True),
    ],
)
def test_something_stands_where_there_is_a_ledger_or_the_folder_of_a_stack(
    home: Path, there: tuple[str, ...], stands: bool
) -> None:
    """The look makes no state folder where there is none."""
    for name in there:
        path = home.parent / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if name.endswith("/"):
            path.mkdir(exist_ok=True, mode=0o700)
        else:
            path.touch(mode=0o600)
    assert anything_stands() is stands
    assert home.exists() is bool(there)


@pytest.mark.parametrize("error", [None, StackGone("nothing runs"), WorldError("it is of another version")])
def test_of_a_dead_stack_only_its_logs_stay_unless_its_world_cannot_be_asked(
    stand: MakeStand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    """What is half up is ended first. A world that is not installed may have processes, which the user has to look at."""
    folder = stand("up-1").folder
    (folder / "node.log").write_text("why it ended")
    (folder / "key").write_text("secret")
    lose_the_ledger()
    asked: list[Path] = []

    def attach(place: Path) -> SimpleNamespace:
        asked.append(place)
        if error is not None:
            raise error
        return SimpleNamespace(alive=lambda: False)

    monkeypatch.setattr(StandInWorld, "attach", attach)
    assert unknown_stacks(None) == ()
    with caplog.at_level(logging.WARNING), Ledger(ledger_path()) as ledger:
        assert adopt(ledger) == ()
    assert set(asked) == {folder}
    is_left = isinstance(error, WorldError) and not isinstance(error, StackGone)
    assert (folder / "key").exists() is is_left
    assert (folder / "node.log").exists()
    assert ("stack up-1: it is of another version" in caplog.text) is is_left


def test_a_stack_with_a_row_is_not_unknown_and_is_not_entered_again(stand: MakeStand) -> None:
    """Of two stacks that stand, the one whose row is lost is found."""
    for name in ("up-1", "up-2"):
        stand(name)
    with Ledger(ledger_path()) as ledger:
        ledger._database.execute("DELETE FROM stacks WHERE id = 'up-1'")
        assert [entry.id for entry in unknown_stacks(ledger)] == ["up-1"]
        assert [row.id for row in adopt(ledger)] == ["up-1"]
        assert (unknown_stacks(ledger), adopt(ledger)) == ((), ())


def test_only_holds_of_the_stack_s_own_name_are_stray(stand: MakeStand) -> None:
    """In the order of carriers and ids; and none while the ledger is a copy, which others' intents do not reach."""
    stack = stand("up-1")
    other = Carrier("control", "a")
    held = {NODE: {"up-1-002-b": {}, "up-1-001-a": {}, "up-10-001-a": {}}, other: {"up-1-001-a": {}}}
    with Ledger(ledger_path()) as ledger:
        wanted = ((other, "up-1-001-a"), (NODE, "up-1-001-a"), (NODE, "up-1-002-b"))
        assert stray_holds(stack.row(), ledger, held) == wanted
        ledger.unwritten = "the disk is full"
        assert stray_holds(stack.row(), ledger, held) == ()
        ledger.unwritten = ""


LINK = Carrier("link", "x->y")


@pytest.mark.parametrize(
    ("state", "carrier", "by_hand", "is_back"),
    [
        ("bitten", LINK, True, True),
        ("applied", LINK, True, True),
        ("intended", LINK, True, False),
        ("stuck", LINK, True, False),
        ("bitten", NODE, True, False),
        ("bitten", LINK, False, False),
    ],
)
def test_what_is_in_place_on_purpose_is_put_back_on_links_that_lost_it(
    stand: MakeStand, state: str, carrier: Carrier, by_hand: bool, is_back: bool
) -> None:
    """A fault whose command died is due to be undone, and a node loses nothing with Toxiproxy."""
    stack = stand("up-1")
    with Ledger(ledger_path()) as ledger:
        params = {"on": [str(carrier)]}
        fault = ledger.intend("up-1", 1, Intent("cut", "fake", params, (carrier,), {}, 1e12))
        path = {"bitten": ("applied", "bitten"), "applied": ("applied",), "stuck": ("reverting", "stuck"), "intended": ()}
        for step in path[state]:
            ledger.advance(fault.id, step)  # type: ignore[arg-type]  # each is a state
        ledger.keep_until(fault.id, 1e12, by_hand=by_hand)
        back = (fault.id,) if is_back else ()
        assert drive(put_back(stack.row(), ledger, stack.world(), make)) == back
        assert stack.held() == ({str(carrier): {fault.id}} if is_back else {})
        assert drive(put_back(stack.row(), ledger, stack.world(), make)) == ()


def test_what_was_undone_while_it_was_put_back_is_released_again(stand: MakeStand) -> None:
    """Else a hold would stay that no row is open for."""
    stack = stand("up-1")
    with Ledger(ledger_path()) as ledger:
        fault = ledger.intend("up-1", 1, Intent("cut", "fake", {"on": [str(LINK)]}, (LINK,), {}, 1e12))
        ledger.advance(fault.id, "applied")
        ledger.keep_until(fault.id, 1e12, by_hand=True)

        def undone(kind: str, params: Mapping[str, Any]) -> Fault:
            for step in ("reverting", "reverted", "healed"):
                ledger.advance(fault.id, step)
            return make(kind, params)

        assert drive(put_back(stack.row(), ledger, stack.world(), undone)) == ()
    assert stack.held() == {}


def entry_text(**changed: Any) -> str:
    owner = {"pid": 1, "started": "never"}
    return json.dumps({"id": "run-1", "world": "w", "run_owned": False, "owner": owner, "standing": False, **changed})


WRITTEN = StackEntry("run-1", "w", False, ProcessId(1, "never"), False)
TOLD = StackEntry("run-1", "old", True, ProcessId(0, ""), True)


@pytest.mark.parametrize(
    ("entry", "record", "found"),
    [
        (entry_text(), '{"world": "old"}', WRITTEN),
        (None, '{"world": "old"}', TOLD),
        ("{", '{"world": "old"}', TOLD),
        ("[]", '{"world": "old"}', TOLD),
        (entry_text(more=1), '{"world": "old"}', TOLD),
        (entry_text(owner=None), '{"world": "old"}', TOLD),
        (entry_text(owner={"pid": "1", "started": "never"}), '{"world": "old"}', TOLD),
        (entry_text(owner={"pid": 1, "started": 2}), '{"world": "old"}', TOLD),
        (entry_text(world=3), '{"world": "old"}', TOLD),
        (entry_text(id="run-2"), '{"world": "old"}', TOLD),
        (None, None, None),
        (None, "{}", None),
        (entry_text(id="run-2"), "[]", None),
    ],
)
def test_a_stack_s_folder_tells_of_it_by_its_entry_and_else_by_its_worlds_record(
    tmp_path: Path, entry: str | None, record: str | None, found: StackEntry | None
) -> None:
    """An entry that is damaged, or of another folder, counts for nothing; earlier versions wrote none."""
    folder = tmp_path / "run-1"
    folder.mkdir()
    for name, text in ((ENTRY_FILE, entry), (RECORD_FILE, record)):
        if text is not None:
            (folder / name).write_text(text)
    assert read_entry(folder) == found


def test_an_entry_is_the_owners_alone_and_reads_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that was not a run's is known by its name where only its world's record is left."""
    folder = tmp_path / "up-1"
    folder.mkdir()
    written, synced = StackEntry("up-1", "w", False, ProcessId.me(), True), list[int]()
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    written.write(folder)
    assert read_entry(folder) == written
    assert synced, "it stands in for the ledger, also after a power cut"
    assert (folder / ENTRY_FILE).stat().st_mode & 0o777 == 0o600
    (folder / ENTRY_FILE).unlink()
    (folder / RECORD_FILE).write_text('{"world": "w"}')
    assert read_entry(folder) == StackEntry("up-1", "w", False, ProcessId(0, ""), True)


@pytest.mark.parametrize(
    ("standing", "alive", "up", "runs"),
    [
        (False, True, False, True),
        (False, False, False, False),
        (True, True, False, False),
        (True, False, False, False),
        (True, False, True, True),
        (False, False, True, True),
    ],
)
def test_a_stack_runs_while_its_processes_do_or_its_owner_brings_it_up(
    stand: MakeStand, monkeypatch: pytest.MonkeyPatch, standing: bool, alive: bool, up: bool, runs: bool
) -> None:
    """The owner of one that came up long ago says nothing of it any more."""
    folder = stand("up-1").folder
    StackEntry("up-1", StandInWorld.name, False, ProcessId.me() if alive else ProcessId(1, "never"), standing).write(folder)
    monkeypatch.setattr(StandInWorld, "alive", lambda world: up)
    lose_the_ledger()
    assert [entry.id for entry in unknown_stacks(None)] == (["up-1"] if runs else [])

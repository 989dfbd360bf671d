"""The ledger: what is on disk before anything is touched, who may move a row where, and who is fenced off."""

from __future__ import annotations

import itertools
import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.base.halt import halt, lift
from brownout.harness.base.processes import ProcessId
from brownout.harness.errors import Halted
from brownout.harness.injection.ledger import Fenced, IllegalTransition, Ledger
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.ledger_records import CLOSED, KNOWN_MOST, LEGAL, STATES, UNDO, Intent, _read_once
from brownout.harness.injection.stack_entry import ENTRY_FILE
from brownout.harness.world import Carrier
from support.lifecycle_bench import DEAD

PATHS: dict[str, tuple[str, ...]] = {
    "intended": (),
    "applied": ("applied",),
    "bitten": ("applied", "bitten"),
    "reverting": ("reverting",),
    "reverted": ("reverting", "reverted"),
    "stuck": ("reverting", "stuck"),
    "healed": ("reverting", "reverted", "healed"),
    "defended": ("reverting", "reverted", "defended"),
}


def intent(step: str = "Roll the key!", deadline_s: float = 1e12) -> Intent:
    return Intent(step, "fake", {"on": ["node:a"]}, (Carrier("node", "a"),), {"carriers": {}}, deadline_s)


def ledger_with_stack(path: Path | str = ":memory:") -> Ledger:
    ledger = Ledger(path)  # type: ignore[arg-type]
    ledger.add_stack("s", folder=Path("/nowhere"), world="x:Y", run_owned=True)
    return ledger


@pytest.mark.parametrize(("old", "new"), list(itertools.product(STATES, STATES)))
def test_only_transitions_of_the_table_are_made(old: str, new: str) -> None:
    """From every state exactly the listed ones can be reached; the rest raises, except undoing what is closed: a no-op."""
    with ledger_with_stack() as ledger:
        fault = ledger.intend("s", 1, intent())
        for state in PATHS[old]:
            ledger.advance(fault.id, state)
        if new in LEGAL[old]:
            assert ledger.advance(fault.id, new).state == new
        elif old in CLOSED and new in UNDO:
            assert ledger.advance(fault.id, new).state == old
        else:
            with pytest.raises(IllegalTransition):
                ledger.advance(fault.id, new)
            assert ledger.fault(fault.id).state == old


@given(st.lists(st.sampled_from(sorted(UNDO)), max_size=12))
def test_several_undoers_never_disturb_each_other(steps: list[str]) -> None:
    """Once undoing began, any interleaving of undo steps is taken, and the first closed state stays."""
    with ledger_with_stack() as ledger:
        fault = ledger.intend("s", 1, intent())
        ledger.advance(fault.id, "reverting")
        seen = [ledger.advance(fault.id, step).state for step in steps]
        closed = [state for state in seen if state in CLOSED]
        assert closed == seen[len(seen) - len(closed) :]
        assert len(set(closed)) <= 1


def test_an_intent_is_on_disk_before_it_returns(tmp_path: Path) -> None:
    """Another connection sees the whole intent at once, with an id that fits a URL path and a toxic's name."""
    with ledger_with_stack(tmp_path / "ledger.sqlite") as ledger:
        fault = ledger.intend("s", 1, intent())
        with Ledger(tmp_path / "ledger.sqlite") as other:
            assert other.open_faults("s") == (fault,)
    assert fault.id == "s-001-roll-the-key"
    assert fault.carriers == (Carrier("node", "a"),)


def test_commits_are_synced_to_disk(tmp_path: Path) -> None:
    """Durability is full: the database syncs its log on every commit."""
    with ledger_with_stack(tmp_path / "ledger.sqlite") as ledger:
        assert ledger._database.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert ledger._database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_the_same_steps_give_the_same_ids() -> None:
    """Ids depend on the stack and the order of intents alone, so equal runs have equal histories."""
    with ledger_with_stack() as one, ledger_with_stack() as two:
        steps = ("a", "b", "a")
        assert [one.intend("s", 1, intent(s)).id for s in steps] == [two.intend("s", 1, intent(s)).id for s in steps]
        assert len({fault.id for fault in one.faults("s")}) == 3


def test_an_old_epoch_can_neither_intend_nor_go_forward() -> None:
    """After a take-over the old owner is fenced off from new faults and from forward steps, not from undoing."""
    with ledger_with_stack() as ledger:
        fault = ledger.intend("s", 1, intent())
        assert ledger.take_over("s") == 2
        with pytest.raises(Fenced):
            ledger.intend("s", 1, intent())
        with pytest.raises(Fenced):
            ledger.advance(fault.id, "applied")
        with pytest.raises(Fenced):
            ledger.check("s", 1)
        assert ledger.advance(fault.id, "reverting").state == "reverting"
        assert len(ledger.faults("s")) == 1


def test_a_closed_stack_takes_no_more_faults() -> None:
    """Closing a stack heals its open rows, removes it from the list, and refuses new intents."""
    with ledger_with_stack() as ledger:
        fault = ledger.intend("s", 1, intent())
        ledger.close_stack("s")
        assert ledger.fault(fault.id).state == "healed"
        assert ledger.stacks() == ()
        with pytest.raises(Fenced):
            ledger.intend("s", 1, intent())


def test_while_everything_is_halted_faults_can_only_be_undone(tmp_path: Path) -> None:
    """No intent and no further change of an apply, from any process that shares the file; undo steps go on."""
    with ledger_with_stack(tmp_path / "ledger.sqlite") as ledger:
        fault = ledger.intend("s", 1, intent())
        halt(tmp_path, "enough")
        for act in (lambda: ledger.intend("s", 1, intent()), lambda: ledger.check("s", 1)):
            with pytest.raises(Halted, match="enough"):
                act()
        ledger.advance(fault.id, "reverting")
        ledger.advance(fault.id, "reverted")
        assert not ledger.advance(fault.id, "healed").open
        lift(tmp_path)
        ledger.check("s", 1)


@given(st.lists(st.sampled_from(["intend", "advance", "fail", "let go"]), max_size=12))
def test_a_ledger_in_memory_answers_as_its_file_would(acts: list[str]) -> None:
    """Whatever was asked before, also in a change that was then undone, it says what its tables hold now."""
    with ledger_with_stack() as ledger:
        for act in acts:
            if act == "intend":
                ledger.intend("s", 1, intent())
            elif act == "let go":
                ledger.let_go("s")
            elif known := ledger.open_faults("s"):
                try:
                    ledger.advance(known[-1].id, "applied" if act == "advance" else "healed")
                except IllegalTransition:
                    assert known[-1].state != "intended" or act == "fail"
            held = [tuple(row) for row in ledger._database.execute("SELECT id, state FROM faults ORDER BY number")]
            assert [(fault.id, fault.state) for fault in ledger.faults("s")] == held
            assert [ledger.fault(fault).state for fault, _ in held] == [state for _, state in held]


def test_a_dead_owner_is_dated_once() -> None:
    """The time at which the owner was first found dead does not change when it is found dead again."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=Path("/nowhere"), world="x:Y", owner=DEAD, run_owned=False)
        first = ledger.mark_orphaned("s")
        assert ledger.mark_orphaned("s") == first


def test_a_new_intent_asks_for_a_new_sweep() -> None:
    """Carriers that were searched after a death are searched again once something was injected since."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=Path("/nowhere"), world="x:Y", owner=DEAD, run_owned=False)
        ledger.mark_swept("s")
        ledger.intend("s", 1, intent())
        assert not ledger.stack("s").swept


def test_a_fault_left_in_place_has_no_holder_and_a_new_deadline() -> None:
    """`keep_until` with `by_hand` clears the holder and sets the deadline; a fault being undone is not changed."""
    me = ProcessId.me()
    with ledger_with_stack() as ledger:
        fault = ledger.intend("s", 1, replace(intent(), holder=me))
        assert (fault.holder, fault.by_hand) == (me, False)
        assert ledger.keep_until(fault.id, 5.0, by_hand=True) == fault, "nothing that is not in place is left there"
        ledger.advance(fault.id, "applied")
        held = ledger.keep_until(fault.id, 7.0, by_hand=False)
        assert (held.holder, held.by_hand, held.deadline_s) == (me, False, 7.0)
        left = ledger.keep_until(fault.id, 9.0, by_hand=True)
        assert (left.holder, left.by_hand, left.deadline_s) == (None, True, 9.0)
        ledger.advance(fault.id, "reverting")
        assert ledger.keep_until(fault.id, 11.0, by_hand=True).deadline_s == 9.0


def test_a_ledger_of_an_earlier_version_is_extended(tmp_path: Path) -> None:
    """Rows that were written before faults had holders are still read, and new ones can be added."""
    path = tmp_path / "ledger.sqlite"
    with ledger_with_stack(path) as ledger:
        old = ledger.intend("s", 1, intent())
        for column in ("holder_pid", "holder_started", "by_hand"):
            ledger._database.execute(f"ALTER TABLE faults DROP COLUMN {column}")
        ledger._database.execute("PRAGMA user_version = 0")
    with Ledger(path) as ledger:
        assert ledger.open_faults("s") == (old,)
        assert ledger.intend("s", 1, replace(intent(), holder=ProcessId.me())).holder == ProcessId.me()


OLD_STACK = (
    "INSERT INTO stacks (id, folder, world, run_owned, owner_pid, owner_started, epoch, added_wall_s)"
    " VALUES (?, '/nowhere', ?, 0, 0, '', 1, 0)"
)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("harness.worlds.processes:ProcessesWorld", "processes"),
        ("brownout.harness.worlds.processes.world:ProcessesWorld", "processes"),
        ("harness.worlds.compose:ComposeWorld", "compose"),
        ("brownout.harness.worlds.compose.world:ComposeWorld", "compose"),
        ("somebodys.world:Other", "somebodys.world:Other"),
    ],
)
def test_a_stack_of_an_earlier_version_keeps_its_world(tmp_path: Path, entry: str, name: str) -> None:
    """A row with the world's class is read as the world's name, and stays as it is for the old guardian that still runs."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:  # what follows is what the earlier version wrote
        ledger._database.execute("PRAGMA user_version = 0")
        ledger._database.execute(OLD_STACK, ("up-1", entry))
    with Ledger(path) as ledger:
        assert ledger.stack("up-1").world == name
        ((written,),) = ledger._database.execute("SELECT world FROM stacks").fetchall()
        assert written == entry


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """One in memory, whose rows have names."""
    with closing(sqlite3.connect(":memory:")) as made:
        made.row_factory = sqlite3.Row
        yield made


def test_rows_that_differ_in_a_type_or_a_column_are_read_each(database: sqlite3.Connection) -> None:
    """1, 1.0 and "1" are three rows. A row read again gives the same record, and more than are remembered do no harm."""
    read = list[str]()

    @_read_once
    def told(row: sqlite3.Row) -> str:
        read.append(f"{row.keys()[0]} {row[0]!r}")
        return read[-1]

    queries = ["SELECT 1 AS a", "SELECT 1.0 AS a", "SELECT '1' AS a", "SELECT 1 AS b"]
    found = [told(database.execute(query).fetchone()) for query in (*queries, *queries)]
    assert found == ["a 1", "a 1.0", "a '1'", "b 1"] * 2
    assert len(read) == 4
    later = [told(database.execute("SELECT ? AS a", (number,)).fetchone()) for number in range(3 * KNOWN_MOST)]
    assert later[-1] == f"a {3 * KNOWN_MOST - 1}"


def test_no_more_rows_are_remembered_than_is_said(database: sqlite3.Connection) -> None:
    """Of more than KNOWN_MOST rows the first are forgotten and read anew; of just as many none is."""
    read = list[int]()

    @_read_once
    def told(row: sqlite3.Row) -> str:
        read.append(row["a"])
        return str(row["a"])

    for number in (*range(KNOWN_MOST), 0):
        told(database.execute("SELECT ? AS a", (number,)).fetchone())
    assert read == list(range(KNOWN_MOST))
    for number in (KNOWN_MOST, 0):
        told(database.execute("SELECT ? AS a", (number,)).fetchone())
    assert read[KNOWN_MOST:] == [KNOWN_MOST, 0]


def test_an_unwritable_ledger_refuses(tmp_path: Path) -> None:
    """When the intent cannot be written LedgerError says so, with what to do, and no row appears."""
    path = tmp_path / "ledger.sqlite"
    with ledger_with_stack(path) as ledger:
        ledger._database.execute("PRAGMA query_only=ON")
        with pytest.raises(LedgerError, match="cannot be used") as caught:
            ledger.intend("s", 1, intent())
        assert "no fault is injected" in caught.value.hint
        assert ledger.faults("s") == ()


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """Rubbish in the ledger's place is reported, not overwritten."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 50)
    with pytest.raises(LedgerError):
        Ledger(path)


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    """When the database cannot grow, intending fails and earlier rows stay readable."""
    with ledger_with_stack(tmp_path / "ledger.sqlite") as ledger:
        pages = ledger._database.execute("PRAGMA page_count").fetchone()[0]
        ledger._database.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(LedgerError):
            _intend(ledger, 500)
        assert all(fault.state == "intended" for fault in ledger.faults("s"))


def _intend(ledger: Ledger, count: int) -> None:
    for _ in range(count):
        ledger.intend("s", 1, intent())


def _intend_many(path: str, count: int) -> None:
    with Ledger(Path(path)) as ledger:
        _intend(ledger, count)


@pytest.mark.slow
def test_processes_share_a_ledger(tmp_path: Path) -> None:
    """Two processes that intend at once lose no row and give no number twice."""
    path = tmp_path / "ledger.sqlite"
    with ledger_with_stack(path) as ledger:
        spawn = multiprocessing.get_context("spawn")
        writers = [spawn.Process(target=_intend_many, args=(str(path), 20)) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(30)
            assert writer.exitcode == 0
        assert [fault.number for fault in ledger.faults("s")] == list(range(1, 41))


def test_transitions_are_kept_with_their_evidence() -> None:
    """The life of a fault can be read back in order."""
    with ledger_with_stack() as ledger:
        fault = ledger.intend("s", 1, intent())
        ledger.advance(fault.id, "applied")
        ledger.advance(fault.id, "bitten", evidence="7 of 7")
        assert [(state, why) for state, _, why in ledger.transitions(fault.id)] == [
            ("intended", ""),
            ("applied", ""),
            ("bitten", "7 of 7"),
        ]


def test_deadlines_are_of_one_boot() -> None:
    """A fault is overdue past its monotonic deadline, and always after a reboot, whose clock starts anew."""
    with ledger_with_stack() as ledger:
        fault = ledger.intend("s", 1, intent(deadline_s=100.0))
        assert not fault.overdue(99.0)
        assert fault.overdue(101.0)
        ledger._database.execute("UPDATE faults SET boot = 'another'")
        assert ledger.fault(fault.id).overdue(1.0)


def test_unknown_ids_are_key_errors() -> None:
    """A stack or a fault that the ledger does not have is a KeyError, not an empty row."""
    with ledger_with_stack() as ledger:
        with pytest.raises(KeyError):
            ledger.stack("t")
        with pytest.raises(KeyError):
            ledger.fault("f")
        with pytest.raises(LedgerError, match="UNIQUE"):
            ledger.add_stack("s", folder=Path("/nowhere"), world="x:Y", run_owned=True)


def test_errors_keep_their_cause(tmp_path: Path) -> None:
    """What SQLite said is not lost."""
    with ledger_with_stack() as ledger, pytest.raises(LedgerError) as caught:
        ledger._records(str, "SELECT nonsense")
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_what_was_read_in_a_change_that_failed_is_not_remembered(tmp_path: Path) -> None:
    """A ledger in memory gives known answers again, and the row is as it was before the change."""
    with Ledger(":memory:") as ledger:
        before = ledger.add_stack("s", folder=tmp_path, world="file", run_owned=False)
        (tmp_path / ENTRY_FILE).mkdir()
        with pytest.raises(LedgerError):
            ledger.let_go("s")
        assert ledger.stack("s") == before

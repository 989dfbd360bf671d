"""An undo never depends on the ledger's disk: what cannot be written is done in memory, and written as soon as it can be."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.files import FileLock
from brownout.harness.base.processes import ProcessId
from brownout.harness.injection import ledger_file
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.ledger_records import Intent
from brownout.harness.injection.stack_entry import StackEntry
from brownout.harness.world import Carrier

INTENT = Intent("slow", "fake", {}, (Carrier("node", "a"),), {"carriers": {}}, 1e12)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE_S", "UNDO_PATIENCE_S", "SETTLE_PATIENCE_S"):
        monkeypatch.setattr(ledger_file, name, 0.01)


@pytest.fixture(autouse=True)
def _nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After each test every connection that it led to is closed: an opening that failed, and a copy, leave none."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    yield
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


@contextmanager
def _bitten(path: Path) -> Iterator[tuple[Ledger, str]]:
    """A ledger with one fault in place."""
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=path.parent, world="file", run_owned=False)
        fault = ledger.intend("s", 1, INTENT)
        for state in ("applied", "bitten"):
            ledger.advance(fault.id, state)
        yield ledger, fault.id


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Another program keeps the file locked."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


def _undo(ledger: Ledger, fault_id: str) -> None:
    for state in ("reverting", "reverted", "healed"):
        ledger.advance(fault_id, state)


def _state_on_disk(path: Path, fault_id: str) -> str:
    with closing(sqlite3.connect(path)) as database:
        (state,) = database.execute("SELECT state FROM faults WHERE id = ?", (fault_id,)).fetchone()
    return str(state)


def test_an_undo_goes_on_in_memory_and_is_written_when_it_can_be(tmp_path: Path) -> None:
    """While the file is locked every undo step succeeds; later the disk has them all."""
    path = tmp_path / "ledger.sqlite"
    with _bitten(path) as (ledger, fault_id):
        with _locked(path):
            _undo(ledger, fault_id)
            assert ledger.fault(fault_id).state == "healed"
            assert "locked" in ledger.unwritten
            assert _state_on_disk(path, fault_id) == "bitten"
        assert ledger.settle()
        assert (_state_on_disk(path, fault_id), ledger.unwritten) == ("healed", "")


FORWARD: dict[str, Callable[[Ledger, str], object]] = {
    "a stack": lambda ledger, _: ledger.add_stack("t", folder=Path("/nowhere"), world="file", run_owned=False),
    "a stack let go": lambda ledger, _: ledger.let_go("s"),
    "an intent": lambda ledger, _: ledger.intend("s", 1, INTENT),
    "a check": lambda ledger, _: ledger.check("s", 1),
    "a step forward": lambda ledger, fault_id: ledger.advance(fault_id, "applied"),
    "a deadline": lambda ledger, fault_id: ledger.keep_until(fault_id, 1.0, by_hand=True),
}


@pytest.mark.parametrize("begin", FORWARD.values(), ids=FORWARD)
def test_nothing_new_is_begun_without_the_disk(tmp_path: Path, begin: Callable[[Ledger, str], object]) -> None:
    """After an undo in memory all that is no undo raises LedgerError, until the disk can be written again."""
    path = tmp_path / "ledger.sqlite"
    with _bitten(path) as (ledger, fault_id):
        other = ledger.intend("s", 1, INTENT)
        with _locked(path):
            _undo(ledger, fault_id)
            with pytest.raises(LedgerError, match="locked"):
                begin(ledger, other.id)
        begin(ledger, other.id)
        assert ledger.fault(fault_id).state == "healed"


def test_a_ledger_of_this_version_is_opened_beside_a_program_that_writes(tmp_path: Path) -> None:
    """It needs no upgrade, and so no lock: a command that only looks is not kept waiting."""
    path = tmp_path / "ledger.sqlite"
    with _bitten(path) as (_, fault_id), _locked(path), Ledger(path) as beside:
        assert (beside.fault(fault_id).state, beside.unwritten) == ("bitten", "")


def test_an_undo_waits_for_the_file_less_long_than_other_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release waits for it; after it all is as before, also where the undo failed."""
    for name, patience_s in (("PATIENCE_S", 0.03), ("UNDO_PATIENCE_S", 0.02), ("SETTLE_PATIENCE_S", 0.01)):
        monkeypatch.setattr(ledger_file, name, patience_s)
    path = tmp_path / "ledger.sqlite"
    with _bitten(path) as (ledger, fault_id):
        told: list[str] = []
        disk = ledger._database
        disk.set_trace_callback(told.append)
        ledger.advance(fault_id, "reverting")
        with _locked(path):
            ledger.advance(fault_id, "reverted")
            assert not ledger.settle()
        assert ledger.settle()
        disk.set_trace_callback(None)
        waits = [int(each.rpartition(" ")[2]) for each in told if "busy_timeout" in each]
        assert waits == [20, 30, 20, 30, 10, 30, 10, 30]


def test_what_stays_unwritten_is_said_and_left_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A ledger that is closed before the disk can be written says so; the row stays open, for the next command to undo."""
    path = tmp_path / "ledger.sqlite"
    with caplog.at_level(logging.WARNING), _bitten(path) as (ledger, fault_id), _locked(path):
        _undo(ledger, fault_id)
        ledger.close()
        assert "by the next command" in caplog.text
    assert _state_on_disk(path, fault_id) == "bitten"


def test_a_file_that_cannot_be_opened_is_read_from_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a ledger on a full disk can be read and undone, those too that only its log of changes has."""
    path = tmp_path / "ledger.sqlite"
    with _bitten(path) as (_, fault_id):
        whole = ledger_file._open

        def full(place: Path) -> sqlite3.Connection:
            if place == path:
                raise sqlite3.OperationalError("database or disk is full")
            return whole(place)

        monkeypatch.setattr(ledger_file, "_open", full)
        assert path.with_name("ledger.sqlite-wal").stat().st_size > 0
        with Ledger(path) as ledger:
            assert ledger.fault(fault_id).state == "bitten"
            _undo(ledger, fault_id)
            assert ledger.open_faults("s") == ()
            with pytest.raises(LedgerError, match="full"):
                ledger.intend("s", 1, INTENT)
            monkeypatch.setattr(ledger_file, "_open", whole)
        assert _state_on_disk(path, fault_id) == "healed"


def test_a_file_without_a_log_of_changes_is_read_from_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a program leaves it that has closed it; the folder of the copy goes with the reading."""
    path, shadow = tmp_path / "ledger.sqlite", tmp_path / "memory"
    shadow.mkdir()
    with _bitten(path) as (_, fault_id):
        pass
    assert not path.with_name("ledger.sqlite-wal").exists()
    whole = ledger_file._open
    monkeypatch.setattr(ledger_file, "_COPY_FOLDERS", (tmp_path / "nowhere", shadow))
    monkeypatch.setattr(ledger_file, "_open", lambda place: whole(place) if place != path else _full())
    with Ledger(path) as ledger:
        assert ledger.fault(fault_id).state == "bitten"
        assert "full" in ledger.unwritten
        assert list(shadow.iterdir()) == []
        monkeypatch.setattr(ledger_file, "_open", whole)


def _full() -> sqlite3.Connection:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_file_that_changes_all_the_time_is_copied_so_often_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied between two changes is no ledger; one that stands still for a moment is."""
    path, aside, copies = tmp_path / "ledger.sqlite", tmp_path / "aside", list[int]()
    aside.mkdir()
    path.write_text("0")
    copyfile = shutil.copyfile

    def changing(source: Path, target: Path) -> None:
        copyfile(source, target)
        copies.append(1)
        if len(copies) < 3:
            path.write_text("1" * (len(copies) + 1))

    monkeypatch.setattr(shutil, "copyfile", changing)
    assert ledger_file._copied(path, aside).read_text() == "111"
    assert len(copies) == 3
    copies.clear()
    monkeypatch.setattr(ledger_file, "_stamps", lambda *paths: [(len(copies), 0)])
    with pytest.raises(OSError, match="changes all the time"):
        ledger_file._copied(path, aside)
    assert len(copies) == ledger_file.COPY_TRIES == 5


def test_a_file_that_is_no_ledger_raises(tmp_path: Path) -> None:
    """There is nothing to read rows from, in no copy either."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(os.urandom(4096))
    with pytest.raises(LedgerError):
        Ledger(path)


def test_a_lock_can_be_taken_on_a_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """flock needs no right to write: a file that exists is enough."""
    path = tmp_path / "claims.lock"
    path.touch()
    opened = os.open

    def read_only(name: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise OSError(30, "Read-only file system")
        return opened(name, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    with FileLock(path) as lock:
        assert lock.take()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE faults SET params = '{' WHERE number = 1",
        "UPDATE faults SET params = '[]' WHERE number = 1",
        "UPDATE faults SET baseline = '7' WHERE number = 1",
        "UPDATE faults SET carriers = '[5]' WHERE number = 1",
        "UPDATE faults SET state = 'no-such-state' WHERE number = 1",
        "UPDATE faults SET deadline_s = 'soon' WHERE number = 1",
        "UPDATE faults SET step = x'ff' WHERE number = 1",
    ],
)
def test_a_damaged_row_is_passed_over_and_kept(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """The other faults of the stack are still found, the warning says which row it is, and nothing is removed."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="processes", run_owned=True)
        for step in ("one", "two"):
            ledger.intend("s", 1, Intent(step, "link-slow", {}, (Carrier("link", "a->b"),), {}, 1e9))
    with closing(sqlite3.connect(path)) as database:
        database.execute(damage)
        database.commit()
    with Ledger(path) as ledger:
        assert [fault.step for fault in ledger.open_faults("s")] == ["two"]
        assert [fault.step for fault in ledger.faults("s")] == ["two"]
    assert sum("a damaged row of the ledger" in line and "s-001-one" in line for line in caplog.messages) == 1
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM faults").fetchone() == (2,)


def test_a_row_that_became_damaged_is_not_taken_for_the_one_that_was_read(tmp_path: Path) -> None:
    """A value that is equal and of another type is noticed, also where the sound row was read a moment before."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="processes", run_owned=True)
        ledger.intend("s", 1, Intent("one", "link-slow", {}, (Carrier("link", "a->b"),), {}, 1e9))
        assert ledger.faults("s")[0] is ledger.open_faults("s")[0]  # read anew, and not made anew
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE faults SET epoch = '1x'")
            database.commit()
        assert ledger.faults("s") == ()


@pytest.mark.parametrize("damage", ["state = x'ff'", "wall_s = 'soon'", "evidence = x'07'"])
def test_a_damaged_step_of_a_fault_is_passed_over(tmp_path: Path, damage: str) -> None:
    """A value of another type in one step of a fault's life leaves the other steps, as they were written."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="processes", run_owned=True)
        fault = ledger.intend("s", 1, Intent("one", "link-slow", {}, (Carrier("link", "a->b"),), {}, 1e9))
        ledger.advance(fault.id, "applied", evidence="it is slow")
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE transitions SET {damage} WHERE state = 'intended'")
        database.commit()
    with Ledger(path) as ledger:
        assert [(state, evidence) for state, _, evidence in ledger.transitions(fault.id)] == [("applied", "it is slow")]


def test_a_damaged_row_of_a_stack_is_replaced_by_its_folder_s_entry(tmp_path: Path) -> None:
    """A stack that runs is found by its folder, as where the ledger is lost; its faults keep their rows."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="processes", run_owned=True)
        ledger.intend("s", 1, Intent("one", "link-slow", {}, (Carrier("link", "a->b"),), {}, 1e9))
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE stacks SET owner_pid = 'x', epoch = 'y'")
        database.commit()
    with Ledger(path) as ledger:
        assert ledger.stacks() == ()
        entry = StackEntry("s", "processes", False, ProcessId(0, ""), standing=True)
        assert ledger.adopt(entry, tmp_path).epoch == 1
        assert [fault.step for fault in ledger.open_faults("s")] == ["one"]


def test_an_undo_goes_on_past_a_damaged_index(tmp_path: Path) -> None:
    """A fault that the table has and its index lost is undone in memory, whose index is made anew."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="processes", run_owned=True)
        fault = ledger.intend("s", 1, Intent("one", "link-slow", {}, (Carrier("link", "a->b"),), {}, 1e9))
    with closing(sqlite3.connect(path)) as database:  # the index is that of an empty table now
        root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_faults_1'").fetchone()[0]
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = database.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\x0a\0\0\0\0" + size.to_bytes(2, "big") + b"\0")
    with Ledger(path) as ledger:
        assert [found.id for found in ledger.open_faults("s")] == [fault.id]
        assert ledger.advance(fault.id, "reverting").state == "reverting"
        assert "has lost" in ledger.unwritten


def test_a_device_is_no_ledger(tmp_path: Path) -> None:
    """It has no end, so it is not even copied."""
    (tmp_path / "ledger.sqlite").symlink_to("/dev/zero")
    with pytest.raises(LedgerError, match="is no regular file"):
        Ledger(tmp_path / "ledger.sqlite")


def test_a_table_of_another_program_is_no_ledger(tmp_path: Path) -> None:
    """What it lacks is named."""
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE faults RENAME COLUMN params TO parameters")
        database.commit()
    with pytest.raises(LedgerError, match="its table faults has no column params"):
        Ledger(path)


def test_a_row_of_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    """No step is entered of a fault without a row, whichever program writes."""
    with _bitten(tmp_path / "ledger.sqlite") as (ledger, fault_id):
        statement = "INSERT INTO transitions VALUES (?, 'healed', 1.0, '')"
        with pytest.raises(LedgerError, match="FOREIGN KEY"):
            ledger._execute(statement, "no-such-fault")
        ledger._execute(statement, fault_id)
        assert [state for state, *_ in ledger.transitions(fault_id)] == ["intended", "applied", "bitten", "healed"]


def test_a_stack_whose_folder_is_no_path_is_passed_over(tmp_path: Path) -> None:
    """No system has a file of such a name; the stack beside it is still found."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for name in ("s", "t"):
            ledger.add_stack(name, folder=tmp_path, world="file", run_owned=False)
        ledger._execute("UPDATE stacks SET folder = 'a' || char(0) || 'b' WHERE id = 's'")
        assert [stack.id for stack in ledger.stacks()] == ["t"]


def test_a_full_disk_is_told_though_it_has_rolled_the_change_back(tmp_path: Path) -> None:
    """SQLite does so by itself where it cannot write; a second rollback would be the error that is told."""

    def change(ledger: Ledger) -> None:
        with ledger._change() as database:
            database.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(LedgerError, match="database or disk is full"):
            change(ledger)
        assert ledger.add_stack("s", folder=tmp_path, world="file", run_owned=True).id == "s"


def test_a_ledger_makes_its_folder_for_its_owner_alone(tmp_path: Path) -> None:
    """The first command of a user finds none."""
    path = tmp_path / "state" / "home" / "ledger.sqlite"
    with Ledger(path) as ledger:
        assert (ledger.stacks(), ledger.unwritten) == ((), "")
    assert path.parent.stat().st_mode & 0o777 == 0o700

"""The ledger's file: its tables, opening, transactions, queries, and the upgrade from earlier versions.

The stacks in an old ledger may still be up, so it is upgraded in place when it is opened, in one transaction. The version is
SQLite's `user_version`; 0 stands for every ledger written before versions were recorded.

An undo never depends on this file's disk. When the disk is full, read-only, or the file locked, the ledger goes on in memory
from what it could read: an undo's changes are made there and repeated on disk as soon as that can be written (`settle`), at
the latest when the ledger is closed. What stays unwritten leaves an open row, which the next command undoes once more. All
other changes raise LedgerError meanwhile, so nothing new is put in place.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from brownout.harness.base.halt import Halt, read_halt, require_lifted
from brownout.harness.errors import BrownoutError, readable
from brownout.harness.injection.ledger_records import DamagedRow

T = TypeVar("T")
VERSION = 1
PATIENCE_S = 5.0  # for a file that another process has locked
UNDO_PATIENCE_S = 1.0  # short: a release waits for it
SETTLE_PATIENCE_S = 0.1
COPY_TRIES = 5
_COPY_FOLDERS = (Path("/dev/shm"), None)  # noqa: S108  # no file is named there; memory, so that a full disk matters not; else the usual place
log = logging.getLogger("ledger")
_TABLES = """
CREATE TABLE IF NOT EXISTS stacks (
  id TEXT PRIMARY KEY, folder TEXT NOT NULL, world TEXT NOT NULL, run_owned INTEGER NOT NULL,
  owner_pid INTEGER NOT NULL, owner_started TEXT NOT NULL, epoch INTEGER NOT NULL,
  orphaned_wall_s REAL, swept INTEGER NOT NULL DEFAULT 0, closed INTEGER NOT NULL DEFAULT 0, added_wall_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
  id TEXT PRIMARY KEY, stack TEXT NOT NULL REFERENCES stacks(id), number INTEGER NOT NULL, step TEXT NOT NULL,
  kind TEXT NOT NULL, params TEXT NOT NULL, carriers TEXT NOT NULL, baseline TEXT NOT NULL, deadline_s REAL NOT NULL,
  boot TEXT NOT NULL, state TEXT NOT NULL, epoch INTEGER NOT NULL,
  holder_pid INTEGER, holder_started TEXT, by_hand INTEGER NOT NULL DEFAULT 0, UNIQUE (stack, number));
CREATE TABLE IF NOT EXISTS transitions (
  fault TEXT NOT NULL REFERENCES faults(id), state TEXT NOT NULL, wall_s REAL NOT NULL, evidence TEXT NOT NULL);
"""
_COLUMNS: Mapping[str, frozenset[str]] = {
    "stacks": frozenset({"id", "folder", "world", "run_owned", "owner_pid", "owner_started", "epoch", "orphaned_wall_s",
                         "swept", "closed", "added_wall_s"}),
    "faults": frozenset({"id", "stack", "number", "step", "kind", "params", "carriers", "baseline", "deadline_s", "boot",
                         "state", "epoch", "holder_pid", "holder_started", "by_hand"}),
    "transitions": frozenset({"fault", "state", "wall_s", "evidence"}),
}  # fmt: skip
_HINT = "without it no fault is injected; check the disk and the folder's rights, or set BROWNOUT_HOME"
_ADDED_COLUMNS = {"holder_pid": "INTEGER", "holder_started": "TEXT", "by_hand": "INTEGER NOT NULL DEFAULT 0"}


class LedgerError(BrownoutError):
    """The ledger could not be read or written; nothing may be injected."""


class LedgerFile:
    """One connection to the ledger at `path`, made where there is none; a context manager.

    `unwritten` says why the disk cannot be written, "" while it can. Every method, and making one, raises LedgerError when the
    file cannot be read; changes that are no undo also when it cannot be written.
    """

    def __init__(self, path: Path | Literal[":memory:"]) -> None:
        self.path = path
        self.unwritten = ""
        self._disk: sqlite3.Connection | None = None
        self._pending: list[Callable[[], object]] = []
        self._damaged: set[str] = set()
        self._known: dict[tuple[object, ...], tuple[Any, ...]] = {}  # answers, which hold until `_known_at` is past
        self._known_at = 0
        try:
            with _as_ledger_error(path):
                self._database = self._disk = _new_in_memory() if path == ":memory:" else _open(path)
        except LedgerError as error:
            self._database = _copy_aside(path, error)
            self.unwritten = error.message

    def close(self) -> None:
        """Makes a last attempt to write what is unwritten, and says so where that fails."""
        if self._pending and not self.settle():
            log.warning("%s; what was undone is entered by the next command that can write it", self.unwritten)
        self._database.close()
        if self._disk is not None:
            self._disk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def halt(self) -> Halt | None:
        """The halt in the ledger's folder, None where nothing is halted. A ledger in memory knows none."""
        return read_halt(self.path.parent) if isinstance(self.path, Path) else None

    def require_lifted(self) -> None:
        """Raises Halted while there is a halt."""
        if isinstance(self.path, Path):
            require_lifted(self.path.parent)

    def settle(self) -> bool:
        """Writes what is unwritten to the disk and goes on there; False when that is still impossible."""
        if not self.unwritten:
            return True
        copy = self._database
        try:
            with _as_ledger_error(self.path):
                self._disk = self._disk or _open(Path(self.path))
                self._database = self._disk
                with self._patience(SETTLE_PATIENCE_S):
                    while self._pending:
                        with suppress(KeyError):  # the file was replaced by another, which does not have the row
                            self._pending[0]()
                        del self._pending[0]
        except LedgerError as error:
            self._database, self.unwritten = copy, error.message
            return False
        copy.close()
        self.unwritten = ""
        return True

    def _undoing(self, change: Callable[[], T]) -> T:
        """Makes an undo's change on disk or, where the disk refuses it, in memory, and on disk later."""
        if self.path == ":memory:":
            return change()
        if not self.settle():
            return self._change_in_memory(change)
        try:
            with self._patience(UNDO_PATIENCE_S):
                return change()
        except LedgerError as error:
            with _as_ledger_error(self.path):
                self._database = _in_memory(self._database)
            self.unwritten = error.message
            return self._change_in_memory(change)

    def _change_in_memory(self, change: Callable[[], T]) -> T:
        done = change()
        self._pending.append(change)
        return done

    def _require_disk(self) -> None:
        """Raises LedgerError while the disk cannot be written."""
        if not self.settle():
            raise LedgerError(self.unwritten, hint=_HINT)

    @contextmanager
    def _patience(self, seconds: float) -> Iterator[None]:
        """Waits no longer than this for a locked file inside of the block."""
        database = self._database
        database.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")
        try:
            yield
        finally:
            database.execute(f"PRAGMA busy_timeout = {int(1000 * PATIENCE_S)}")

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One immediate transaction: committed and fsynced when the block ends, undone when it raises."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has rolled it back already
                    self._database.execute("ROLLBACK")
                self._known.clear()  # what was read meanwhile never came to be
                raise
        except (sqlite3.Error, OSError) as error:
            raise _unusable(self.path, error) from error

    def _execute(self, statement: str, *values: object) -> None:
        with self._change() as database:
            database.execute(statement, values)

    def _one(self, make: Callable[[sqlite3.Row], T], table: str, key: str) -> T:
        """The row of that id; raises KeyError, and LedgerError where the table has it and its index lost it."""
        if found := self._records(make, f"SELECT * FROM {table} WHERE id = ?", key):  # noqa: S608  # a table of ours
            return found[0]
        if self._records(make, f"SELECT * FROM {table} WHERE +id = ?", key):  # noqa: S608  # `+`: without the index
            raise LedgerError(f"the ledger {self.path} is damaged: the index of its {table} has lost {key}", hint=_HINT)
        raise KeyError(key)

    def _records(self, make: Callable[[sqlite3.Row], T], query: str, *values: object) -> tuple[T, ...]:
        """What the rows hold. One that is damaged is passed over: it must not keep the others from being undone.

        A ledger in memory is changed by this connection alone, so it gives the same answer until the next change.
        """
        asked = (query, *values)
        try:
            if self._known_at != self._database.total_changes:
                self._known.clear()
                self._known_at = self._database.total_changes
            known = self._known.get(asked)
            if known is not None:
                return known
            rows = self._database.execute(query, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise _unusable(self.path, error) from error
        found = tuple(self._made(make, rows)) if rows else ()
        if self.path == ":memory:":
            self._known[asked] = found
        return found

    def _made(self, make: Callable[[sqlite3.Row], T], rows: list[sqlite3.Row]) -> Iterator[T]:
        for row in rows:
            try:
                yield make(row)
            except DamagedRow as damaged:
                if str(damaged) not in self._damaged:  # said once, however often it is met
                    self._damaged.add(str(damaged))
                    log.warning("a damaged row of the ledger %s is passed over: %s", self.path, readable(str(damaged)))


@contextmanager
def _as_ledger_error(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path | str, error: Exception) -> LedgerError:
    return LedgerError(f"the ledger {path} cannot be used: {error}", hint=_HINT)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _require_regular(path)
    database = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_S)
    with _closed_on_error(database):
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA foreign_keys=ON")
        database.executescript(_TABLES)
        database.text_factory = lambda text: text.decode("utf-8", "replace")  # octets that are no text damage their row alone
        if _version(database) < VERSION:
            _upgrade(database)
        _require_columns(database)
    return database


def _new_in_memory() -> sqlite3.Connection:
    """A ledger without a row. Neither another version nor another program has written in it, so nothing is looked at."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    with _closed_on_error(database):
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA foreign_keys=ON")
        database.executescript(_TABLES)
    return database


@contextmanager
def _closed_on_error(database: sqlite3.Connection) -> Iterator[None]:
    """Closes a connection that the block was to make ready and did not."""
    try:
        yield
    except BaseException:
        database.close()
        raise


def _require_columns(database: sqlite3.Connection) -> None:
    """Raises DatabaseError for a file in which a table of ours is another's."""
    for table, columns in _COLUMNS.items():
        there = {row["name"] for row in database.execute(f"PRAGMA table_info({table})")}
        if missing := columns - there:
            raise sqlite3.DatabaseError(
                f"its table {table} has no column {', '.join(sorted(missing))}: it is no ledger of ours"
            )


def _require_regular(path: Path) -> None:
    """Raises OSError for what is there and no regular file: a device has no end."""
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no regular file")


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def _upgrade(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")  # several processes may find it old; each waits for the one before and finds it done
    there = {row["name"] for row in database.execute("PRAGMA table_info(faults)")}
    for column in _ADDED_COLUMNS.keys() - there:
        database.execute(f"ALTER TABLE faults ADD COLUMN {column} {_ADDED_COLUMNS[column]}")
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")


def _in_memory(read: sqlite3.Connection) -> sqlite3.Connection:
    """A ledger in memory with the rows of this one; raises sqlite3.Error."""
    copy = _new_in_memory()
    with _closed_on_error(copy):
        copy.execute("PRAGMA foreign_keys=OFF")
        for table in ("stacks", "faults", "transitions"):
            for row in read.execute(f"SELECT * FROM {table}"):  # noqa: S608  # the names above
                columns, marks = ", ".join(row.keys()), ", ".join("?" * len(row.keys()))
                copy.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row))  # noqa: S608  # the same names, and values as marks
    return copy


def _copy_aside(path: Path | str, why: LedgerError) -> sqlite3.Connection:
    """The rows of a file that cannot be opened in its place, such as on a full disk; raises `why` when it cannot be read."""
    for place in _COPY_FOLDERS:
        try:
            with (
                tempfile.TemporaryDirectory(prefix="brownout-ledger-", dir=place) as folder,
                closing(_open(_copied(Path(path), Path(folder)))) as copied,
            ):
                return _in_memory(copied)
        except (OSError, sqlite3.Error):
            continue
    raise why


def _copied(path: Path, folder: Path) -> Path:
    """Copies the file and its log of changes as they were at one moment; raises OSError."""
    log_file = path.with_name(path.name + "-wal")
    for each in (path, log_file):
        _require_regular(each)
    for _ in range(COPY_TRIES):
        before = _stamps(path, log_file)
        shutil.copyfile(path, folder / path.name)
        if log_file.exists():
            shutil.copyfile(log_file, folder / log_file.name)
        if _stamps(path, log_file) == before:
            return folder / path.name
    raise OSError(f"{path} changes all the time")


def _stamps(*paths: Path) -> list[tuple[int, int]]:
    return [(path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else (0, 0) for path in paths]

"""The ledger's file: its tables, opening, transactions, queries, and the upgrade from earlier versions.

The stacks in an old ledger may still be up, so it is upgraded in place when it is opened, in one transaction. The version is
SQLite's `user_version`; 0 stands for every ledger written before versions were recorded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from brownout.harness.errors import BrownoutError

VERSION = 1
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
_ADDED_COLUMNS = {"holder_pid": "INTEGER", "holder_started": "TEXT", "by_hand": "INTEGER NOT NULL DEFAULT 0"}


class LedgerError(BrownoutError):
    """The ledger could not be read or written; nothing may be injected."""


class LedgerFile:
    """One connection to the ledger at `path`, made where there is none; a context manager.

    Every method, and making one, raises LedgerError when the file cannot be read or written.
    """

    def __init__(self, path: Path | Literal[":memory:"]) -> None:
        self.path = path
        with _as_ledger_error(path):
            self._database = _open(path)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One immediate transaction: committed and fsynced when the block ends, undone when it raises."""
        with _as_ledger_error(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with _as_ledger_error(self.path):
            return self._database.execute(query, values).fetchall()


@contextmanager
def _as_ledger_error(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(
            f"the ledger {path} cannot be used: {error}",
            hint="without it no fault is injected; check the disk and the folder's rights, or set BROWNOUT_HOME",
        ) from error


def _open(path: Path | Literal[":memory:"]) -> sqlite3.Connection:
    if isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = sqlite3.connect(path, isolation_level=None, timeout=10)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA foreign_keys=ON")
    database.executescript(_TABLES)
    if _version(database) < VERSION:
        _upgrade(database)
    return database


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

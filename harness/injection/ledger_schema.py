"""The ledger's file: its tables, how it is opened, and how one that an earlier version made is brought up to date.

The stacks in an old ledger may still be up, so it is upgraded in place when it is opened, in one transaction. The version is
SQLite's `user_version`; 0 is every ledger from before it was kept.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

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
# Version 0 kept a world's class as `module:Class`, in modules that have moved since; since version 1 it is the world's name.
_WORLD_NAMES = {"%:ProcessesWorld": "processes", "%:ComposeWorld": "compose"}


def open_database(path: Path | Literal[":memory:"]) -> sqlite3.Connection:
    """A connection to the ledger at `path`, made where there is none; raises sqlite3.Error and OSError."""
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
    for entry, name in _WORLD_NAMES.items():
        database.execute("UPDATE stacks SET world = ? WHERE world LIKE ?", (name, entry))
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")

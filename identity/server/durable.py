"""A node's durable records: one SQLite file per node, opened on the first write.

A write returns once the transaction is on disk (write-ahead log, synchronous=FULL), so a SIGKILL that follows it loses
nothing. Writes go through one thread: they keep their order and a slow disk does not stop the node from answering.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

CREATE = "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID"
WRITE = "INSERT INTO records (key, record) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET record = excluded.record"


class DurableRecords:
    """Records by key in the file `path`, which need not exist. One instance per file and process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    def open_ahead(self) -> None:
        """Makes the file of a node that has no records, before its first write has to wait for that; raises sqlite3.Error."""
        self._writer_thread().submit(self._connect_once).result()

    def read_all(self) -> Mapping[str, Mapping[str, Any]]:
        """All records that earlier processes of the node wrote, by key in order; raises sqlite3.DatabaseError."""
        if self._connection is not None or not self._path.exists():  # opened ahead: it was new then
            return {}
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute(CREATE)
            rows = connection.execute("SELECT key, record FROM records ORDER BY key").fetchall()
        return {key: orjson.loads(record) for key, record in rows}

    async def write(self, key: str, record: Mapping[str, Any] | None) -> None:
        """Makes `record` durable under `key` (None deletes it); raises sqlite3.Error."""
        encoded = None if record is None else orjson.dumps(dict(record), default=dict)
        await asyncio.get_running_loop().run_in_executor(self._writer_thread(), self._write, key, encoded)

    def close(self) -> None:
        """Waits for writes under way and closes the file."""
        if self._writer is not None:
            self._writer.submit(self._disconnect).result()
            self._writer.shutdown()
            self._writer = None

    def _writer_thread(self) -> ThreadPoolExecutor:
        if self._writer is None:
            self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="durable")
        return self._writer

    def _write(self, key: str, encoded: bytes | None) -> None:
        with self._connect_once() as connection:
            if encoded is None:
                connection.execute("DELETE FROM records WHERE key = ?", (key,))
            else:
                connection.execute(WRITE, (key, encoded))

    def _connect_once(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(CREATE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

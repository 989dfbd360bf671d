"""State folders, damaged: the ledger's rows and bytes, the entries and records of stacks, the halt. Every command copes.

The sound folder has a standing stack whose processes have ended, with faults in several states, and the stack of a dead run.
A command then says what is wrong, or heals what it can. It never loses a row that was sound, never touches a file outside of
the state folder, and never signals a process that is not the stack's.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

from brownout.harness.base.processes import ProcessId
from brownout.harness.injection.guardian_start import READY_FILE, Beat
from brownout.harness.injection.lease import LEASE_FILE, Lease
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import Intent
from brownout.harness.injection.stack_entry import ENTRY_FILE, StackEntry
from brownout.harness.world import Carrier
from brownout.harness.worlds.live.served_file import write_served
from brownout.harness.worlds.processes.stack import RECORD_NAME, SPEC_NAME, ProcessStack
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.server.clock import Clock
from brownout.identity.server.spec_file import ServedStack, Sidecar
from fuzz.civil import broken_promise, told_by
from fuzz.folders import _bytes_changed, _replaced
from fuzz.nasty import JSON_VALUES
from fuzz.shaken import _value

STANDING, RUN = "calm-otter-1", "run-5-web-1"
DEAD = ProcessId(3_999_999, "a boot that was:1")  # above the highest pid that Linux gives by default
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("status",), ("status", "--json"), ("heal",), ("heal", "--json"), ("down",), ("down", "--all"), ("env",),
    ("halt", "--lift"), ("halt", "--reason", "x", "--within", "1s"), ("inject", "freeze", "--for", "1s"),
    ("heal", "--fault", "x"),
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, "", "x", 0, -1, 1, 2**63 - 1, 0.5, 1e300, b"\xff\x00", "\ud800".encode("utf-8", "surrogatepass"), "null", "[]", "{}",
    "[1]", '["link:a->b"]', '["x"]', '{"a": 1}', "{", "healed", "stuck", "intended", "no-such-state", "compose", "simulation",
    "no-such-world", "a.module:ProcessesWorld", "..", "/", "/proc/self", "x" * 900, "a\0b", "9" * 400, "[" * 2_000,
)  # fmt: skip
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "stacks": ("id", "folder", "world", "run_owned", "owner_pid", "owner_started", "epoch", "orphaned_wall_s", "swept",
               "closed", "added_wall_s"),
    "faults": ("id", "stack", "number", "step", "kind", "params", "carriers", "baseline", "deadline_s", "boot", "state",
               "epoch", "holder_pid", "holder_started", "by_hand"),
    "transitions": ("fault", "state", "wall_s", "evidence"),
}  # fmt: skip
Rows = dict[tuple[str, int], tuple[Any, ...]]


def sound(work: Path) -> Path:
    """The state folder as it is before the damage; made at the first call."""
    home = work / "sound"
    if home.exists():
        return home
    spec = replace(build_stack(seed=3), edge=True)
    with Ledger(home / "ledger.sqlite") as ledger:
        for stack, run_owned in ((STANDING, False), (RUN, True)):
            folder = home / "stacks" / stack
            folder.mkdir(parents=True, mode=0o700)
            ProcessStack(folder, DEAD, "http://127.0.0.1:9", {"sydney.host": 9}, (DEAD,)).write()
            toxiproxy = Sidecar("toxiproxy", ("toxiproxy-server",), {}, 9)
            write_served(folder / SPEC_NAME, ServedStack(spec, Clock.starting_now(1.7e9, 1.0), sidecars=(toxiproxy,)))
            ledger.add_stack(stack, folder=folder, world="processes", owner=DEAD, run_owned=run_owned)
            _faults(ledger, stack)
            Lease(folder, 6.0).renew()
            (folder / READY_FILE).write_text(json.dumps(asdict(Beat(DEAD.pid, DEAD.started, 1.0, False))), encoding="utf-8")
        ledger.let_go(STANDING)
        StackEntry(RUN, "processes", True, DEAD, standing=False).write(home / "stacks" / RUN)
    (home / "HALT").write_text("why not\n", encoding="utf-8")
    return home


def _faults(ledger: Ledger, stack: str) -> None:
    link, node = Carrier("link", "client->sydney.host"), Carrier("node", "sydney.store")
    known = (
        ("link-slow", {"link": link.name, "latency": "40ms"}, link, ("applied", "bitten", "reverting", "reverted", "healed")),
        ("link-slow", {"link": link.name, "latency": "1s"}, link, ("applied", "bitten")),
        ("node-kill", {"node": node.name}, node, ("applied", "reverting", "stuck")),
        ("freeze", {}, Carrier("control", "sydney.directory"), ()),
    )
    for kind, params, carrier, states in known:
        intent = Intent(kind, kind, params, (carrier,), {"enabled": True}, time.monotonic() + 3600, DEAD)
        fault = ledger.intend(stack, 1, intent)
        for state in states:
            ledger.advance(fault.id, state)  # type: ignore[arg-type]  # states, written above


def attempt(draw: random.Random, work: Path) -> tuple[list[str], str]:
    """One damaged state folder, a command in it, and what that broke; "" for nothing."""
    source, home = sound(work), work / "state"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(source, home, symlinks=True)
    _moved(home, source)
    if draw.randrange(4):
        (home / "HALT").unlink()
    done = [draw.choice(_DAMAGES)(draw, home) for _ in range(draw.choice((1, 1, 2, 3)))]
    command = draw.choice(COMMANDS)
    return [*done, " ".join(command)], broken_by(command, home, work)


def broken_by(command: tuple[str, ...], home: Path, work: Path) -> str:
    """What the command breaks in this state folder."""
    before, ledger = rows_of(home), _content(home / "ledger.sqlite")
    outside = sorted(work.iterdir())
    with _no_signals() as sent:
        told = told_by(list(command), home, work)
    said = f"{' '.join(command)}: "
    if broken := broken_promise(told, (0, 2, 4, 5)):
        return said + broken
    if sent:
        return f"{said}a signal was sent to {sent[0]}"
    if sorted(work.iterdir()) != outside:
        return f"{said}something outside of the state folder changed"
    return said + lost if (lost := _lost(before, ledger, home)) else ""


def _lost(before: Rows | None, ledger: bytes | None, home: Path) -> str:
    """What became of rows that were there, and of a file that cannot be read as a ledger."""
    after = rows_of(home)
    if before is not None:
        missing = before.keys() - (after or {}).keys()
        return f"{len(missing)} rows were lost, such as {min(missing)}" if missing else ""
    if ledger and after is not None and not any(_content(path) == ledger for path in home.iterdir()):
        return "a ledger that could not be read was replaced, and no copy of it kept"
    return ""


def rows_of(home: Path) -> Rows | None:
    """Every row of the ledger by table and row number; None where SQLite does not read it."""
    path = home / "ledger.sqlite"
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.text_factory = bytes
            there = {row[0].decode() for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return {
                (table, row[0]): tuple(row[1:])
                for table in COLUMNS.keys() & there
                for row in database.execute(f"SELECT rowid, * FROM {table}")  # the names above
            }
    except (sqlite3.Error, OSError):
        return None


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


@contextmanager
def _no_signals() -> Iterator[list[tuple[int, int]]]:
    """Whom a command would have signalled: nothing that runs is the stack's."""
    sent: list[tuple[int, int]] = []
    with (
        mock.patch("os.kill", lambda pid, number: sent.append((pid, number)) if number else None),
        mock.patch("os.killpg", lambda pid, number: sent.append((-pid, number))),
    ):
        yield sent


def _moved(home: Path, source: Path) -> None:
    """The rows and records of the copy name its own folders."""
    with closing(sqlite3.connect(home / "ledger.sqlite")) as database:
        database.execute("UPDATE stacks SET folder = replace(folder, ?, ?)", (str(source), str(home)))
        database.commit()
    for record in home.glob(f"stacks/*/{RECORD_NAME}"):
        record.write_text(record.read_text(encoding="utf-8").replace(str(source), str(home)), encoding="utf-8")


def _cell(draw: random.Random, home: Path) -> str:
    """One value of one row."""
    table = draw.choice(("stacks", "faults", "faults", "faults", "transitions"))
    column, value = draw.choice(COLUMNS[table]), draw.choice(ODD)
    row = f"(SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET {draw.randrange(8)})"
    change = f"UPDATE {table} SET {column} = ? WHERE rowid = {row}"  # the names above
    return _in_ledger(home, change, (value,)) + f"{table}.{column} = {value!r:.40}"


def _foreign(draw: random.Random, home: Path) -> str:
    """A row of another program, or of a stack that nothing else knows."""
    table = draw.choice(sorted(COLUMNS))
    values = [draw.choice(ODD) for _ in COLUMNS[table]]
    marks = ", ".join("?" * len(values))
    return (
        _in_ledger(home, f"INSERT INTO {table} VALUES ({marks})", tuple(values)) + f"a row in {table} {values!r:.80}"
    )  # the same


def _shape(draw: random.Random, home: Path) -> str:
    """A table that is another."""
    change = draw.choice(
        (
            "DROP TABLE transitions", "DROP TABLE faults", "DROP TABLE stacks", "PRAGMA user_version = 99",
            "PRAGMA user_version = -1", "PRAGMA user_version = 0", "ALTER TABLE faults RENAME COLUMN params TO parameters",
            "ALTER TABLE faults DROP COLUMN by_hand", "ALTER TABLE stacks ADD COLUMN colour TEXT", "DELETE FROM stacks",
            "CREATE TRIGGER t BEFORE UPDATE ON faults BEGIN SELECT RAISE(ABORT, 'no'); END", "PRAGMA journal_mode = DELETE",
            "CREATE VIEW v AS SELECT 1", "DELETE FROM transitions",
        )
    )  # fmt: skip
    return _in_ledger(home, change, ()) + change


def _in_ledger(home: Path, change: str, values: tuple[Any, ...]) -> str:
    try:
        with closing(sqlite3.connect(home / "ledger.sqlite")) as database:
            database.execute("PRAGMA ignore_check_constraints = ON")
            database.execute(change, values)
            database.commit()
    except (sqlite3.Error, ValueError, OverflowError) as refused:
        return f"(refused: {refused}) "
    return ""


def _ledger_bytes(draw: random.Random, home: Path) -> str:
    path = home / "ledger.sqlite"
    return f"ledger: {_bytes_changed(draw, path)}" if path.is_file() else "nothing"


def _file(draw: random.Random, home: Path) -> str:
    """A record, an entry, a specification or the halt: a value of it, its bytes, or something else in its place."""
    stack = draw.choice((STANDING, RUN))
    names = (RECORD_NAME, RECORD_NAME, ENTRY_FILE, SPEC_NAME, LEASE_FILE, READY_FILE)
    path = home / draw.choice((*(f"stacks/{stack}/{name}" for name in names), "HALT", "ledger.sqlite"))
    if not path.is_file() or path.is_symlink():
        return "nothing"
    if path.suffix == ".json" and draw.randrange(3):
        return _json(draw, path)
    return f"{path.name}: {(_bytes_changed if draw.randrange(3) else _replaced)(draw, path)}"


def _json(draw: random.Random, path: Path) -> str:
    try:
        changed = _value(draw, json.loads(path.read_bytes()))
    except ValueError:
        return "nothing"
    text = json.dumps(changed) if draw.randrange(8) else draw.choice(JSON_VALUES)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return f"{path.name}: {text[:80]}"


def _without(draw: random.Random, home: Path) -> str:
    """Something is gone: a stack's folder, the ledger, what it was about to write."""
    name = draw.choice((f"stacks/{STANDING}", f"stacks/{RUN}", "stacks", "ledger.sqlite", f"stacks/{RUN}/{ENTRY_FILE}"))
    path = home / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return f"without {name}"


def _stranger(draw: random.Random, home: Path) -> str:
    """Something that is nobody's among the stacks."""
    name = draw.choice(("note.txt", "run-x", ".hidden", "é", "a b"))
    (home / "stacks").mkdir(exist_ok=True)
    path = home / "stacks" / name
    if path.exists():
        return "nothing"
    if draw.randrange(2):
        path.write_text("x", encoding="utf-8")
    else:
        path.mkdir()
        (path / draw.choice((RECORD_NAME, ENTRY_FILE))).write_text(draw.choice(JSON_VALUES), encoding="utf-8")
    return f"{name} among the stacks"


_DAMAGES: tuple[Callable[[random.Random, Path], str], ...] = (
    _cell, _cell, _cell, _cell, _foreign, _shape, _ledger_bytes, _file, _file, _file, _file, _without, _stranger,
)  # fmt: skip

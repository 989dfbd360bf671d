"""The ledger of faults: written and fsynced before anything is touched, so that any process can undo after any crash.

Theory. A fault is a row whose state follows the table `LEGAL` of ledger_records. `intended` is committed before the first
carrier is touched. From then on, even if a process dies, the row says what may be in place (kind, parameters, carriers), and
an undo is "release this id on these carriers". A row is *open* until it is `healed` or `defended`. Every command first heals
the open rows of dead owners.

Fencing. Each stack has an epoch. A process that takes over from an owner (the guardian, a later command) raises it first. The
old owner still has the old number, and `intend` and every forward step refuse it. Undo steps need no epoch: they are safe
from any process, at any time. On a closed row they change nothing.

Holders. The owner of a run's faults is the owner of its stack. A fault that a command injects into a standing stack is owned
by that command, its `holder`. When the command leaves the fault in place (`by_hand`), it has no owner and ends at its
deadline.

Halt. While the state folder has a halt (base/halt.py), `intend` and `check` refuse, so no fault is put in place. Undo steps
do not ask.

Several processes share one file (WAL, synchronous=FULL, one immediate transaction per change). `:memory:` serves the
simulation, whose carriers vanish with the process. `deadline_s` is the machine's monotonic clock: real time, whatever
clock the stack lives by; `wall_s` is for reading only.

A ledger of an earlier version is brought up to date when it is opened (ledger_file.py). A row that no version can have written
is passed over, with a warning, and stays as it is. What it stood for is not lost: a stack that runs is entered again from its
folder, and a hold without a row is undone (standing.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from brownout.harness.base.processes import ProcessId, boot_id
from brownout.harness.errors import BrownoutError
from brownout.harness.injection.ledger_file import LedgerFile
from brownout.harness.injection.ledger_records import (
    LEGAL,
    UNDO,
    FaultRecord,
    Intent,
    StackRecord,
    State,
    fault_of,
    stack_of,
    transition_of,
)
from brownout.harness.injection.stack_entry import StackEntry

NO_OWNER = ProcessId(0, "")
_NOTE = "INSERT INTO transitions VALUES (?, ?, ?, ?)"
_UNDOING: tuple[State, ...] = ("reverting", "reverted", "healed")


class Fenced(BrownoutError):
    """Another process took the stack over, for example because the lease lapsed; the old owner may only undo."""


class IllegalTransition(Exception):
    """A step that the table of states (`LEGAL`) does not allow."""

    def __init__(self, fault_id: str, old: State, new: State) -> None:
        super().__init__(f"fault {fault_id} cannot go from {old} to {new}")


class Ledger(LedgerFile):
    """One connection to a ledger. All methods raise LedgerError when the file cannot be read or written."""

    def __init__(self, path: Path | Literal[":memory:"], *, wall: Callable[[], float] = time.time) -> None:
        super().__init__(path)
        self._wall = wall

    # stacks

    def add_stack(
        self, stack_id: str, *, folder: Path, world: str, owner: ProcessId | None = None, run_owned: bool
    ) -> StackRecord:
        """Enters a stack with epoch 1, owned by this process unless `owner` says otherwise."""
        owner = owner or ProcessId.me()
        self._require_disk()
        with self._change() as database:
            database.execute(
                "INSERT INTO stacks (id, folder, world, run_owned, owner_pid, owner_started, epoch, added_wall_s)"
                " VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
                (stack_id, str(folder), world, run_owned, owner.pid, owner.started, self._wall()),
            )
            if self.path != ":memory:" and folder.is_dir():  # what ends with its process has nothing to stand in for
                StackEntry(stack_id, world, run_owned, owner, standing=False).write(folder)
        return self.stack(stack_id)

    def adopt(self, entry: StackEntry, folder: Path) -> StackRecord:
        """Enters a stack that runs and has no open row, as its folder's entry says: part of an undo, so never refused."""
        owner, wall_s = entry.owner, self._wall()  # that of a standing stack is none

        def change() -> StackRecord:
            with self._change() as database:
                database.execute(
                    "INSERT INTO stacks (id, folder, world, run_owned, owner_pid, owner_started, epoch, added_wall_s)"
                    " VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT(id) DO UPDATE SET closed = 0, folder = excluded.folder,"
                    " world = excluded.world, owner_pid = excluded.owner_pid, owner_started = excluded.owner_started,"
                    " epoch = iif(typeof(epoch) = 'integer', epoch, 1), orphaned_wall_s = NULL",  # it may be a damaged row
                    (entry.id, str(folder), entry.world, entry.run_owned, owner.pid, owner.started, wall_s),
                )
            return self.stack(entry.id)

        return self._undoing(change)

    def stack(self, stack_id: str) -> StackRecord:
        """The stack of that id; raises KeyError."""
        return self._one(stack_of, "stacks", stack_id)

    def stacks(self) -> tuple[StackRecord, ...]:
        """All stacks that are not closed, oldest first."""
        return self._records(stack_of, "SELECT * FROM stacks WHERE NOT closed ORDER BY rowid")

    def take_over(self, stack_id: str) -> int:
        """Raises the stack's epoch, which fences its owner off, and returns the new one."""

        def change() -> int:
            with self._change() as database:
                database.execute("UPDATE stacks SET epoch = epoch + 1 WHERE id = ?", (stack_id,))
            return self.stack(stack_id).epoch

        return self._undoing(change)

    def let_go(self, stack_id: str) -> None:
        """Clears the stack's owner: it is a standing stack from now on, also while the process that brought it up lives."""
        self._require_disk()
        with self._change() as database:
            database.execute("UPDATE stacks SET owner_pid = 0, owner_started = '' WHERE id = ?", (stack_id,))
            stack = self.stack(stack_id)
            if stack.folder.is_dir():
                StackEntry(stack.id, stack.world, stack.run_owned, NO_OWNER, standing=True).write(stack.folder)

    def mark_orphaned(self, stack_id: str) -> float:
        """Records when the owner was first found dead, once only, and returns that moment (wall clock seconds)."""
        found_s = self._wall()

        def change() -> float:
            with self._change() as database:
                database.execute(
                    "UPDATE stacks SET orphaned_wall_s = coalesce(orphaned_wall_s, ?) WHERE id = ?",
                    (found_s, stack_id),
                )
            since_s = self.stack(stack_id).orphaned_wall_s
            assert since_s is not None, "it was just set"
            return since_s

        return self._undoing(change)

    def mark_swept(self, stack_id: str) -> None:
        """Records that the carriers were searched for late holds since the owner died."""
        self._undoing(lambda: self._execute("UPDATE stacks SET swept = 1 WHERE id = ?", stack_id))

    def close_stack(self, stack_id: str) -> None:
        """Closes a stack that no longer exists, and its open faults: their carriers ended with it."""
        for fault in reversed(self.open_faults(stack_id)):
            for step in _UNDOING:
                self.advance(fault.id, step, evidence="the stack is gone and its carriers with it")
        self._undoing(lambda: self._execute("UPDATE stacks SET closed = 1 WHERE id = ?", stack_id))

    # faults

    def intend(self, stack_id: str, epoch: int, intent: Intent) -> FaultRecord:
        """Commits the intent and returns its row, by whose id carriers will hold the fault.

        From now on a killed owner may leave a late hold, so the stack counts as not swept. Raises Fenced for an old epoch and
        Halted.
        """
        self.require_lifted()
        self._require_disk()
        with self._change() as database:
            self._check_epoch(stack_id, epoch)  # inside of the transaction: no other process can raise the epoch in between
            (number,) = database.execute("SELECT count(*) + 1 FROM faults WHERE stack = ?", (stack_id,)).fetchone()
            fault_id = f"{stack_id}-{number:03d}-{_slug(intent.step)}"
            holder = intent.holder
            database.execute("UPDATE stacks SET swept = 0 WHERE id = ?", (stack_id,))
            database.execute(
                "INSERT INTO faults (id, stack, number, step, kind, params, carriers, baseline, deadline_s, boot, state,"
                " epoch, holder_pid, holder_started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?)",
                (fault_id, stack_id, number, intent.step, intent.kind, _json(intent.params),
                 _json([str(carrier) for carrier in intent.carriers]), _json(intent.baseline), intent.deadline_s,
                 boot_id(), epoch, holder.pid if holder else None, holder.started if holder else None),
            )  # fmt: skip
            database.execute(_NOTE, (fault_id, "intended", self._wall(), ""))
        return self.fault(fault_id)

    def check(self, stack_id: str, epoch: int) -> None:
        """Raises Fenced when the stack's epoch has been raised above `epoch`, and Halted.

        Only reads: a process that is stopped in the middle of a check keeps no other one from writing.
        """
        self.require_lifted()
        self._require_disk()
        self._check_epoch(stack_id, epoch)

    def advance(self, fault_id: str, to: State, *, evidence: str = "") -> FaultRecord:
        """Moves a fault to `to` and returns the row as it then stands.

        A forward step raises Fenced when the epoch in which the fault was intended is over. An undo step on a closed row
        leaves it as it is, and one that the disk refuses is made in memory (ledger_file.py). Raises IllegalTransition for
        anything else that the table does not allow.
        """
        if to in UNDO:
            return self._undoing(lambda: self._advance(fault_id, to, evidence))
        self._require_disk()
        return self._advance(fault_id, to, evidence)

    def _advance(self, fault_id: str, to: State, evidence: str) -> FaultRecord:
        with self._change() as database:
            now = self.fault(fault_id)
            if to in UNDO and not now.open:
                return now  # another process finished the undo first
            if to not in UNDO:  # only forward steps are fenced; an undo must work from any process
                self._check_epoch(now.stack, now.epoch)
            if to not in LEGAL[now.state]:
                raise IllegalTransition(fault_id, now.state, to)
            database.execute("UPDATE faults SET state = ? WHERE id = ?", (to, fault_id))
            database.execute(_NOTE, (fault_id, to, self._wall(), evidence))
        return self.fault(fault_id)

    def keep_until(self, fault_id: str, deadline_s: float, *, by_hand: bool) -> FaultRecord:
        """Sets the deadline of a fault in place; `by_hand` also clears its holder. A fault being undone is left unchanged."""
        self._require_disk()
        with self._change() as database:
            database.execute(
                "UPDATE faults SET deadline_s = ?, by_hand = ?, holder_pid = iif(?, NULL, holder_pid)"
                " WHERE id = ? AND state IN ('applied', 'bitten')",
                (deadline_s, by_hand, by_hand, fault_id),
            )
        return self.fault(fault_id)

    def fault(self, fault_id: str) -> FaultRecord:
        """The fault of that id; raises KeyError."""
        return self._one(fault_of, "faults", fault_id)

    def faults(self, stack_id: str) -> tuple[FaultRecord, ...]:
        """All faults of the stack, open and closed, in the order of their intents."""
        return self._records(fault_of, "SELECT * FROM faults WHERE stack = ? ORDER BY number", stack_id)

    def open_faults(self, stack_id: str) -> tuple[FaultRecord, ...]:
        """The stack's faults that are neither healed nor defended, in the order of their intents."""
        query = "SELECT * FROM faults WHERE stack = ? AND state NOT IN ('healed', 'defended') ORDER BY number"
        found = self._records(fault_of, query, stack_id)
        assert all(fault.open for fault in found), "the query and the table of states agree"
        return found

    def transitions(self, fault_id: str) -> tuple[tuple[State, float, str], ...]:
        """Every step of a fault in order: state, wall clock seconds, evidence."""
        query = "SELECT state, wall_s, evidence FROM transitions WHERE fault = ? ORDER BY rowid"
        return self._records(transition_of, query, fault_id)

    def _check_epoch(self, stack_id: str, epoch: int) -> None:
        stack = self.stack(stack_id)
        if stack.epoch != epoch or stack.closed:
            raise Fenced(
                f"stack {stack_id} was taken over (epoch {stack.epoch}, ours is {epoch}); nothing more is injected",
                hint="the lease lapsed: was the machine suspended or badly overloaded? start the run again",
            )


def _slug(text: str) -> str:
    """`text` as something that fits a path segment of a URL."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split()) or "step"


_json = json.JSONEncoder(separators=(",", ":")).encode

"""The guardian: a process of its own that reverts what is open when its owner cannot any more. It only ever reverts.

What it does next is a pure function (`decide`) of what it sees in the ledger, the lease, the locks and the process table.

A run's stack has an owner, the run's process, and so have its faults:

- the lease lapsed, or the owner died: fence the owner off and revert everything;
- a fault is past its deadline: revert that one;
- the owner released the lease: revert what is still open and leave;
- the stack is gone: close its rows and leave;
- the owner is dead, all is reverted, the grace is over: take the stack down, so that nothing stays for ever.

A standing stack has no owner, and each of its faults an owner of its own: the command in the foreground as long as it lives,
or none up to a deadline. There the guardian reverts the faults that have no owner any more, and leaves when no fault is open
and no command is about to open one. That there is exactly one guardian is brownout.harness.injection.guardian_start.

A fault that cannot be reverted stays `stuck` and is tried again, ever less often, until it can be or the stack is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brownout.harness.base.files import FileLock
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import BrownoutError
from brownout.harness.injection.guardian_start import CLAIMS_LOCK, DEFAULT_MAKE, READY_FILE, lock_of, take_guardian_lock
from brownout.harness.injection.lease import read_lease
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord
from brownout.harness.injection.lifecycle import Make
from brownout.harness.injection.recovery import (
    GRACE_S,
    Attach,
    Healed,
    attach_world,
    heal_stack,
    load_entry,
    take_down,
    unowned_faults,
)

RETRY_MAX_S = 30.0
POLL_S = 0.2

Action = Literal["watch", "take-over", "revert-unowned", "finish", "take-down", "leave"]
log = logging.getLogger("guardian")


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the guardian's decision depends on.

    `owner` is that of the stack, `none` for a standing one. `fenced`: nothing can come from the owner any more (its epoch is
    over and, if it is dead, its carriers were swept). `orphaned_for_s`: how long ago the owner was first found dead.
    `unowned`: the faults without an owner, those of a run that are past their deadline among them. `claimed`: a command may
    be about to inject into a standing stack.
    """

    gone: bool = False
    owner: Literal["alive", "dead", "none"] = "alive"
    lapsed: bool = False
    released: bool = False
    fenced: bool = False
    orphaned_for_s: float = 0.0
    open_faults: bool = False
    unowned: tuple[str, ...] = ()
    claimed: bool = False


def decide(sight: Sight, *, grace_s: float) -> Action:
    """What to do next. Pure."""
    if sight.gone:
        return "leave"
    if sight.owner == "none":
        if sight.unowned:
            return "revert-unowned"
        return "watch" if sight.open_faults or sight.claimed else "leave"
    if sight.released:
        return "finish" if sight.open_faults else "leave"
    if sight.owner == "dead" and sight.orphaned_for_s > grace_s:
        return "take-down"
    if sight.owner == "dead" or sight.lapsed:
        return "take-over" if sight.open_faults or not sight.fenced else "watch"
    return "revert-unowned" if sight.unowned else "watch"


class Guardian:
    """The guardian's loop over one stack: look, decide, act, wait; after a failure it waits longer and longer.

    Construct it in the epoch of a run's owner, or with a standing stack's guardian lock held.
    """

    def __init__(
        self,
        ledger: Ledger,
        stack_id: str,
        attach: Attach,
        make: Make,
        *,
        poll_s: float = POLL_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self.ledger, self.stack_id = ledger, stack_id
        self._attach, self._make, self._grace_s = attach, make, grace_s
        self._poll_s = self._wait_s = poll_s
        stack = ledger.stack(stack_id)
        self._first_epoch = stack.epoch
        self._claims: FileLock | None = None if stack.run_owned else lock_of(stack.folder, CLAIMS_LOCK)

    def close(self) -> None:
        """Lets go of the claims' lock; the end of its process does that too."""
        if self._claims is not None:
            self._claims.close()

    def run(self) -> None:
        """Watches until there is nothing to watch over any more."""
        while (action := self._next()) != "leave":
            if action != "watch":
                self._wait_s = self._after(done=asyncio.run(self._act(action)))
            time.sleep(self._wait_s)

    def _after(self, *, done: bool) -> float:
        """How long to wait: the usual time after success, twice as long as before after each failure."""
        return self._poll_s if done else min(2 * self._wait_s, RETRY_MAX_S)

    def _next(self) -> Action:
        try:
            return decide(self.look(), grace_s=self._grace_s)
        except LedgerError as error:
            if not Path(self.ledger.path).exists():
                return "leave"
            log.warning("%s", error)
            return "watch"

    def look(self) -> Sight:
        """What can be seen now; a stack whose folder is gone is closed on the way."""
        stack = self.ledger.stack(self.stack_id)
        if stack.closed or not stack.folder.is_dir():
            self.ledger.close_stack(stack.id)
            return Sight(gone=True)
        faults = self.ledger.open_faults(stack.id)
        if self._claims is not None:
            claimed = bool(faults) or self._is_claimed(self._claims)
            return Sight(owner="none", open_faults=bool(faults), unowned=unowned_faults(faults), claimed=claimed)
        alive, lease = stack.owner.alive(), read_lease(stack.folder)
        return Sight(
            owner="alive" if alive else "dead",
            lapsed=lease is not None and lease.lapsed(),
            released=lease is not None and lease.released,
            fenced=stack.epoch > self._first_epoch if alive else stack.swept,
            orphaned_for_s=0.0 if alive else time.time() - self.ledger.mark_orphaned(stack.id),
            open_faults=bool(faults),
            unowned=_overdue(faults),
        )

    def _is_claimed(self, claims: FileLock) -> bool:
        """Whether a command claims the guardian or has just opened a fault; if not, the claims' lock is ours from now on."""
        if not claims.take():
            return True
        if not self.ledger.open_faults(self.stack_id):  # asked again: with the lock no command can add one
            return False
        claims.take(shared=True)  # a share beside those of others: a lock is given back by taking less of it
        return True

    async def _act(self, action: Action) -> bool:
        """Carries the action out; False when something is left to be done (and logged)."""
        stack = self.ledger.stack(self.stack_id)
        log.warning("%s: %s", stack.id, action)
        try:
            healed = await self._heal(action, stack)
        except BrownoutError as error:
            log.error("%s: %s failed: %s", stack.id, action, error)
            return False
        if healed.problem:
            log.error("%s: left: %s", stack.id, healed.problem)
        return healed.whole

    async def _heal(self, action: Action, stack: StackRecord) -> Healed:
        if action == "take-down":
            return await take_down(self.ledger, stack, self._attach, self._make, note=log.warning)
        if action == "revert-unowned":
            faults = self.ledger.open_faults(stack.id)
            only = _overdue(faults) if stack.run_owned else unowned_faults(faults)
            return await heal_stack(self.ledger, stack, self._attach, self._make, only=only, note=log.warning)
        return await heal_stack(self.ledger, stack, self._attach, self._make, note=log.warning)


def _overdue(faults: Sequence[FaultRecord]) -> tuple[str, ...]:
    """Of a run's open faults those that its process should have reverted by now."""
    now_s = time.monotonic()
    return tuple(fault.id for fault in faults if fault.in_place and fault.overdue(now_s))


def main(arguments: Sequence[str] | None = None) -> None:
    """The guardian process. For a standing stack it leaves one behind that watches, unless the stack has one, and returns."""
    options = _parser().parse_args(arguments)
    path, make = options.ledger or ledger_path(), load_entry(options.make)
    with Ledger(path) as ledger:
        stack = ledger.stack(options.stack)
    if not stack.run_owned:
        lock = take_guardian_lock(stack.folder)
        if lock is None or os.fork() != 0:  # our end tells the starter that a guardian, which has the lock, watches
            return
    # Ctrl-C is for the process that is guarded. What is done is logged, not that nothing has to be.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    poll_s = min(max(options.lease_ttl_s / 6, 0.02), 1.0) if stack.run_owned else POLL_S
    with Ledger(path) as ledger:
        guardian = Guardian(ledger, stack.id, attach_world, make, poll_s=poll_s, grace_s=options.grace_s)
        if stack.run_owned:
            (stack.folder / READY_FILE).write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
        guardian.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m brownout.harness.injection.guardian", description="Reverts a stack's faults."
    )
    parser.add_argument("--stack", required=True)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--lease-ttl-s", type=float, default=10.0)
    parser.add_argument("--grace-s", type=float, default=GRACE_S)
    parser.add_argument("--make", default=DEFAULT_MAKE)
    return parser


if __name__ == "__main__":
    main()

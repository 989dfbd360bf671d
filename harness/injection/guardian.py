"""The guardian: a separate process that reverts open faults when their owner no longer can. It only ever reverts.

Its next action is a pure function (`decide`) of what it reads from the ledger, the lease, the locks and the process table.

The owner of a run's stack, and of its faults, is the run's process:

- the lease lapsed, or the owner died: fence the owner off and revert everything;
- a fault is past its deadline: revert that one;
- the owner released the lease: revert what is still open and leave;
- the stack is gone: close its rows and leave;
- the owner is dead, all is reverted, the grace is over: take the stack down, so that nothing stays for ever.

A standing stack has no owner. Each of its faults is owned by a command in the foreground, or left in place by hand until a
deadline. The guardian reverts faults whose owner has died or whose deadline has passed. It leaves when no fault is open and no
command is about to open one. How exactly one guardian is ensured: brownout.harness.injection.guardian_start.

Once everything is halted (base/halt.py), it reverts what has no living owner, and after HALT_PATIENCE_S every fault.

A fault that cannot be reverted stays `stuck`. The guardian retries with growing waits until it succeeds or the stack is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brownout.harness.base.files import FileLock
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import BrownoutError
from brownout.harness.injection.guardian_start import (
    CLAIMS_LOCK,
    DEFAULT_MAKE,
    LOOK_NOW,
    lock_of,
    take_guardian_lock,
    write_beat,
)
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
HALT_PATIENCE_S = 10.0  # so long a living owner has to revert its faults itself
POLL_S = 0.2
BEAT_S = 1.0

Action = Literal["watch", "take-over", "revert-unowned", "finish", "take-down", "leave"]
log = logging.getLogger("guardian")


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the guardian's decision depends on.

    `owner` is the stack's owner, `none` for a standing stack. `fenced`: the owner can no longer change anything (its epoch
    is over and, if it is dead, its carriers were swept). `orphaned_for_s`: seconds since the owner was first found dead.
    `unowned`: ids of the faults to revert now: without a living owner, past their deadline, or halted. `claimed`: a command may
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
    """The next action. Pure; the order of the cases matters."""
    if sight.gone:
        return "leave"
    if sight.owner == "none":
        if sight.unowned:
            return "revert-unowned"
        return "watch" if sight.open_faults or sight.claimed else "leave"
    # A run that ended in order released its lease. This comes before the owner's death, which follows within moments.
    if sight.released:
        return "finish" if sight.open_faults else "leave"
    if sight.owner == "dead" and sight.orphaned_for_s > grace_s:
        return "take-down"
    if sight.owner == "dead" or sight.lapsed:
        # Take over also without an open fault: until its epoch is over, a hung owner can still apply one when it wakes.
        return "take-over" if sight.open_faults or not sight.fenced else "watch"
    return "revert-unowned" if sight.unowned else "watch"


class Guardian:
    """The guardian's loop over one stack: look, decide, act, wait. The wait doubles after each failure.

    Construct it in the epoch of a run's owner, or with a standing stack's guardian lock held. `monotonic` is the clock of
    leases and deadlines.
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ledger, self.stack_id = ledger, stack_id
        self._attach, self._make, self._grace_s, self._monotonic = attach, make, grace_s, monotonic
        self._poll_s = self._wait_s = poll_s
        self._beat_due_s = 0.0
        stack = ledger.stack(stack_id)
        self._first_epoch, self._folder = stack.epoch, stack.folder
        self._claims: FileLock | None = None if stack.run_owned else lock_of(stack.folder, CLAIMS_LOCK)

    def close(self) -> None:
        """Closes the claims lock. The end of the process would release it too."""
        if self._claims is not None:
            self._claims.close()

    def run(self) -> None:
        """Returns when `decide` says `leave`."""
        while (action := self.next_action()) != "leave":
            if action != "watch":
                write_beat(self._folder, acting=True)
                self._beat_due_s = 0.0
                self._wait_s = self._after(done=asyncio.run(self.act(action)))
            self._rest()

    def _rest(self) -> None:
        """Waits for the next round or for LOOK_NOW, with a sign of life every second and after each act."""
        end_s = time.monotonic() + self._wait_s
        while (left_s := end_s - time.monotonic()) > 0:
            if time.monotonic() >= self._beat_due_s:
                write_beat(self._folder, acting=False)
                self._beat_due_s = time.monotonic() + BEAT_S
            if signal.sigtimedwait({LOOK_NOW}, min(left_s, BEAT_S)) is not None:
                return

    def _after(self, *, done: bool) -> float:
        """Seconds to wait: POLL_S after success, twice the last wait after a failure, at most RETRY_MAX_S."""
        return self._poll_s if done else min(2 * self._wait_s, RETRY_MAX_S)

    def next_action(self) -> Action:
        """What to do now; a ledger that cannot be read for a moment is a reason to watch on, one that is gone to leave."""
        try:
            return decide(self.look(), grace_s=self._grace_s)
        except LedgerError as error:
            if not Path(self.ledger.path).exists():
                return "leave"
            log.warning("%s", error)  # a full disk or a busy file may pass; a guardian that gave up would protect nothing
            return "watch"

    def look(self) -> Sight:
        """Reads the ledger, lease, locks and process table. Closes the rows of a stack whose folder is missing."""
        self.ledger.settle()
        stack = self.ledger.stack(self.stack_id)
        if stack.closed or not stack.folder.is_dir():
            self.ledger.close_stack(stack.id)
            return Sight(gone=True)
        faults = self.ledger.open_faults(stack.id)
        if self._claims is not None:
            # It stays also until the undo is written: only then can others see that nothing is held.
            held = bool(faults or self.ledger.unwritten)
            claimed = held or self._is_claimed(self._claims)
            return Sight(owner="none", open_faults=held, unowned=self._due(stack, faults), claimed=claimed)
        alive, lease = stack.owner.alive(), read_lease(stack.folder)
        return Sight(
            owner="alive" if alive else "dead",
            lapsed=lease is not None and lease.lapsed(self._monotonic()),
            released=lease is not None and lease.released,
            # A living owner may still be inside an apply, so it cannot be swept yet; its new epoch must do. Once it is
            # dead, only a sweep shows that no late hold is left.
            fenced=stack.epoch > self._first_epoch if alive else stack.swept,
            orphaned_for_s=0.0 if alive else time.time() - self.ledger.mark_orphaned(stack.id),
            open_faults=bool(faults),
            unowned=self._due(stack, faults),
        )

    def _due(self, stack: StackRecord, faults: Sequence[FaultRecord]) -> tuple[str, ...]:
        """Ids of the open faults that no other process will revert in time."""
        halt = self.ledger.halt()
        if halt is not None and time.time() > halt.since_s + HALT_PATIENCE_S:
            return tuple(fault.id for fault in faults)
        if stack.run_owned:
            return _overdue(faults, self._monotonic())
        if halt is not None:
            return tuple(fault.id for fault in faults if fault.holder is None or not fault.holder.alive())
        return unowned_faults(faults, self._monotonic())

    def _is_claimed(self, claims: FileLock) -> bool:
        """Whether a command claims the guardian or has just opened a fault. When False, this process holds the claims lock."""
        if not claims.take():
            return True
        # Read the ledger again: the earlier read was without the lock, and with it no command can open a fault.
        if not self.ledger.open_faults(self.stack_id):
            return False
        claims.take(shared=True)  # downgrade: commands, which take it shared, may go on
        return True

    async def act(self, action: Action) -> bool:
        """Carries the action out. Returns False, and logs why, when something could not be undone."""
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
            only = self._due(stack, self.ledger.open_faults(stack.id))
            return await heal_stack(self.ledger, stack, self._attach, self._make, only=only, note=log.warning)
        return await heal_stack(self.ledger, stack, self._attach, self._make, note=log.warning)


def _overdue(faults: Sequence[FaultRecord], now_s: float) -> tuple[str, ...]:
    """Ids of a run's open faults that are past their deadline: its process lives, but has not reverted them."""
    return tuple(fault.id for fault in faults if fault.in_place and fault.overdue(now_s))


def main(arguments: Sequence[str] | None = None) -> None:
    """The guardian process of a run's stack: returns when it is done.

    For a standing stack it forks a guardian that stays, unless the stack has one already, and returns at once.
    """
    options = _parser().parse_args(arguments)
    path, make = options.ledger or ledger_path(), load_entry(options.make)
    with Ledger(path) as ledger:
        stack = ledger.stack(options.stack)
    if not stack.run_owned:
        lock = take_guardian_lock(stack.folder)
        # The parent's exit is the signal to the starter that a guardian watches. The flock belongs to the open file,
        # which the child shares, so the lock passes to the child without a moment in which it is free.
        if lock is None or os.fork() != 0:
            return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the guarded process, not for its guardian
    signal.pthread_sigmask(signal.SIG_BLOCK, {LOOK_NOW})  # before it is ready: unblocked, the signal would end the process
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    poll_s = min(max(options.lease_ttl_s / 6, 0.02), 1.0) if stack.run_owned else POLL_S
    with Ledger(path) as ledger:
        guardian = Guardian(ledger, stack.id, attach_world, make, poll_s=poll_s, grace_s=options.grace_s)
        write_beat(stack.folder, acting=False, first=True)
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

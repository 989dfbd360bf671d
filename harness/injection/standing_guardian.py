"""The guardian of a standing stack: it ends what people injected by hand once nobody keeps it any more.

A standing stack has no owner, so nobody's death or lease says when to heal. Each fault is kept by itself: by a command in
the foreground as long as that lives, or by nobody until its deadline (`recovery.left_over`). One guardian per stack
watches while any fault is open or any command is about to open one; it only ever reverts.

Exactly one, without a moment in which there is none: two locks in the stack's folder, both flock(2), which the kernel drops
when their holder dies. The guardian holds `guardian.lock` as long as it lives; whoever finds it free starts a guardian, and
of several the first gets it and the others leave. A command that injects holds a share of `claims.lock` from before it looks
for a guardian until it ends. The guardian leaves only when it gets that lock for itself and then finds no fault open, and
it keeps it until it is gone, so that a command that comes at that moment waits and finds no guardian.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from brownout.harness.base.files import FileLock
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.injection.guardian import DEFAULT_MAKE, LOG_FILE, Action, Watcher, become_guardian
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.lifecycle import Make
from brownout.harness.injection.recovery import Attach, Healed, attach_world, heal_stack, left_over, load_entry

GUARDIAN_LOCK = "guardian.lock"
CLAIMS_LOCK = "claims.lock"
POLL_S = 0.2
log = logging.getLogger("guardian")
LATE_S = 2.0  # how long a new guardian tries for a lock that somebody may only be looking at
READY_TIMEOUT_S = 20.0


def _lock_of(folder: Path, name: str) -> FileLock:
    """A lock of the stack in `folder`; raises StackGone when the folder is not there any more."""
    try:
        return FileLock(folder / name)
    except FileNotFoundError:
        raise StackGone(f"the stack in {folder} has no folder any more") from None


class Claim:
    """Held by a command while it may inject, so that no guardian leaves; a context manager. Waits for one that is leaving."""

    def __init__(self, folder: Path) -> None:
        self._lock = _lock_of(folder, CLAIMS_LOCK)

    def __enter__(self) -> Self:
        self._lock.take(shared=True, patience_s=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def is_watched(folder: Path) -> bool:
    """True while a guardian watches the standing stack of that folder; raises StackGone."""
    with _lock_of(folder, GUARDIAN_LOCK) as lock:
        return not lock.take(shared=True)


def ensure_guardian(stack: StackRecord, ledger: Path, *, make: str = DEFAULT_MAKE) -> None:
    """Returns once a guardian watches the standing stack, started here or before; raises WorldError.

    It stays only while a Claim is held or a fault is open.
    """
    if is_watched(stack.folder):
        return
    command = [
        sys.executable,
        "-m",
        "brownout.harness.injection.standing_guardian",
        "--stack",
        stack.id,
        "--ledger",
        str(ledger),
        "--make",
        make,
    ]
    log_file = stack.folder / LOG_FILE
    with log_file.open("ab") as output:
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                timeout=READY_TIMEOUT_S,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
            raise WorldError("the guardian did not start", hint=f"see {log_file}") from failed


class StandingGuardian(Watcher):
    """The loop over one standing stack. Construct it with the guardian's lock held."""

    def __init__(self, ledger: Ledger, stack_id: str, attach: Attach, make: Make) -> None:
        super().__init__(ledger, stack_id, POLL_S)
        self._attach, self._make = attach, make
        self._claims = _lock_of(ledger.stack(stack_id).folder, CLAIMS_LOCK)

    def close(self) -> None:
        """Lets go of the claims' lock; the end of its process does that too."""
        self._claims.close()

    def decide(self) -> Action:
        stack = self.ledger.stack(self.stack_id)
        if stack.closed or not stack.folder.is_dir():
            self.ledger.close_stack(stack.id)
            return "leave"
        if left_over(self.ledger.open_faults(stack.id)):
            return "overdue"
        return "leave" if self._nobody_needs_it() else "watch"

    def _nobody_needs_it(self) -> bool:
        """Whether no fault is open and no command is about to open one; the claims' lock is then ours until we are gone."""
        if not self._claims.take():
            return False
        if not self.ledger.open_faults(self.stack_id):
            return True
        # a share beside those of others: flock gives an exclusive lock back by taking a shared one
        self._claims.take(shared=True, patience_s=None)
        return False

    async def act(self, action: Action, stack: StackRecord) -> Healed:
        left = left_over(self.ledger.open_faults(stack.id))
        return await heal_stack(self.ledger, stack, self._attach, self._make, only=left, note=log.warning)


def main(arguments: Sequence[str] | None = None) -> None:
    """Leaves a guardian behind that watches, unless the stack has one, and returns."""
    parser = argparse.ArgumentParser(
        prog="python -m brownout.harness.injection.standing_guardian", description="Ends faults injected by hand."
    )
    parser.add_argument("--stack", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--make", default=DEFAULT_MAKE)
    options = parser.parse_args(arguments)
    make: Make = load_entry(options.make)
    with Ledger(options.ledger) as ledger:
        lock = _lock_of(ledger.stack(options.stack).folder, GUARDIAN_LOCK)
    end_s = time.monotonic() + LATE_S
    while not lock.take():
        if time.monotonic() > end_s or not lock.take(shared=True):
            return  # a guardian has it; who is only looking lets others look too
        time.sleep(0.02)
    if os.fork() != 0:  # whoever started us learns by our end that the guardian, which now has the lock, watches
        return
    become_guardian()
    with Ledger(options.ledger) as ledger:
        StandingGuardian(ledger, options.stack, attach_world, make).run()


if __name__ == "__main__":
    main()

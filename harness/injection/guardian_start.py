"""Starting guardians: one for each run's stack, and exactly one for a standing stack with faults, at every moment.

A run starts its guardian once. It is its child, and the run checks that it lives until its end.

A standing stack's guardian outlives the command that started it. Two locks in the stack's folder keep it to exactly one,
without a moment in which there is none. Both are flock(2), which the kernel drops when their holder dies.

    event                                       lock             mode                 held until
    a guardian starts                           guardian.lock    exclusive, or leave  its end
    a command looks for a guardian              guardian.lock    shared, or there is  at once; free means that there is
                                                                 one                  none, and it starts one
    a command is about to inject                claims.lock      shared, waited for   its end
    the guardian has found no fault open        claims.lock      exclusive, or stay   its end, where still none is open
                                                                                      then; else shared again

So a command that comes while the guardian leaves waits for its end, finds none and starts the next. Of several guardians that
start at once the first gets the lock and the others leave.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from brownout.harness.base.files import FileLock
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import GRACE_S

READY_FILE = "guardian.json"
LOG_FILE = "guardian.log"
GUARDIAN_LOCK = "guardian.lock"
CLAIMS_LOCK = "claims.lock"
LATE_S = 2.0  # how long a new guardian tries for a lock that a command may only be looking at
READY_TIMEOUT_S = 20.0
DEFAULT_MAKE = "brownout.harness.experiment.plugins:fault"


@dataclass(frozen=True, slots=True)
class GuardianHandle:
    """A guardian that was started for a stack. A run whose guardian is not `alive` is not protected."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Returns once the guardian watches; raises WorldError when it does not come up, and ends it."""
        end_s = time.monotonic() + timeout_s
        while _ready_pid(self.folder) != self.pid:
            if not self.alive() or time.monotonic() > end_s:
                self.process.kill()
                self.process.wait()
                raise WorldError("the guardian did not start", hint=f"see {self.folder / LOG_FILE}")
            time.sleep(0.01)

    def wait(self, timeout_s: float = 10.0) -> int:
        """Its exit code once it left, which it does when the lease is released; raises WorldError when it stays."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise WorldError("the guardian does not leave", hint=f"see {self.folder / LOG_FILE}") from None


def start_guardian(
    stack_id: str,
    lease_ttl_s: float,
    *,
    ledger: Path | None = None,
    make: str = DEFAULT_MAKE,
    grace_s: float = GRACE_S,
) -> GuardianHandle:
    """Starts the guardian of a run's stack in its own session; call `wait_ready` before the first fault.

    The stack must be in the ledger and its lease renewed already. `make` is the entry of what rebuilds faults.
    """
    path = ledger or ledger_path()
    with Ledger(path) as opened:
        folder = opened.stack(stack_id).folder
    command = _command(stack_id, path, make, "--lease-ttl-s", str(lease_ttl_s), "--grace-s", str(grace_s))
    with (folder / LOG_FILE).open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    return GuardianHandle(process, folder)


def _ready_pid(folder: Path) -> int:
    try:
        return int(json.loads((folder / READY_FILE).read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError):
        return 0  # not written yet, or half written


def lock_of(folder: Path, name: str) -> FileLock:
    """A lock of the stack in `folder`; raises StackGone when the folder is not there any more."""
    try:
        return FileLock(folder / name)
    except FileNotFoundError:
        raise StackGone(f"the stack in {folder} has no folder any more") from None


class GuardianClaim:
    """Held by a command while it may inject, so that no guardian leaves; a context manager. Waits for one that is leaving."""

    def __init__(self, folder: Path) -> None:
        self._lock = lock_of(folder, CLAIMS_LOCK)

    def __enter__(self) -> Self:
        self._lock.take(shared=True, patience_s=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def is_watched(folder: Path) -> bool:
    """True while a guardian watches the standing stack of that folder; raises StackGone."""
    with lock_of(folder, GUARDIAN_LOCK) as lock:
        return not lock.take(shared=True)


def take_guardian_lock(folder: Path) -> FileLock | None:
    """The lock that a standing stack's guardian holds for life, taken; None when another guardian has it. Raises StackGone."""
    lock = lock_of(folder, GUARDIAN_LOCK)
    end_s = time.monotonic() + LATE_S
    while not lock.take():
        # Where a share can be had, only commands that look for a guardian hold it, each for a moment.
        if time.monotonic() > end_s or not lock.take(shared=True):
            return None
        time.sleep(0.02)
    return lock


def ensure_guardian(stack: StackRecord, ledger: Path, *, make: str = DEFAULT_MAKE) -> None:
    """Returns once a guardian watches the standing stack, started here or before; raises WorldError.

    It stays only while a GuardianClaim is held or a fault is open.
    """
    if is_watched(stack.folder):
        return
    log_file = stack.folder / LOG_FILE
    with log_file.open("ab") as output:
        try:
            subprocess.run(
                _command(stack.id, ledger, make),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                timeout=READY_TIMEOUT_S,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
            raise WorldError("the guardian did not start", hint=f"see {log_file}") from failed


def _command(stack_id: str, ledger: Path, make: str, *more: str) -> list[str]:
    command = [sys.executable, "-m", "brownout.harness.injection.guardian"]
    return [*command, "--stack", stack_id, "--ledger", str(ledger), "--make", make, *more]

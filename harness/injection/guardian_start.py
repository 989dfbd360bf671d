"""Starting guardians: one for each run's stack, and exactly one for a standing stack with faults, at every moment.

A run's guardian is a child of the run, which checks throughout that the guardian lives.

Every guardian writes a sign of life (a `Beat`) at each round, so that one that is frozen is noticed as one that died is. It is
ended then, and another takes its place.

A standing stack's guardian outlives the command that started it. Two file locks in the stack's folder ensure that there is
exactly one while faults are open. Both are flock(2) locks, which the kernel releases when the holding process dies.

    event                                  lock            mode        when granted                      when refused
    a guardian starts                      guardian.lock   exclusive   watches, holds it until it exits  exits
    a command looks for a guardian         guardian.lock   shared      releases it, starts a guardian    has a guardian
    a command is about to inject           claims.lock     shared      holds it until it is done         waits
    the guardian has found no open fault   claims.lock     exclusive   looks again; exits if none is     stays
                                                                       open, else downgrades to shared

A command that comes while the guardian is leaving waits for its exit, finds no guardian and starts the next. When several
guardians start at once, the first gets the lock and the others exit.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from brownout.harness.base.files import OWNER_ONLY, FileLock, read_regular
from brownout.harness.base.processes import ProcessId, await_true
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import GRACE_S

READY_FILE = "guardian.json"
LOG_FILE = "guardian.log"
GUARDIAN_LOCK = "guardian.lock"
CLAIMS_LOCK = "claims.lock"
LOOK_NOW = signal.SIGUSR1  # has a guardian look at once, where it would look within a second
BEAT_PATIENCE_S = 6.0  # several of the longest waits between two rounds, which take a second at most
ACT_PATIENCE_S = 120.0
LATE_S = 2.0  # how long a new guardian retries for a lock that a looking command holds for a moment
READY_TIMEOUT_S = 20.0
CLAIM_TIMEOUT_S = 10.0
DEFAULT_MAKE = "brownout.harness.experiment.plugins:fault"


@dataclass(frozen=True, slots=True)
class GuardianHandle:
    """The guardian process of a run's stack. While it is not `alive`, the run is not protected."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def problem(self) -> str:
        """Why this guardian does not watch: it has ended, or has not moved for longer than it may; "" when it does."""
        code = self.process.poll()
        if code is not None:
            return f"the guardian ended ({'signal ' + signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
        beat = read_beat(self.folder)
        if beat is not None and beat.pid == self.pid and beat.is_late():
            return f"the guardian has not moved for {beat.age_s():.0f} s"
        return ""

    def is_ready(self) -> bool:
        """Whether it watches by now."""
        return _ready_pid(self.folder) == self.pid

    def kill(self) -> None:
        """Ends it at once, also when it is stopped."""
        self.process.kill()
        self.process.wait()

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Returns once the guardian watches. Raises WorldError, with its process ended, when it is not ready in time."""
        end_s = time.monotonic() + timeout_s
        while not self.is_ready():
            if not self.alive() or time.monotonic() > end_s:
                self.kill()
                raise WorldError("the guardian did not start", hint=f"see {self.folder / LOG_FILE}")
            time.sleep(0.01)

    def wait(self, timeout_s: float = 10.0) -> int:
        """Waits until the guardian exits, as it does after the lease's release; its exit code. Raises WorldError."""
        if self.is_ready():
            self.process.send_signal(LOOK_NOW)
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

    The stack must be in the ledger with a renewed lease. `make` names, as `module:function`, what rebuilds a fault from its
    kind and parameters.
    """
    path = ledger or ledger_path()
    with Ledger(path) as opened:
        folder = opened.stack(stack_id).folder
    command = _command(stack_id, path, make, "--lease-ttl-s", str(lease_ttl_s), "--grace-s", str(grace_s))
    with (folder / LOG_FILE).open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    return GuardianHandle(process, folder)


@dataclass(frozen=True, slots=True)
class Beat:
    """What a guardian writes at each round: its process, when (monotonic), and whether it then began to act."""

    pid: int
    started: str
    at_s: float
    acting: bool

    def age_s(self) -> float:
        return time.monotonic() - self.at_s

    def is_late(self) -> bool:
        """Whether it is older than a guardian that runs lets it become; undoing faults may take a while."""
        return self.age_s() > (ACT_PATIENCE_S if self.acting else BEAT_PATIENCE_S)


def write_beat(folder: Path, *, acting: bool, first: bool = False) -> None:
    """Says that this process guards the stack in `folder`; a folder that cannot be written to is no reason to stop guarding.

    Only the `first` makes the file: the stack's folder is removed under a guardian that is about to leave.
    """
    me = ProcessId.me()
    beat = json.dumps(asdict(Beat(me.pid, me.started, time.monotonic(), acting)))
    with suppress(OSError):
        descriptor = os.open(folder / READY_FILE, os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if first else 0), OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(beat)


def read_beat(folder: Path) -> Beat | None:
    """The guardian's last sign of life; None when it gave none, as those of earlier versions, or is giving one just now."""
    try:
        found = Beat(**json.loads(read_regular(folder / READY_FILE)))
        float(found.at_s)  # OverflowError for a number that is no time
    except (OSError, ValueError, TypeError, OverflowError):
        return None
    return found if isinstance(found.pid, int) and isinstance(found.at_s, int | float) else None


def _ready_pid(folder: Path) -> int:
    try:
        return int(json.loads(read_regular(folder / READY_FILE))["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0  # not written yet, or half written


def lock_of(folder: Path, name: str) -> FileLock:
    """The lock file `name` of the stack in `folder`, not taken yet; raises StackGone when the folder does not exist."""
    try:
        return FileLock(folder / name)
    except FileNotFoundError:
        raise StackGone(f"the stack in {folder} has no folder any more") from None


class GuardianClaim:
    """A context manager that a command holds while it may inject: the guardian does not leave meanwhile.

    Entering waits for a guardian that is just leaving; raises WorldError when it does not within CLAIM_TIMEOUT_S.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = lock_of(folder, CLAIMS_LOCK)

    def __enter__(self) -> Self:
        if not self._lock.take(shared=True, patience_s=CLAIM_TIMEOUT_S):
            self._lock.close()
            problem = f"the guardian of the stack in {self._folder} has not left after {CLAIM_TIMEOUT_S:g} s; it may be stopped"
            raise WorldError(problem, hint=f"see {self._folder / LOG_FILE}, or take the stack away with `brownout down`")
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def is_watched(folder: Path) -> bool:
    """Whether a guardian watches the standing stack in `folder`; raises StackGone. One that has stopped moving does not."""
    with lock_of(folder, GUARDIAN_LOCK) as lock:
        if lock.take(shared=True):
            return False
    beat = read_beat(folder)
    return beat is None or not beat.is_late()


def _end_frozen_guardian(folder: Path) -> None:
    """Ends a guardian that holds its lock and has stopped moving, so that another can take its place."""
    beat = read_beat(folder)
    if beat is None or not beat.is_late():
        return
    frozen = ProcessId(beat.pid, beat.started)
    frozen.kill()
    await_true(lambda: not frozen.alive(), LATE_S)


def take_guardian_lock(folder: Path) -> FileLock | None:
    """Takes the lock that a standing stack's guardian holds until it exits; None when another guardian has it.

    Raises StackGone.
    """
    lock = lock_of(folder, GUARDIAN_LOCK)
    end_s = time.monotonic() + LATE_S
    while not lock.take():
        # A guardian holds the lock exclusively. If a shared lock is granted, only looking commands hold it: try again.
        if time.monotonic() > end_s or not lock.take(shared=True):
            return None
        time.sleep(0.02)
    return lock


def ensure_guardian(stack: StackRecord, ledger: Path, *, make: str = DEFAULT_MAKE) -> None:
    """Starts a guardian for the standing stack unless one watches, and returns once one does; raises WorldError.

    It stays only while a GuardianClaim is held or a fault is open, so call this with a claim held.
    """
    if is_watched(stack.folder):
        return
    _end_frozen_guardian(stack.folder)
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
    command = [sys.executable, "-P", "-m", "brownout.harness.injection.guardian"]
    return [*command, "--stack", stack_id, "--ledger", str(ledger), "--make", make, *more]

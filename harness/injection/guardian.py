"""The guardian: a process of its own that reverts what is open when a run's owner cannot any more. It only ever reverts.

What it does next is a pure function (`decide`) of what it sees in the ledger, the lease and the process table:

- the lease lapsed, or the owner died: fence the owner off and revert everything;
- a fault is past its deadline: revert that one;
- the owner released the lease: revert what is still open and leave;
- the stack is gone: close its rows and leave;
- the owner is dead, all is reverted, the grace is over: take a run's stack down, so that nothing stays for ever.

A fault that cannot be reverted stays `stuck` and is tried again, ever less often, until it can be or the stack is gone.
What watches the faults of a standing stack, which has no owner, is brownout.harness.injection.standing_guardian.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import BrownoutError, WorldError
from brownout.harness.injection.lease import read_lease
from brownout.harness.injection.ledger import Ledger, LedgerError
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.lifecycle import Make
from brownout.harness.injection.recovery import GRACE_S, Attach, Healed, attach_world, heal_stack, load_entry, take_down

READY_FILE = "guardian.json"
LOG_FILE = "guardian.log"
RETRY_MAX_S = 30.0
DEFAULT_MAKE = "brownout.harness.experiment.plugins:fault"

Action = Literal["watch", "take-over", "overdue", "finish", "take-down", "leave"]
log = logging.getLogger("guardian")


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the guardian's decision depends on.

    `fenced`: nothing can come from the owner any more (its epoch is over and, if it is dead, its carriers were swept).
    `orphaned_for_s`: how long ago the owner was first found dead.
    """

    gone: bool = False
    run_owned: bool = True
    owner_alive: bool = True
    lapsed: bool = False
    released: bool = False
    fenced: bool = False
    orphaned_for_s: float = 0.0
    open_faults: bool = False
    overdue: bool = False


def decide(sight: Sight, *, grace_s: float) -> Action:
    """What to do next. Pure."""
    if sight.gone:
        return "leave"
    if sight.released:
        return "finish" if sight.open_faults else "leave"
    if not sight.owner_alive or sight.lapsed:
        return _without_owner(sight, grace_s)
    return "overdue" if sight.overdue else "watch"


def _without_owner(sight: Sight, grace_s: float) -> Action:
    if not sight.owner_alive and sight.run_owned and sight.orphaned_for_s > grace_s:
        return "take-down"
    if sight.open_faults or not sight.fenced:
        return "take-over"
    return "watch" if sight.owner_alive or sight.run_owned else "leave"


class Watcher(ABC):
    """A loop over one stack: see, decide, act, wait; after a failure wait longer and longer."""

    def __init__(self, ledger: Ledger, stack_id: str, poll_s: float) -> None:
        self.ledger, self.stack_id = ledger, stack_id
        self._poll_s = self._wait_s = poll_s

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
            return self.decide()
        except LedgerError as error:
            if not Path(self.ledger.path).exists():
                return "leave"
            log.warning("%s", error)
            return "watch"

    @abstractmethod
    def decide(self) -> Action:
        """What is to be done now; raises LedgerError."""

    async def _act(self, action: Action) -> bool:
        """Carries the action out; False when something is left to be done (and logged)."""
        stack = self.ledger.stack(self.stack_id)
        log.warning("%s: %s", stack.id, action)
        try:
            healed = await self.act(action, stack)
        except BrownoutError as error:
            log.error("%s: %s failed: %s", stack.id, action, error)
            return False
        if healed.problem:
            log.error("%s: left: %s", stack.id, healed.problem)
        return healed.whole

    @abstractmethod
    async def act(self, action: Action, stack: StackRecord) -> Healed:
        """Carries out an action other than to watch and to leave; raises BrownoutError."""


class Guardian(Watcher):
    """The guardian's loop over a stack with an owner. Construct it in the owner's epoch."""

    def __init__(
        self, ledger: Ledger, stack_id: str, attach: Attach, make: Make, *, lease_ttl_s: float, grace_s: float = GRACE_S
    ) -> None:
        super().__init__(ledger, stack_id, min(max(lease_ttl_s / 6, 0.02), 1.0))
        self._attach, self._make, self._grace_s = attach, make, grace_s
        self._first_epoch = ledger.stack(stack_id).epoch

    def decide(self) -> Action:
        return decide(self.look(), grace_s=self._grace_s)

    def look(self) -> Sight:
        """What can be seen now; a stack whose folder is gone is closed on the way."""
        stack = self.ledger.stack(self.stack_id)
        if stack.closed or not stack.folder.is_dir():
            self.ledger.close_stack(stack.id)
            return Sight(gone=True)
        alive, lease = stack.owner.alive(), read_lease(stack.folder)
        faults, now_s = self.ledger.open_faults(stack.id), time.monotonic()
        return Sight(
            run_owned=stack.run_owned,
            owner_alive=alive,
            lapsed=lease is not None and lease.lapsed(now_s),
            released=lease is not None and lease.released,
            fenced=stack.epoch > self._first_epoch if alive else stack.swept,
            orphaned_for_s=0.0 if alive else time.time() - self.ledger.mark_orphaned(stack.id),
            open_faults=bool(faults),
            overdue=any(fault.in_place and fault.overdue(now_s) for fault in faults),
        )

    async def act(self, action: Action, stack: StackRecord) -> Healed:
        if action == "overdue":
            now_s = time.monotonic()
            overdue = [fault.id for fault in self.ledger.open_faults(stack.id) if fault.in_place and fault.overdue(now_s)]
            return await heal_stack(self.ledger, stack, self._attach, self._make, only=overdue, note=log.warning)
        act = take_down if action == "take-down" else heal_stack
        return await act(self.ledger, stack, self._attach, self._make, note=log.warning)


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
    """Starts the guardian of a stack in its own session; call `wait_ready` before the first fault.

    The stack must be in the ledger and its lease kept already. `make` is the entry of what rebuilds faults.
    """
    path = ledger or ledger_path()
    with Ledger(path) as opened:
        folder = opened.stack(stack_id).folder
    command = [sys.executable, "-m", "brownout.harness.injection.guardian", "--stack", stack_id, "--ledger", str(path)]
    command += ["--lease-ttl-s", str(lease_ttl_s), "--grace-s", str(grace_s), "--make", make]
    with (folder / LOG_FILE).open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    return GuardianHandle(process, folder)


def _ready_pid(folder: Path) -> int:
    try:
        return int(json.loads((folder / READY_FILE).read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError):
        return 0  # not written yet, or half written


def main(arguments: Sequence[str] | None = None) -> None:
    """The guardian process."""
    options = _parser().parse_args(arguments)
    become_guardian()
    with Ledger(options.ledger or ledger_path()) as ledger:
        make: Make = load_entry(options.make)
        guardian = Guardian(ledger, options.stack, attach_world, make, lease_ttl_s=options.lease_ttl_s, grace_s=options.grace_s)
        ready = ledger.stack(options.stack).folder / READY_FILE
        ready.write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
        guardian.run()


def become_guardian() -> None:
    """Ctrl-C is the runner's business; a guardian's begins when it is gone. What it does is logged, not that it is there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)


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

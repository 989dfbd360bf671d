"""The lease by which the owner of a stack shows that it is alive: its process renews it.

The lease is a small file in the stack's folder. Its time is the machine's monotonic clock, which every process of one
boot shares; a lease from another boot has lapsed. A thread renews it, which proves that the process lives and not that it
makes progress. Against a process that hangs, every fault has a deadline in the ledger.

A lease that was not renewed in time is lost for good, also to its owner. After a pause (SIGSTOP, a virtual machine that was
stopped) a guardian has reverted everything by then, so the owner neither renews it again nor changes anything more; its figures
would be of faults that were not there. A machine that sleeps is another matter: the monotonic clock sleeps with it and nothing
lapses, but CLOCK_BOOTTIME tells.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from brownout.harness.base.files import read_regular, replace_whole
from brownout.harness.base.processes import boot_id
from brownout.harness.injection.ledger import Fenced

LEASE_FILE = "lease.json"
TICK_S = 0.25  # how exactly a pause is measured; renewals are rarer
SLEPT_MIN_S = 0.5


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A lease as read: renewed at `renewed_s` (monotonic) for `ttl_s`; `released` when its owner ended in order."""

    renewed_s: float
    ttl_s: float
    boot: str
    released: bool = False

    def lapsed(self, monotonic_s: float | None = None) -> bool:
        """Whether it was not renewed in time. A released lease never lapses."""
        now_s = time.monotonic() if monotonic_s is None else monotonic_s
        return not self.released and (self.boot != boot_id() or now_s - self.renewed_s > self.ttl_s)


def read_lease(folder: Path) -> LeaseState | None:
    """The lease of the stack in `folder`; None when it never had one. A file that cannot be read, as a power cut leaves one, is
    a lapsed lease.
    """
    try:
        found = LeaseState(**json.loads(read_regular(folder / LEASE_FILE)))
        found.lapsed()  # TypeError for times that are no numbers
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, OverflowError):
        return LeaseState(renewed_s=0.0, ttl_s=0.0, boot="")
    return found


class Lease:
    """The owner's side: `renew` now and then, `release` once at the end."""

    def __init__(self, folder: Path, ttl_s: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.ttl_s, self.monotonic = folder, ttl_s, monotonic

    def renew(self) -> float:
        """Renews it and returns the monotonic time from which it counts."""
        return self._write(released=False)

    def release(self) -> None:
        """Ends the lease in order: the guardian reverts what is still open and leaves."""
        self._write(released=True)

    def _write(self, *, released: bool) -> float:
        state = LeaseState(self.monotonic(), self.ttl_s, boot_id(), released)
        # not durable: a lease lives no longer than the boot, and a stalled disk must not make a living run miss its renewal
        replace_whole(self.folder / LEASE_FILE, json.dumps(asdict(state)), durable=False)
        return state.renewed_s


class LeaseRenewer:
    """Renews a lease every third of its life from a thread; a context manager that releases at the end.

    `problem` says why renewing failed, "" while it works. `lost` says why the lease is lost for good, "" while it is held; from
    then on it is not renewed. `slept` has a sentence for each time that the machine slept meanwhile.
    """

    def __init__(self, lease: Lease, *, slept_s: Callable[[], float] | None = None) -> None:
        self.lease = lease
        self.problem = ""
        self.lost = ""
        self.slept: list[str] = []
        self._slept_s = slept_s or asleep_s
        self._asleep_s = self._slept_s()
        self._renewed_s = self._ran_s = lease.monotonic()
        self._ran_wall_s = time.time()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew_often, name="lease", daemon=True)

    def start(self) -> None:
        """Writes the lease before it returns, then renews it."""
        self._renewed_s = self._ran_s = self.lease.renew()
        self._thread.start()

    def stop(self) -> None:
        """Stops renewing and releases. May run twice."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.lease.folder.exists():
            self.lease.release()

    def check(self) -> None:
        """Raises Fenced once the lease is lost. Reads only the clock, so that it may run right before each change."""
        if self.is_lost():
            raise Fenced(self.lost, hint="nothing more is injected; start the run again")

    def is_lost(self) -> bool:
        """Whether the lease was not renewed in time, now or earlier."""
        now_s = self.lease.monotonic()
        if not self.lost and now_s - self._renewed_s > self.lease.ttl_s:
            self.lost = self._why(now_s - self._ran_s)
        return bool(self.lost)

    def _why(self, paused_s: float) -> str:
        life = f"its lease of {self.lease.ttl_s:g} s"
        if self.problem or paused_s < self.lease.ttl_s / 2:
            return f"{self.problem or 'the lease could not be renewed in time'}, for longer than {life} lasts"
        span = f"{_clock(self._ran_wall_s)} to {_clock(time.time())} UTC"
        return f"this process was paused for {paused_s:.1f} s ({span}), longer than {life} lasts"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _renew_often(self) -> None:
        while not self._done.wait(min(TICK_S, self.lease.ttl_s / 12)):
            self._note_sleep()
            if self.is_lost():
                return  # never again: its file stays as it is, and every reader sees that it has lapsed
            self._ran_s, self._ran_wall_s = self.lease.monotonic(), time.time()
            if self._ran_s - self._renewed_s >= self.lease.ttl_s / 3:
                self.renew()

    def renew(self) -> None:
        """Renews it now; `problem` says why that failed, if it did."""
        try:
            self._renewed_s = self.lease.renew()
            self.problem = ""
        except OSError as error:
            self.problem = f"the lease could not be renewed: {error}"

    def _note_sleep(self) -> None:
        before_s, self._asleep_s = self._asleep_s, self._slept_s()
        slept_s = self._asleep_s - before_s
        if slept_s > SLEPT_MIN_S:
            self.slept.append(f"the machine slept for {slept_s:.0f} s until {_clock(time.time())} UTC")


def asleep_s() -> float:
    """Seconds that this machine has slept since it started, 0 where the system does not say."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC))


def _clock(wall_s: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(wall_s))

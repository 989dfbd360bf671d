"""The lease by which the owner of a stack shows that it is alive: its process renews it.

The lease is a small file in the stack's folder. Its time is the machine's monotonic clock, which every process of one
boot shares; a lease from another boot has lapsed. A thread renews it, which proves that the process lives and not that it
makes progress. Against a process that hangs, every fault has a deadline in the ledger.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from brownout.harness.base.files import replace_whole
from brownout.harness.base.processes import boot_id

LEASE_FILE = "lease.json"


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
    """The lease of the stack in `folder`; None when it never had one. A file that a power cut left empty is a lapsed lease."""
    try:
        return LeaseState(**json.loads((folder / LEASE_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return LeaseState(renewed_s=0.0, ttl_s=0.0, boot="")


class Lease:
    """The owner's side: `renew` now and then, `release` once at the end."""

    def __init__(self, folder: Path, ttl_s: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.ttl_s, self._monotonic = folder, ttl_s, monotonic

    def renew(self) -> None:
        self._write(released=False)

    def release(self) -> None:
        """Ends the lease in order: the guardian reverts what is still open and leaves."""
        self._write(released=True)

    def _write(self, *, released: bool) -> None:
        state = LeaseState(self._monotonic(), self.ttl_s, boot_id(), released)
        # not durable: a lease lives no longer than the boot, and a stalled disk must not make a living run miss its renewal
        replace_whole(self.folder / LEASE_FILE, json.dumps(asdict(state)), durable=False)


class LeaseRenewer:
    """Renews a lease every third of its life from a thread; a context manager that releases at the end.

    `problem` says why renewing failed, "" while it works. After a failure the lease lapses and the guardian reverts everything.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.problem = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew_often, name="lease", daemon=True)

    def start(self) -> None:
        """Writes the lease before it returns, then renews it."""
        self.lease.renew()
        self._thread.start()

    def stop(self) -> None:
        """Stops renewing and releases. May run twice."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.lease.folder.exists():
            self.lease.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _renew_often(self) -> None:
        while not self._done.wait(self.lease.ttl_s / 3):
            try:
                self.lease.renew()
                self.problem = ""
            except OSError as error:
                self.problem = f"the lease could not be renewed: {error}"
